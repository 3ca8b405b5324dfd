"""How fast a stage goes: its rate and remaining time, estimated from when its steps landed."""

from __future__ import annotations

import itertools
import math
from collections import deque
from statistics import fmean


class Pace:
    """The seconds that a unit of a stage takes at present.

    The estimate is a sum of seconds divided by a sum of units, in which older intervals count less. Unlike a mean of
    rates, it has no bias if many steps land at once. Two kinds of intervals are left out of the sums: the first
    execution, which compiles and says nothing about the following ones, and stalls, which are far longer than the
    usual interval (see `_Stalls`).

    If the latest intervals (at least two) differ from the earlier ones by more than chance, the speed has changed for
    good. Then everything before the change is forgotten, whether that was another speed or a second step that
    compiled.

    Args:
        started: when the stage began, in seconds of any clock.
        initial: the position it began at.
        compiles: whether the first execution says nothing about the following ones.

    Attributes:
        at, done: when the latest step landed, and the position it led to.
        first: seconds and units of the first execution; None until it is over.
        again: whether an earlier epoch has shown how fast this stage goes.
        opening: seconds by which this epoch's first step took longer than usual, as filling a buffer does.
    """

    _BASIS = 2.0  # seconds before which there is no remaining time
    _REACH = 20  # with fewer than three executions, no remaining time for more units than their units times this
    _PART_OF_STALL = 1 / 3  # nor while steps after the first have taken less than the latest stall times this
    _PART_OF_FIRST = 1 / 10  # nor while they have taken less than the first execution times this
    _PROOF = 5.0  # but so many seconds of them are always enough
    _STALL_FACTOR = 5.0  # a stall is longer than the usual interval times this
    _STALL_SECONDS = 0.4  # and longer than this, in seconds

    def __init__(self, started: float, initial: int, *, compiles: bool = True) -> None:
        self._compiles = compiles
        self.at, self.done = self._began = started, initial
        self.first: tuple[float, int] | None = None
        self.again, self.opening, self._opens = False, 0.0, True
        self._basis_at = started + self._BASIS
        self._seconds = self._stall = 0.0  # of all steps after the first execution, without stalls; of the latest stall
        self._sums = _Sums()
        self._latest = _Latest()
        self._stalls = _Stalls(initial)

    def restart(self, started: float, initial: int) -> None:
        """Begin again with the next epoch's stage of the same kind; what is known of its speed still holds."""
        self.again, self.opening, self._opens = self.first is not None, 0.0, True
        self._stalls.move(initial - self.done)
        self.at, self.done = self._began = started, initial

    def sample(self, at: float, done: int) -> None:
        """Record that the latest step landed at time `at` (s) and led to the position `done`."""
        seconds, units = at - self.at, done - self.done
        if units <= 0 or seconds < 0:  # nothing new, or a clock that jumped
            return
        self.at, self.done = at, done
        is_first, self.first = self.first is None, self.first or (seconds, units)
        if not (is_first and self._compiles):
            self._add(seconds, units)

    def _add(self, seconds: float, units: int) -> None:
        opens, self._opens = self._opens, False
        usual = seconds
        if self.stalls(seconds):
            usual = min(seconds, units * self._sums.pace)
            if opens:  # a delay at the beginning of an epoch is no stall
                self.opening = seconds - usual
            else:
                self._stalls.add(seconds - usual, self.done)
                self._stall = seconds
        self._sums.add(usual, units)
        self._seconds += usual
        if self._latest.add(usual if opens else seconds, units):
            self._sums.clear()
            for interval in self._latest.intervals:
                self._sums.add(*interval)
            self._seconds, self._stall = self._sums.seconds, 0.0
            self._stalls.forget_until(self.done - sum(units for _, units in self._latest.intervals))

    def stalls(self, seconds: float) -> bool:
        """Whether an interval of `seconds` is a stall."""
        odd = max(self._STALL_SECONDS, self._STALL_FACTOR * self.interval)
        return self._sums.intervals >= 1 and seconds > odd

    @property
    def interval(self) -> float:
        """Seconds between two landings, typically; 0 before anything is known."""
        return self._sums.seconds / self._sums.intervals if self._sums.intervals else 0.0

    @property
    def units(self) -> float:
        """Units of an execution, typically; 0 before anything is known."""
        return self._sums.units / self._sums.intervals if self._sums.intervals else self.first[1] if self.first else 0.0

    def _lost(self, running: float = 0.0) -> tuple[float, float]:
        """Seconds a unit that stalls cost, and their error; also in an execution that has run for `running` seconds."""
        stall = running - self.interval if self.stalls(running) else None
        return self._stalls.cost(self.done, self._sums.pace if self._sums.units else 0.0, self._compiled, stall)

    @property
    def _compiled(self) -> float:
        """Seconds of the first execution, if it was as long as a stall; else 0."""
        return self.first[0] if self.first and self.stalls(self.first[0]) else 0.0

    @property
    def pace(self) -> float | None:
        """Seconds a unit takes, stalls included; None if unknown."""
        return self._sums.pace + self._lost()[0] if self._sums.intervals else None

    @property
    def settled(self) -> bool:
        """Whether more than one execution after the first has been seen."""
        return self._sums.intervals > 1.5

    @property
    def rate(self) -> float | None:
        """Units per second; None if unknown."""
        return 1 / self.pace if self.pace else None

    @property
    def error(self) -> float:
        """The share by which the rate may be off."""
        if self._sums.seconds <= 0 or not self.settled:
            return math.inf
        if not self._outweighs_first or self._stalls.left_out(self._compiled) > self._seconds:
            return math.inf
        usual, (lost, lost_error) = self._sums.pace, self._lost()
        return max(self._latest.doubt, math.hypot(self._sums.error * usual, lost_error) / (usual + lost))

    @property
    def _outweighs_first(self) -> bool:
        """Whether enough was seen after the first execution; that may have been the usual one."""
        return not self.first or self._seconds >= min(self._PROOF, self._PART_OF_FIRST * self.first[0])

    @property
    def mean_rate(self) -> float | None:
        """Units per second from the beginning to the latest landing; None if there was none."""
        started, initial = self._began
        return (self.done - initial) / (self.at - started) if self.at > started else None

    def has_basis(self, now: float) -> bool:
        """Whether enough was seen by time `now` (s) to tell what is usual from what is a stall."""
        return self._seconds >= self._PART_OF_STALL * max(now - self.at, self._stall)

    @property
    def first_excess(self) -> float:
        """Seconds by which the first execution took longer than its steps do by now."""
        if self.first is None or self.rate is None:
            return 0.0
        seconds, units = self.first
        return max(0.0, seconds - units / self.rate)

    def remaining(self, now: float, units: float) -> float | None:
        """Seconds until `units` more are done, as of time `now` (s); None if unknown."""
        if now < self._basis_at or not self.first or not self._sums.intervals:
            return None
        running = max(0.0, now - self.at)
        if self._sums.intervals < 2.0 and units > self._REACH * max(self.first[1], self._sums.units):
            return None  # the second execution may compile as well
        if not (self._outweighs_first and self.has_basis(now)):
            return None
        pace = self._sums.pace + self._lost(running)[0]
        return max(0.0, units * pace - min(running, self.interval))


