"""The display options that every entry point of kbar takes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypedDict, Union, get_args

from . import renderers
from .core.settings import DEFAULT_METRICS, Leave, Settings
from .core.throttle import Throttle, ThrottleSpec, as_throttle
from .renderers import NullRenderer, Renderer

RendererSpec = Union[str, Renderer, Sequence[Union[str, Renderer]]]
"""A renderer's name, an instance, or several of them."""

MetricsSpec = Union[Iterable[Union[str, Mapping[str, str]]], Mapping[str, str]]
"""Names and patterns, new names by names, or a list of both."""

_LONGEST_FORMAT = 40  # characters of a number


class DisplayOptions(TypedDict, total=False):
    """The options as keyword arguments, for functions that pass them on."""

    renderer: RendererSpec
    throttle: ThrottleSpec | None
    metrics: MetricsSpec | None
    formats: Mapping[str, str] | None
    leave: Leave | bool | None
    capture: bool
    pacing: bool | None
    summary: bool | None
    log_file: str | os.PathLike[str] | None
    disable: bool


# Checks: each returns the value of an option to keep, or raises an exception that says what is allowed.


def _renderer(value: Any, name: str) -> Any:
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


def _metrics(value: Any, name: str) -> tuple[str | Mapping[str, str], ...]:
    """`metrics` as a list; new names alone leave the order as it is by default."""
    losses, others = DEFAULT_METRICS[:-1], DEFAULT_METRICS[-1:]
    ordered = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Set, Mapping))
    listed = (*losses, value, *others) if isinstance(value, Mapping) else tuple(value) if ordered else ()
    if not listed or not all(isinstance(each, (str, Mapping)) for each in listed):
        raise TypeError(
            f"{name} must be a list of names or patterns such as 'val_*', or new names such as "
            f"{{'accuracy': 'acc'}}; got {value!r}"
        )
    pairs = [pair for each in listed if isinstance(each, Mapping) for pair in each.items()]
    if any(isinstance(each, Mapping) and not each for each in listed) or not all(_is_rename(*pair) for pair in pairs):
        raise TypeError(f"{name} must give metrics new names such as {{'accuracy': 'acc'}}, without *; got {value!r}")
    if len({new for _, new in pairs}) < len({old for old, _ in pairs}):
        raise ValueError(f"{name} must give each metric a name of its own; got {value!r}")
    return tuple(dict(each) if isinstance(each, Mapping) else each for each in listed)


def _is_rename(old: object, new: object) -> bool:
    return isinstance(old, str) and isinstance(new, str) and bool(new.strip()) and not {*"*?"} & {*old}


def _formats(value: Any, name: str) -> tuple[tuple[str, str], ...]:
    pairs = tuple(value.items()) if isinstance(value, Mapping) else None
    if pairs is None or not all(isinstance(text, str) for pair in pairs for text in pair):
        raise TypeError(f"{name} must map names or patterns to formats, such as {{'lr': '.2e'}}; got {value!r}")
    for _, form in pairs:
        if not any(_can_format(form, number) for number in (0.5, 5)):
            raise ValueError(f"{name} must be of numbers, such as '.2e', '.1%' or 'd'; got {form!r} in {value!r}")
    return pairs


def _can_format(form: str, number: float) -> bool:
    if any(len(digits) > 3 or int(digits) > _LONGEST_FORMAT for digits in re.findall("[0-9]+", form)):
        return False
    try:
        text = format(number, form)
    except (ValueError, OverflowError):
        return False
    return bool(form) and text.isprintable()


def _leave(value: Any, name: str) -> Any:
    if isinstance(value, bool):  # as tqdm has it
        return "epochs" if value else "none"
    if value not in get_args(Leave):
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, get_args(Leave)))}, or True or False; got {value!r}"
        )
    return value


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False; got {value!r}")
    return value


def _path(value: Any, name: str) -> str | os.PathLike[str]:
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path; got {value!r}")
    return value


@dataclass(frozen=True)
class Options:
    """The options, checked; `ProgressBar` explains each.

    Attributes:
        log: writes `log_file`, if there is one.

    Raises:
        TypeError, ValueError: naming the argument, what was given and what is allowed.
        ImportError: if the library a renderer draws with is missing.
    """

    renderer: RendererSpec = field(default="auto", metadata={"check": _renderer})
    throttle: ThrottleSpec | None = field(default=None, metadata={"check": as_throttle})
    metrics: MetricsSpec | None = field(default=None, metadata={"check": _metrics})
    formats: Mapping[str, str] | None = field(default=None, metadata={"check": _formats})
    leave: Leave | bool | None = field(default=None, metadata={"check": _leave})
    capture: bool = field(default=True, metadata={"check": _flag})
    pacing: bool | None = field(default=None, metadata={"check": _flag})
    summary: bool | None = field(default=None, metadata={"check": _flag})
    log_file: str | os.PathLike[str] | None = field(default=None, metadata={"check": _path})
    disable: bool = field(default=False, metadata={"check": _flag})
    log: Renderer | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.init and not (value is None and each.default is None):
                object.__setattr__(self, each.name, each.metadata["check"](value, each.name))
        if self.log_file is not None:
            object.__setattr__(self, "log", renderers.for_file(self.log_file))

    @property
    def hidden(self) -> bool:
        """Whether the bar, and all within it, is shown on no screen."""
        return self.disable or any(r == "none" or type(r) is NullRenderer for r in _listed(self.renderer))

    def settings(self, around: Settings) -> Settings:
        """The settings of a stage that begins with these options, within one that is shown as `around` says."""
        own = {each.name: getattr(self, each.name, None) for each in fields(Settings)}
        if self.metrics is not None:
            items = [*self.metrics]
            own["metrics"] = tuple(text for each in items for text in ((each,) if isinstance(each, str) else each))
            own["names"] = tuple(pair for each in items if isinstance(each, Mapping) for pair in each.items()) or None
        own["hidden"] = around.hidden or self.hidden
        return replace(around, **{name: value for name, value in own.items() if value is not None})

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
    allowed = DisplayOptions.__annotations__
    for name in given:
        if name in ("desc", "description"):
            raise TypeError(f"{name}= is called label= here; got {name}={given[name]!r}")  # type: ignore[literal-required]
        if name not in allowed:
            raise TypeError(f"there is no option {name!r}; display options are {', '.join(allowed)}")
    return Options(**given)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
