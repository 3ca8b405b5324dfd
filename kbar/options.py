"""The display options that every entry point of kbar takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields
from typing import Any, TypedDict, Union, get_args

from . import renderers
from .core.metrics import Selection
from .core.stage import Leave
from .core.throttle import Throttle, ThrottleSpec, as_throttle
from .renderers import Renderer

RendererSpec = Union[str, Renderer, Sequence[Union[str, Renderer]]]
"""A renderer's name, an instance, or several of them."""


class DisplayOptions(TypedDict, total=False):
    """The options as keyword arguments, for functions that pass them on."""

    renderer: RendererSpec
    throttle: ThrottleSpec | None
    metrics: Iterable[str] | None
    leave: Leave | None
    capture: bool
    pacing: bool | None
    summary: bool | None
    log_file: str | os.PathLike[str] | None


class StageOptions(TypedDict):
    """Those of the options that a stage hands on to the stages within it."""

    selection: Selection | None
    leave: Leave | None
    pacing: bool | None
    summary: bool | None


@dataclass(frozen=True)
class Options:
    """The options, checked; `ProgressBar` explains each.

    Attributes:
        log: writes `log_file`, if there is one.

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
        for each in fields(self):
            value = getattr(self, each.name)
            if each.init and not (value is None and each.default is None):
                object.__setattr__(self, each.name, _CHECKS[each.name](each.name, value))
        if self.log_file is not None:
            object.__setattr__(self, "log", renderers.for_file(self.log_file))

    @property
    def of_stages(self) -> StageOptions:
        """What a stage needs to know; None for what holds for the stage around."""
        return {
            "selection": self.selection,
            "leave": self.leave,
            "pacing": self.pacing,
            "summary": self.summary,
        }

    @property
    def selection(self) -> Selection | None:
        """Which metrics are shown; None for those that the stage around shows."""
        return None if self.metrics is None else Selection(tuple(self.metrics))

    def targets(self, screen_taken: bool) -> list[tuple[Renderer, Throttle]]:
        """The renderers, each with its throttle: its own, else the one asked for, else its default.

        Args:
            screen_taken: whether some renderer already draws on the screen; ``"auto"`` then adds none.
        """
        wanted = [r for r in _listed(self.renderer) if not (screen_taken and r == "auto")]
        created = [renderers.create(r) if isinstance(r, str) else r for r in wanted]
        given = None if self.throttle is None else as_throttle(self.throttle)
        found = [(r, r.throttle or given or r.default_throttle) for r in created]
        return [*found, *([(self.log, self.log.default_throttle)] if self.log else [])]


def options_of(given: DisplayOptions) -> Options:
    """These keyword arguments as options.

    Raises:
        TypeError, ValueError, ImportError: as `Options` does, and for a name that is no option.
    """
    allowed = [each.name for each in fields(Options) if each.init]
    for name in given:
        if name not in allowed:
            raise TypeError(f"there is no option {name!r}; display options are {', '.join(allowed)}")
    return Options(**given)


# One check for each option: it returns the value to keep, or raises an exception that says what is allowed.


def _check_renderer(name: str, value: Any) -> Any:
    items = _listed(value)
    if not items:
        raise ValueError(f"{name} must name at least one, 'none' for none; got {value!r}")
    for item in items:
        if isinstance(item, str):
            renderers.check(item)
        elif not isinstance(item, Renderer):
            known = ", ".join(map(repr, renderers.names()))
            raise TypeError(f"{name} must be one of {known}, a Renderer, or a list of them; got {item!r}")
    if sum(r in renderers.SCREENS if isinstance(r, str) else r.screen for r in items) > 1:
        raise ValueError(
            f"{name} may have one for the screen, beside it logs to files, such as "
            f"kbar.LogRenderer('train.log'); got {value!r}"
        )
    return value


def _check_throttle(name: str, value: Any) -> Throttle:
    return as_throttle(value, name)


def _check_metrics(name: str, value: Any) -> tuple[str, ...]:
    ordered = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Set, Mapping))
    patterns = tuple(value) if ordered else ()  # an iterator would be empty the second time
    if not patterns or not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(f"{name} must be a list of names or patterns such as 'val_*'; got {value!r}")
    return patterns


def _check_leave(name: str, value: Any) -> Any:
    if value not in get_args(Leave):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, get_args(Leave)))}; got {value!r}")
    return value


def _check_flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False; got {value!r}")
    return value


def _check_path(name: str, value: Any) -> str | os.PathLike[str]:
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path; got {value!r}")
    return value


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "renderer": _check_renderer,
    "throttle": _check_throttle,
    "metrics": _check_metrics,
    "leave": _check_leave,
    "capture": _check_flag,
    "pacing": _check_flag,
    "summary": _check_flag,
    "log_file": _check_path,
}


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
