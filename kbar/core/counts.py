"""How far a stage is: its position, its total, and when its steps landed."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Mapping
from typing import Protocol

Landing = tuple[int, float, "Mapping[str, object] | None"]
"""A step that was reported: the position it led to, when it landed (s), and its metrics."""
_position = operator.itemgetter(0)
_THREADS = 32  # as many as Python's thread pools have at most


class Source(Protocol):
    """The iterator that passes items to a loop, and knows how far the loop is; times are seconds."""

    def position(self) -> int:
        """How many units are done."""

    def update(self, now: float) -> None:
        """Prepare for a frame at time `now`: report the next step to the stage as soon as it lands."""

    def waiting(self, now: float) -> float:
        """How long the loop has been waiting for its next item; 0 if it is not."""

    def waited(self, now: float) -> float:
        """How long the loop has waited for items in all."""

    def end(self, total: int | None) -> bool:
        """Count the item that the loop has as done if it has used it; the stage, of `total` units, does not fail.

        Return whether the stage is done if all units are.
        """


class _NoSource:
    """The source of a stage whose steps are all reported, without anything known of waiting."""

    def position(self) -> int:
        return 0

    def update(self, now: float) -> None:
        pass

    def waiting(self, now: float) -> float:
        return 0.0

    def waited(self, now: float) -> float:
        return 0.0

    def end(self, total: int | None) -> bool:
        return True


class Counts:
    """The position and the total of one stage, and its times in seconds.

    Threads report steps by appending to `landed`, which takes no lock: a deque's append is atomic, and the position
    is the greatest that was seen. As many threads as are kept may overtake each other without a step being lost, and
    position, time and metrics of one step stay together.

    Args:
        now: when the stage begins.
        total: how many units there are, None if unknown.
        firm: whether a position beyond the total overshoots, as Keras's last execution does; if not, a total that is
            passed counts as unknown from then on.
        source: knows the position between two steps that land, and of waiting for data.

    Attributes:
        initial: the position at the beginning.
        landed: the latest steps that were reported: position, time and metrics of each.
        per_unit: what a unit consists of, as the user says: names and numbers, such as 32 samples.
        batch: how many samples a unit has, as the data says; 0 if unknown.
        ended: when the stage ended, None before.
        is_loop: whether a loop goes through the units, which may be left; else they are only reported.
        excess: by how many units the position may be wrong, because several are reported together.
        usual: once all is done, how many units the epoch before had, if only that was known.
    """

    def __init__(self, now: float, total: int | None, firm: bool, source: Source | None = None) -> None:
        self.started = now
        self.ended: float | None = None
        self.usual: int | None = None
        self.source: Source = source or _NoSource()
        self.is_loop = source is not None
        self.per_unit: tuple[tuple[str, float], ...] = ()
        self.batch = self.excess = 0
        self._total, self._firm = total, firm
        self._is_learned = False  # whether the total is only what it was in the epoch before
        self.landed: deque[Landing] = deque(maxlen=_THREADS)
        self.start_at(0)

    def start_at(self, initial: int) -> None:
        """Begin at `initial` instead, while nothing has landed yet."""
        self.initial = initial = int(initial)  # also where NumPy's is reported
        self._restart((initial, self.started, None))

    def correct(self, done: int, exact: bool) -> None:
        """Set the position to `done`, which is `exact` or may be exceeded; time and metrics remain."""
        _, at, metrics = self.latest
        self._restart((done, at, metrics))
        self.excess = 0 if exact else self.excess

    def _restart(self, first: Landing) -> None:
        self.landed.append(first)
        while len(self.landed) > 1:
            self.landed.popleft()
        self._greatest = first, first  # the last landing that was looked at, and the greatest position up to it

    @property
    def latest(self) -> Landing:
        """The step that led to the greatest position: that position, when it landed, and its metrics."""
        last = self.landed[-1]
        seen, greatest = self._greatest
        if last is not seen:
            greatest = max((greatest, *self.landed.copy()), key=_position)
            self._greatest = last, greatest
        return greatest

    @property
    def done(self) -> int:
        """The position, in units, as it was reported; it may overshoot the total."""
        return self.position(self.latest)

    def position(self, latest: Landing) -> int:
        """The position, if this is the latest step that was reported."""
        return int(max(latest[0], self.source.position()))  # an int also where NumPy's are reported

    @property
    def total(self) -> int | None:
        """How many units there are, None if unknown."""
        uncertain = self._is_learned or not self._firm
        passed = uncertain and self._total is not None and self.done - self.excess > self._total
        return None if passed else self._total

    @total.setter
    def total(self, total: int | None) -> None:
        self._total, self._is_learned = total, False

    def expect(self, total: int | None) -> None:
        """Expect `total` units, as many as in the epoch before, if the total is unknown; None if that is as well."""
        if self._total is None and total is not None:
            self._total, self._is_learned = total, True

    @property
    def complete(self) -> bool:
        """Whether all there was to do is done, as far as that is known.

        A loop says itself when there are no more items, so an unknown number of them is not complete.
        """
        if self.is_loop:
            return self.has_reached_total
        return self.total is None or self._is_learned or self.has_reached_total

    @property
    def has_reached_total(self) -> bool:
        """Whether as much is done as there is, or as there was in the epoch before."""
        total = self.total
        return total is not None and self.done >= total

    @property
    def certainly_complete(self) -> bool:
        """Whether all there was to do is done, of a total that is known for certain."""
        return self._total is not None and not self._is_learned and self.done >= self._total

    def confirm_total(self) -> None:
        """Take the position as the total if that was not certain, because all is done."""
        if self.excess and not self.certainly_complete:
            return  # nor is the position
        if self._is_learned and self.total is not None:
            self.usual = self.total
        if self.total is None or self._is_learned or not self._firm:
            self._total, self._is_learned, self._firm = self.done, False, True

    def elapsed(self, now: float) -> float:
        """Seconds from the beginning to time `now`, or to the end."""
        return max(0.0, (now if self.ended is None else self.ended) - self.started)

    def busy(self, now: float) -> float:
        """Seconds from the beginning to the last step if that has landed; else as `elapsed`."""
        complete = self._total is not None and self.done >= self._total
        return max(0.0, self.latest[1] - self.started) if complete else self.elapsed(now)

    def data_share(self, now: float) -> float:
        """The share of the time up to `now` that was spent waiting for data."""
        elapsed = self.elapsed(now)
        return min(1.0, self.source.waited(now) / elapsed) if elapsed else 0.0
