"""Throttles: policies that say when a stage is to be drawn, and how they combine."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple, Union

__all__ = ["Throttle", "Tick", "always", "as_throttle", "every", "never"]

FRAME = 0.1  # seconds between two frames, unless a throttle wants more of them


@dataclass(frozen=True, slots=True)
class Tick:
    """The facts by which a throttle decides, for one stage and one target.

    Times are seconds of one monotonic clock; positions and the total are in the stage's units. A stage's beginning is
    always drawn, so there always is a last draw.

    Attributes:
        now: the time.
        done, total: the position of how many units; the total is None if unknown.
        started: when the stage began.
        drawn_at, drawn_done: when it was last drawn, and at which position.
    """

    now: float
    done: int
    total: int | None
    started: float
    drawn_at: float
    drawn_done: int


class Due(NamedTuple):
    """When a draw may be due next: from a position on, and from a time (s) on; infinite for never."""

    position: float = math.inf
    time: float = math.inf


class Throttle(ABC):
    """A pure predicate on a `Tick`: whether a draw is due. Throttles combine with ``|`` and ``&``."""

    @abstractmethod
    def __call__(self, tick: Tick) -> bool:
        """Whether a draw is due."""

    def next_due(self, tick: Tick) -> Due:
        """Return from when on the count alone, and from when on the time alone, may make a draw due.

        A log's line is decided on at the very step that it names. With this known, no other step has to ask.
        """
        return Due()

    def __or__(self, other: object) -> Throttle:
        return _Or(self, as_throttle(other))

    def __ror__(self, other: object) -> Throttle:
        return _Or(as_throttle(other), self)

    def __and__(self, other: object) -> Throttle:
        return _And(self, as_throttle(other))

    def __rand__(self, other: object) -> Throttle:
        return _And(as_throttle(other), self)


@dataclass(frozen=True)
class _Every(Throttle):
    seconds: float | None
    steps: int | None
    percent: float | None

    def __call__(self, tick: Tick) -> bool:
        # 0.3 - 0.2 is a little less than 0.1.
        if self.seconds is not None and tick.now - tick.drawn_at >= self.seconds - 1e-6:
            return True
        return tick.done >= self.next_due(tick).position

    def next_due(self, tick: Tick) -> Due:
        # Draws are due at multiples, not at distances from the last draw: a jump over one or several of them makes one
        # draw due, and a late draw does not shift the next.
        nearest = math.inf
        if self.steps is not None:
            nearest = (tick.drawn_done // self.steps + 1) * self.steps
        if self.percent is not None and tick.total:
            share = tick.total * self.percent / 100
            # Without the last factors, 0.7 * 10 / 0.7 might be 9.999…, and the same multiple due twice.
            passed = math.floor(tick.drawn_done / share * (1 + 1e-12))
            nearest = min(nearest, math.ceil((passed + 1) * share * (1 - 1e-12)))
        return Due(nearest, math.inf if self.seconds is None else tick.drawn_at + self.seconds)


@dataclass(frozen=True)
class _Constant(Throttle):
    due: bool

    def __call__(self, tick: Tick) -> bool:
        return self.due

    def next_due(self, tick: Tick) -> Due:
        return Due(tick.drawn_done + 1) if self.due else Due()


@dataclass(frozen=True)
class _Custom(Throttle):
    function: Callable[[Tick], object]

    def __call__(self, tick: Tick) -> bool:
        return bool(self.function(tick))

    def next_due(self, tick: Tick) -> Due:
        # The function may wait for any step, so each has to ask.
        return Due(tick.done + 1)


@dataclass(frozen=True)
class _Or(Throttle):
    left: Throttle
    right: Throttle

    def __call__(self, tick: Tick) -> bool:
        return self.left(tick) or self.right(tick)

    def next_due(self, tick: Tick) -> Due:
        left, right = self.left.next_due(tick), self.right.next_due(tick)
        return Due(min(left.position, right.position), min(left.time, right.time))


@dataclass(frozen=True)
class _And(Throttle):
    left: Throttle
    right: Throttle

    def __call__(self, tick: Tick) -> bool:
        return self.left(tick) and self.right(tick)

    def next_due(self, tick: Tick) -> Due:
        # The later one of two counts. Of a count and a time, the count: from there on, time decides, and frames ask.
        left, right = self.left.next_due(tick), self.right.next_due(tick)
        finite = [due.position for due in (left, right) if due.position < math.inf]
        return Due(max(finite, default=math.inf), min(left.time, right.time))


ThrottleSpec = Union[Throttle, Callable[[Tick], bool], float]
"""What is accepted as a throttle; a number is the seconds between two draws.

A callable is asked in the middle of a step, so it must not wait.
"""


always: Throttle = _Constant(True)
"""A throttle that is always due: at each frame on a screen, at each step in a log."""

never: Throttle = _Constant(False)
"""A throttle that is never due; a stage's beginning and end are drawn all the same."""


def every(*, seconds: float | None = None, steps: int | None = None, percent: float | None = None) -> Throttle:
    """Return a throttle that is due every `seconds`, `steps` or `percent` of the total.

    If several are given, any of them suffices. Steps and percent are due at their multiples, also when a position jumps
    over one. While the total is unknown, ``percent`` is never due.

    Args:
        seconds: seconds since the last draw, above 0.
        steps: a whole number of the stage's units, at least 1.
        percent: a share of the total, above 0 and at most 100.

    Raises:
        TypeError: if an argument has the wrong type, or none is given.
        ValueError: if a number is out of range.
    """
    if seconds is None and steps is None and percent is None:
        raise TypeError("every() needs at least one of seconds=, steps= or percent=; got none")
    return _Every(
        None if seconds is None else _positive("seconds", seconds),
        None if steps is None else _whole("steps", steps),
        None if percent is None else _positive("percent", percent, most=100),
    )


def as_throttle(value: object, name: str = "throttle") -> Throttle:
    """Return `value` as a throttle: any callable ``Tick -> bool`` will do, and a number stands for so many seconds.

    Raises:
        TypeError: if it is none of these; `name` is the argument blamed.
        ValueError: if it is a number that is not above 0.
    """
    if isinstance(value, Throttle):
        return value
    if isinstance(value, Real) and not isinstance(value, bool):
        if not 0 < float(value) < math.inf:
            raise ValueError(f"{name} must be a number of seconds above 0 and finite; got {value!r}")
        return every(seconds=float(value))
    if callable(value) and not isinstance(value, type) and value is not every:
        return _Custom(value)
    raise TypeError(
        f"{name} must be kbar.every(…), kbar.always, kbar.never, seconds or a callable Tick -> bool; got {value!r}"
    )


def _whole(name: str, value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"every({name}=…) must be a whole number; got {value!r}")
    number = operator.index(value)
    if number < 1:
        raise ValueError(f"every({name}=…) must be at least 1; got {number!r}")
    return number


def _positive(name: str, value: float, most: float = math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"every({name}=…) must be a number; got {value!r}")
    if not 0 < float(value) < math.inf:
        raise ValueError(f"every({name}=…) must be above 0 and finite; got {value!r}")
    if float(value) > most:
        raise ValueError(f"every({name}=…) must be at most {most}; got {value!r}")
    return float(value)
