"""Owns what a user may ask of a display: checked at once, made into renderers when a run begins."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields
from typing import TypedDict, Union, get_args

from . import renderers
from .core.metrics import Selection
from .core.stage import Leave
from .core.throttle import Throttle, ThrottleSpec, as_throttle
from .renderers import Renderer

RendererSpec = Union[str, Renderer, Sequence[Union[str, Renderer]]]
"""A renderer's name, an instance, or several of them."""


@dataclass(frozen=True)
class Options:
    """The display options that all of kbar's entrances share; see `ProgressBar` for each.

    Raises:
        TypeError, ValueError: naming the argument, what was given and what is allowed.
        ImportError: if the library a renderer draws with is missing.
    """

    renderer: RendererSpec = "auto"
    throttle: ThrottleSpec | None = None
    metrics: Iterable[str] | None = None
    leave: Leave | None = None
    capture: bool = True
    pacing: bool | None = None
    summary: bool | None = None
    log_file: str | os.PathLike[str] | None = None
    log: Renderer | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if not self._renderers():
            raise ValueError(f"renderer must name at least one, 'none' for none; got {self.renderer!r}")
        for item in self._renderers():
            if isinstance(item, str):
                renderers.check(item)
            elif not isinstance(item, Renderer):
                raise TypeError(
                    f"renderer must be one of {', '.join(map(repr, renderers.names()))}, a Renderer, "
                    f"or a list of them; got {item!r}"
                )
        screens = [r for r in self._renderers() if r in renderers.SCREENS or getattr(r, "screen", False)]
        if len(screens) > 1:
            raise ValueError(
                f"renderer may have one for the screen, beside it logs to files, such as "
                f"kbar.LogRenderer('train.log'); got {self.renderer!r}"
            )
        if self.log_file is not None:
            if not isinstance(self.log_file, (str, os.PathLike)):
                raise TypeError(f"log_file must be a path; got {self.log_file!r}")
            object.__setattr__(self, "log", renderers.for_file(self.log_file))
        if self.throttle is not None:
            as_throttle(self.throttle)
        if self.metrics is not None:
            named = isinstance(self.metrics, Iterable) and not isinstance(self.metrics, (str, bytes, Set, Mapping))
            patterns = tuple(self.metrics) if named else ()
            if not patterns or not all(isinstance(p, str) for p in patterns):
                raise TypeError(f"metrics must be a list of names or patterns such as 'val_*'; got {self.metrics!r}")
            object.__setattr__(self, "metrics", patterns)  # an iterator would be empty the second time
        if self.leave is not None and self.leave not in get_args(Leave):
            raise ValueError(f"leave must be one of {', '.join(map(repr, get_args(Leave)))}; got {self.leave!r}")
        for name in ("capture", "pacing", "summary"):
            value = getattr(self, name)
            if not isinstance(value, bool) and (value is not None or name == "capture"):
                raise TypeError(f"{name} must be True or False; got {value!r}")

    def _renderers(self) -> list[object]:
        return list(self.renderer) if isinstance(self.renderer, (list, tuple)) else [self.renderer]

    @property
    def selection(self) -> Selection | None:
        """Which metrics are shown; None for those that the stage around shows."""
        return None if self.metrics is None else Selection(tuple(self.metrics))

    def targets(self, screen_taken: bool) -> list[tuple[Renderer, Throttle]]:
        """The renderers, each with its throttle: its own, else the one asked for, else its default.

        ``auto`` is content with the screen as it is, if it is taken; a log file keeps its default.
        """
        wanted = [r for r in self._renderers() if not (screen_taken and r == "auto")]
        made = [renderers.create(r) if isinstance(r, str) else r for r in wanted]
        given = None if self.throttle is None else as_throttle(self.throttle)
        found = [(r, r.throttle or given or r.default_throttle) for r in made if isinstance(r, Renderer)]
        return [*found, *([(self.log, self.log.default_throttle)] if self.log else [])]


class DisplayOptions(TypedDict, total=False):
    """The same options as the keywords of those who hand them on."""

    renderer: RendererSpec
    throttle: ThrottleSpec | None
    metrics: Iterable[str] | None
    leave: Leave | None
    capture: bool
    pacing: bool | None
    summary: bool | None
    log_file: str | os.PathLike[str] | None


def options_of(given: DisplayOptions) -> Options:
    """These keywords, checked.

    Raises:
        TypeError, ValueError, ImportError: as `Options` does, and for a keyword that there is not.
    """
    allowed = [each.name for each in fields(Options) if each.init]
    for name in given:
        if name not in allowed:
            raise TypeError(f"there is no option {name!r}; display options are {', '.join(allowed)}")
    return Options(**given)
