"""Owns when to draw: pure policies over the facts of one stage, and how they combine."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Union

__all__ = ["Throttle", "Tick", "always", "as_throttle", "every", "never"]


@dataclass(frozen=True, slots=True)
class Tick:
    """The facts a throttle decides on, for one stage and one target.

    Times are seconds of one monotonic clock; positions and the total are counts of the
    stage's unit. A stage's beginning is always drawn, so "last drawn" always exists.
    """

    now: float
    done: int
    total: int | None
    started: float
    drawn_at: float
    drawn_done: int


class Throttle(ABC):
    """A pure predicate on a `Tick`: is a draw due? Combine throttles with ``|`` and ``&``."""

    @abstractmethod
    def __call__(self, tick: Tick) -> bool:
        """Whether a draw is due."""

    def next_step(self, tick: Tick) -> float:
        """The position from which the count alone makes a draw due (infinite: never).

        Lines are decided at the very step they name, and this is what spares all other
        steps the question.
        """
        return math.inf

    @property
    def period(self) -> float:
        """How often time alone can make a draw due, in seconds (infinite: never)."""
        return math.inf

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
        # A microsecond less, as 0.3 - 0.2 is a little less than 0.1.
        if self.seconds is not None and tick.now - tick.drawn_at >= self.seconds - 1e-6:
            return True
        return tick.done >= self.next_step(tick)

    def next_step(self, tick: Tick) -> float:
        # Boundaries lie at multiples, not at distances from the last draw: a jump that passes
        # over one (or several) makes one draw due, and a late draw does not shift the next.
        nearest = math.inf
        if self.steps is not None:
            nearest = (tick.drawn_done // self.steps + 1) * self.steps
        if self.percent is not None and tick.total:
            share = tick.total * self.percent / 100
            # The nudge keeps 0.7 * 10 / 0.7 from being 9.999… and so due twice.
            passed = math.floor(tick.drawn_done / share * (1 + 1e-12))
            nearest = min(nearest, math.ceil((passed + 1) * share * (1 - 1e-12)))
        return nearest

    @property
    def period(self) -> float:
        return math.inf if self.seconds is None else self.seconds


@dataclass(frozen=True)
class _Constant(Throttle):
    due: bool

    def __call__(self, tick: Tick) -> bool:
        return self.due

    def next_step(self, tick: Tick) -> float:
        return tick.drawn_done + 1 if self.due else math.inf


@dataclass(frozen=True)
class _Custom(Throttle):
    function: Callable[[Tick], object]

    def __call__(self, tick: Tick) -> bool:
        return bool(self.function(tick))

    def next_step(self, tick: Tick) -> float:
        # Nothing is known of it, so every step asks, lest a step it waits for be missed.
        return tick.done + 1


@dataclass(frozen=True)
class _Or(Throttle):
    left: Throttle
    right: Throttle

    def __call__(self, tick: Tick) -> bool:
        return self.left(tick) or self.right(tick)

    def next_step(self, tick: Tick) -> float:
        return min(self.left.next_step(tick), self.right.next_step(tick))

    @property
    def period(self) -> float:
        return min(self.left.period, self.right.period)


@dataclass(frozen=True)
class _And(Throttle):
    left: Throttle
    right: Throttle

    def __call__(self, tick: Tick) -> bool:
        return self.left(tick) and self.right(tick)

    def next_step(self, tick: Tick) -> float:
        # The later of two counts; of a count and a time, the count: once it is reached, the
        # clock decides, and that is watched elsewhere.
        finite = [s for s in (self.left.next_step(tick), self.right.next_step(tick)) if s < math.inf]
        return max(finite, default=math.inf)

    @property
    def period(self) -> float:
        return min(self.left.period, self.right.period)


ThrottleSpec = Union[Throttle, Callable[[Tick], bool]]
"""What is accepted as a throttle. It is asked amid a step, so it neither waits nor takes locks."""

always: Throttle = _Constant(True)
"""A draw is always due: at every frame on a screen, at every step in a log."""

never: Throttle = _Constant(False)
"""A draw is never due; a stage's beginning and end draw all the same."""


def every(*, seconds: float | None = None, steps: int | None = None, percent: float | None = None) -> Throttle:
    """A throttle that is due every so many seconds, steps or percent of the total.

    Given several, any of them suffices. Steps and percent count boundaries (multiples), so a
    position that jumps over one is noticed. Without a total, ``percent`` is never due.

    Args:
        seconds: seconds since the last draw, above 0.
        steps: a whole number of the stage's units, at least 1.
        percent: share of the total, above 0 and at most 100.

    Raises:
        TypeError: if an argument has the wrong type, or none is given.
        ValueError: if a number is out of range.
    """
    if seconds is None and steps is None and percent is None:
        raise TypeError("every() needs at least one of seconds=, steps= or percent=; got none")
    if seconds is not None:
        seconds = _positive("seconds", seconds)
    if steps is not None:
        if isinstance(steps, bool) or not hasattr(steps, "__index__"):
            raise TypeError(f"every(steps=…) must be a whole number; got {steps!r}")
        steps = operator.index(steps)
        if steps < 1:
            raise ValueError(f"every(steps=…) must be at least 1; got {steps!r}")
    if percent is not None:
        percent = _positive("percent", percent)
        if percent > 100:
            raise ValueError(f"every(percent=…) must be at most 100; got {percent!r}")
    return _Every(seconds, steps, percent)


def as_throttle(value: object, name: str = "throttle") -> Throttle:
    """`value` as a throttle; any callable ``Tick -> bool`` will do.

    Raises:
        TypeError: if it is neither a throttle nor callable; `name` is the argument blamed.
    """
    if isinstance(value, Throttle):
        return value
    if callable(value) and not isinstance(value, type) and value is not every:
        return _Custom(value)
    raise TypeError(f"{name} must be kbar.every(…), kbar.always, kbar.never or a callable Tick -> bool; got {value!r}")


def _positive(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"every({name}=…) must be a number; got {value!r}")
    if not 0 < float(value) < math.inf:
        raise ValueError(f"every({name}=…) must be above 0 and finite; got {value!r}")
    return float(value)