class _Sums:
    """Sums over intervals, of which older ones count less; a new one takes off a fifth at most."""

    _MEMORY = 30.0  # seconds after which an interval counts 1/e as much as a new one

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self.seconds = self.units = self.intervals = 0.0
        self._squares = 0.0, 0.0, 0.0  # seconds², seconds·units, units²

    def add(self, seconds: float, units: float) -> None:
        kept = max(0.8, math.exp(-seconds / self._MEMORY))
        self.seconds = self.seconds * kept + seconds
        self.units = self.units * kept + units
        self.intervals = self.intervals * kept + 1
        aa, ab, bb = self._squares
        self._squares = aa * kept + seconds**2, ab * kept + seconds * units, bb * kept + units**2

    @property
    def pace(self) -> float:
        """Seconds a unit takes."""
        return self.seconds / self.units

    @property
    def error(self) -> float:
        """The share by which the pace may be off: the standard error of a ratio of two means."""
        aa, ab, bb = self._squares
        return math.sqrt(max(0.0, aa - 2 * self.pace * ab + self.pace**2 * bb)) / self.seconds


class _Latest:
    """The latest intervals, and where among them the speed has changed for good.

    An analysis of variance finds the cut that explains most of their scatter. It takes logarithms, as speeds differ by
    factors.

    Attributes:
        intervals: seconds and units of each since the last change, oldest first.
        doubt: by how much the very latest one differs (in logarithms), if that is more than chance; else 0.
    """

    _CHANGE = 5.0  # in standard errors: a greater difference is more than chance, if there are many intervals
    _LEAST = 0.2  # the smallest difference (of logarithms) that matters
    _SCATTER = 0.18  # squares of scatter that are assumed before any is seen

    def __init__(self) -> None:
        self.intervals: deque[tuple[float, int]] = deque(maxlen=24)
        self.doubt = 0.0

    def add(self, seconds: float, units: int) -> bool:
        """Add an interval; return whether the speed has changed for good, in which case those before are dropped."""
        self.intervals.append((seconds, units))
        changed = self._changed()
        if changed > 1:
            self.intervals = deque(list(self.intervals)[-changed:], self.intervals.maxlen)
        return changed > 1

    def _changed(self) -> int:
        """How many of the latest intervals differ from the ones before; 0 if that may be chance."""
        speeds = [math.log(max(seconds, 1e-3) / units) for seconds, units in self.intervals]
        number, mean = len(speeds), fmean(speeds)
        squares = self._SCATTER + sum((speed - mean) ** 2 for speed in speeds)
        limit = (self._CHANGE * (1 + 4 / number)) ** 2 / number
        changed, after, best, self.doubt = 0, 0.0, 0.0, 0.0
        for latest in range(1, number):
            after += speeds[-latest] - mean
            difference = after / latest + after / (number - latest)
            explained = after * difference
            lasts = (speeds[-1] - mean + after / (number - latest)) / difference > 0.5 if difference else False
            if lasts and explained > max(best, limit * (squares - explained)) and abs(difference) > self._LEAST:
                changed, best = latest, explained
                self.doubt = abs(difference) if latest == 1 else 0.0
        return changed


