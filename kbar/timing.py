"""Owns what can be told from times and counts alone: rate and remaining time."""

from __future__ import annotations

import math
from collections.abc import Sequence


class RateMeter:
    """The current rate of a stage, in units per second, from the times its steps landed.

    A time-weighted mean that forgets: every interval counts by its length, and what lies
    `memory` seconds back counts for 1/e. Lengths and counts are decayed alike and then
    divided, so lumps (many steps in one go) and pauses leave no bias, as they would in a mean
    of rates. The first execution is set apart: it traces and compiles, and is no basis for
    what follows.

    Args:
        started: when the stage began, in seconds of any clock.
        initial: the position it began at.
        memory: seconds.
    """

    def __init__(self, started: float, initial: int, memory: float = 15.0) -> None:
        self._memory = memory
        self._at, self._done = started, initial
        self._first: tuple[float, int] | None = None
        self._seconds = 0.0
        self._steps = 0.0

    def sample(self, at: float, done: int) -> None:
        """Take note that the latest step landed at time `at` (s) and made it `done` in all."""
        seconds, steps = at - self._at, done - self._done
        if steps <= 0 or seconds < 0:  # nothing new, or a clock that jumped
            return
        self._at, self._done = at, done
        if self._first is None:
            self._first = (seconds, steps)
            return
        kept = math.exp(-seconds / self._memory)
        self._seconds = self._seconds * kept + seconds
        self._steps = self._steps * kept + steps

    @property
    def rate(self) -> float | None:
        """Units per second; None before there is a basis."""
        return self._steps / self._seconds if self._seconds > 0 else None

    @property
    def first_excess(self) -> float:
        """Seconds by which the first execution took longer than its steps do by now."""
        if self._first is None or self.rate is None:
            return 0.0
        seconds, steps = self._first
        return max(0.0, seconds - steps / self.rate)


def run_remaining(
    left: int, laps: Sequence[float], elapsed: float, steps_left: float | None, steps_all: float | None
) -> float | None:
    """Seconds until a run of laps (epochs) is over; None before there is a basis.

    Args:
        left: laps still to come after the current one.
        laps: seconds each finished lap took, the first without its first execution.
        elapsed: seconds the current lap has run for.
        steps_left: seconds the current lap's steps still need, where known.
        steps_all: seconds all the current lap's steps take at their present rate, where known.
    """
    recent = laps[-5:]
    typical = sum(recent) / len(recent) if recent else steps_all
    if typical is None:
        return None
    # Before the first lap is over, only its steps are known; afterwards also what follows them.
    current = (steps_left or 0.0) if not recent else max(typical - elapsed, steps_left or 0.0)
    return max(0.0, current) + left * typical