class _Stalls:
    """The latest stalls, and the seconds that stalls add to a unit on average.

    The duration of a stall and the units between two stalls are means of the latest few, so that the estimate does not
    jump with each stall. If the next one is long overdue, none is expected any more. A single stall counts in part.
    One that took about as long as the first execution is taken for another compilation, unless there are many, or
    they come at regular distances, as bunches of results do.
    """

    _ONCE = 0.6  # how much a single stall counts
    _ALIKE = 1.5  # a stall is like the first execution if they differ by less than this factor
    _COMPILATIONS = 3  # the largest number of stalls like the first execution that may be compilations
    _REGULAR = 1.34  # the largest ratio of two distances that are regular,
    _UNITS = 2  # unless they differ by as few units

    def __init__(self, initial: int) -> None:
        # Seconds beyond the usual, and the position after it; the first entry only says where counting begins.
        self._latest: deque[tuple[float, int]] = deque([(0.0, initial)], maxlen=6)

    def add(self, seconds: float, done: int) -> None:
        """Add a stall that took `seconds` beyond the usual and ended at position `done`."""
        self._latest.append((seconds, done))

    def move(self, units: int) -> None:
        """Add `units` to all positions, as they begin anew with an epoch."""
        self._latest = deque([(seconds, place + units) for seconds, place in self._latest], self._latest.maxlen)

    def forget_until(self, began: int) -> None:
        """Forget the stalls after position `began`, where the speed changed: they are part of the new speed."""
        self._latest = deque([s for s in self._latest if s[1] <= began] or [(0.0, began)], self._latest.maxlen)

    def cost(self, done: int, pace: float, compiled: float, running: float | None) -> tuple[float, float]:
        """Seconds that stalls add to a unit, and the error of that.

        Args:
            done: the position.
            pace: seconds that a unit takes without stalls.
            compiled: seconds of the first execution, if it was as long as a stall; else 0.
            running: seconds by which a running stall is longer than usual by now; None if there is none.
        """
        (_, began), *stalls = self._latest
        if running is not None:
            stalls.append((running, done))
        stalls = self._without_compilations(stalls, compiled)
        if not stalls:
            return 0.0, 0.0
        number, last = len(stalls), stalls[-1][1]
        # The next stall may come at any moment, or there may be no more.
        between = max((last - began) / number, (done - began) / (number + 1), 1.0)
        gap = max(1, *(b - a for a, b in itertools.pairwise([began, *(place for _, place in stalls)])))
        fades = min(1.0, max(0.0, 1.0 + min(number, 3) - (done - last) / gap))
        lost = fades * fmean(seconds for seconds, _ in stalls) / between
        error = lost / math.sqrt(number)
        if number == 1:  # but never much more than the steps themselves take
            lost = self._ONCE * min(lost, 4 * pace * fades * gap / between)
        return lost, error

    def left_out(self, compiled: float) -> float:
        """Seconds of the stalls that are taken for compilations."""
        _, *stalls = self._latest
        return sum(seconds for seconds, _ in stalls) - sum(s for s, _ in self._without_compilations(stalls, compiled))

    def _without_compilations(self, stalls: list[tuple[float, int]], compiled: float) -> list[tuple[float, int]]:
        alike = [stall for stall in stalls if compiled / self._ALIKE < stall[0] < compiled * self._ALIKE]
        if len(alike) > self._COMPILATIONS or self._are_regular(alike) or self._are_regular(stalls):
            return stalls
        return [stall for stall in stalls if stall not in alike]

    def _are_regular(self, stalls: list[tuple[float, int]]) -> bool:
        places = [self._latest[0][1], *(place for _, place in stalls)]
        distances = [b - a for a, b in itertools.pairwise(places)]
        return len(stalls) > 1 and max(distances) <= max(self._REGULAR * min(distances), min(distances) + self._UNITS)
