"""Owns what can be told from times and counts alone: pace, remaining time, and where a bar stands."""

from __future__ import annotations

import itertools
import math
from collections import deque
from statistics import fmean


class _Sums:
    """Sums over intervals that forget: what lies `memory` seconds back counts for 1/e; a few are always kept."""

    def __init__(self, memory: float) -> None:
        self._memory = memory
        self.clear()

    def clear(self) -> None:
        """Forgets all."""
        self.seconds = self.units = self.intervals = 0.0
        self._squares = 0.0, 0.0, 0.0  # seconds², seconds·units, units²

    def add(self, seconds: float, units: float) -> None:
        kept = max(0.8, math.exp(-seconds / self._memory))
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


class Pace:
    """How fast a stage goes, from when its steps landed.

    Seconds a unit are seconds over units, both in sums that forget: so lumps (many steps in one
    go) leave no bias, as they do in means of rates. Apart from them stand the first execution,
    which traces and compiles and says nothing of what follows, and stalls: intervals out of all
    proportion. What a stall costs and how many units lie between two is told from the latest
    few, so that the estimate does not swing with each, and until one is long overdue. A single
    one counts in phase, and one about as long as the first execution is taken for another
    compilation until there have been many.

    The speed has changed for good once the latest intervals, two at least, differ from those
    before by more than chance: where the best cut through the latest few leaves little of their
    scatter (in logarithms, as speeds differ by factors; an analysis of variance). What was before
    the cut is forgotten, be it the speed of old or a second step that compiled too.

    Args:
        started: when the stage began, in seconds of any clock.
        initial: the position it began at.
        memory: seconds; what lies so far back counts for 1/e.
    """

    _BASIS = 2.0  # seconds after which the rest may be told
    _REACH = 20  # from the first three executions, so many times as much as they did may be told
    _ODD = 5.0  # how many usual intervals make a stall
    _ODD_SECONDS = 0.4  # and how many seconds at least
    _ONCE = 0.6  # for how much the only one counts
    _ALIKE = 1.5  # up to this factor, a stall is like the first execution
    _COMPILATIONS = 3  # so many of them may be compilations, too
    _CHANGE = 5.0  # how many standard errors are more than chance, where there is much to tell from
    _LEAST = 0.2  # the difference (of logarithms) that matters
    _SCATTER = 0.18  # squares that are taken for scatter before any is seen

    def __init__(self, started: float, initial: int, memory: float = 30.0) -> None:
        self.at, self.done = started, initial
        self.first: tuple[float, int] | None = None
        self.again, self.opening, self._opens = False, 0.0, True
        self._basis_at = started + self._BASIS
        self._all = _Sums(memory)
        self._latest: deque[tuple[float, int]] = deque(maxlen=24)  # intervals since the last change
        self._doubt = 0.0  # the difference that the very latest interval makes, if it is more than chance
        # Seconds that stalls took beyond the usual and the position after each; before the first, where they began.
        self._stalls: deque[tuple[float, int]] = deque([(0.0, initial)], maxlen=6)

    def restart(self, started: float, initial: int) -> None:
        """The same stage begins again, in the next epoch: what is known of it still holds."""
        self.again, self.opening, self._opens = self.first is not None, 0.0, True
        moved = initial - self.done
        self._stalls = deque([(seconds, place + moved) for seconds, place in self._stalls], self._stalls.maxlen)
        self.at, self.done = started, initial

    def sample(self, at: float, done: int) -> None:
        """Take note that the latest step landed at time `at` (s) and made it `done` in all."""
        seconds, units = at - self.at, done - self.done
        if units <= 0 or seconds < 0:  # nothing new, or a clock that jumped
            return
        self.at, self.done = at, done
        if self.first is None:
            self.first = seconds, units
            return
        opens, self._opens = self._opens, False
        usual = seconds
        if self.stalls(seconds):
            usual = min(seconds, units * self._all.pace)
            if opens:  # what begins an epoch, such as the filling of a buffer, is no stall among steps
                self.opening = seconds - usual
            else:
                self._stalls.append((seconds - usual, done))
        self._all.add(usual, units)
        self._latest.append((usual if opens else seconds, units))
        changed = self._changed()
        if changed > 1:
            self._latest = deque(list(self._latest)[-changed:], self._latest.maxlen)
            self._all.clear()
            for interval in self._latest:
                self._all.add(*interval)
            began = done - sum(units for _, units in self._latest)
            old = [stall for stall in self._stalls if stall[1] <= began]
            self._stalls = deque(old or [(0.0, began)], self._stalls.maxlen)

    def _changed(self) -> int:
        """How many of the latest intervals differ from those before; 0 if there is no saying so."""
        speeds = [math.log(max(seconds, 1e-3) / units) for seconds, units in self._latest]
        number, mean = len(speeds), fmean(speeds)
        squares = self._SCATTER + sum((speed - mean) ** 2 for speed in speeds)
        limit = (self._CHANGE * (1 + 4 / number)) ** 2 / number
        changed, after, best, self._doubt = 0, 0.0, 0.0, 0.0
        for latest in range(1, number):
            after += speeds[-latest] - mean
            difference = after / latest + after / (number - latest)
            explained = after * difference
            lasts = (speeds[-1] - mean + after / (number - latest)) / difference > 0.5 if difference else False
            if lasts and explained > max(best, limit * (squares - explained)) and abs(difference) > self._LEAST:
                changed, best = latest, explained
                self._doubt = abs(difference) if latest == 1 else 0.0
        return changed

    def stalls(self, seconds: float) -> bool:
        """Whether an interval of so many seconds is out of all proportion."""
        return self._all.intervals >= 1 and seconds > max(self._ODD_SECONDS, self._ODD * self.interval)

    @property
    def interval(self) -> float:
        """Seconds between two landings, typically; 0 before there is a basis."""
        return self._all.seconds / self._all.intervals if self._all.intervals else 0.0

    def _stalling(self, running: float = 0.0) -> tuple[float, float]:
        """Seconds a unit that are lost to stalls, the one included that runs for so long, and how far off that is."""
        (_, began), *stalls = self._stalls
        if self.stalls(running):
            stalls.append((running - self.interval, self.done))
        compiled = self.first[0] if self.first and self.stalls(self.first[0]) else 0.0
        alike = [stall for stall in stalls if compiled / self._ALIKE < stall[0] < compiled * self._ALIKE]
        if len(alike) <= self._COMPILATIONS:
            stalls = [stall for stall in stalls if stall not in alike]
        if not stalls:
            return 0.0, 0.0
        last = stalls[-1][1]
        # The next one may be due any moment, or there may be none any more.
        between = max((last - began) / len(stalls), (self.done - began) / (len(stalls) + 1), 1.0)
        gap = max(1, *(b - a for a, b in itertools.pairwise([began, *(place for _, place in stalls)])))
        fades = min(1.0, max(0.0, 1.0 + min(len(stalls), 3) - (self.done - last) / gap))
        lost = fades * fmean(seconds for seconds, _ in stalls) / between
        error = lost / math.sqrt(len(stalls))
        if len(stalls) == 1:  # never much that is not in proportion
            lost = self._ONCE * min(lost, 4 * self._all.pace * fades * gap / between)
        return lost, error

    @property
    def pace(self) -> float | None:
        """Seconds a unit takes, stalls included; None before there is a basis."""
        return self._all.pace + self._stalling()[0] if self._all.intervals else None

    @property
    def settled(self) -> bool:
        """Whether there is more to tell from than the first execution and one more."""
        return self._all.intervals > 1.5

    @property
    def rate(self) -> float | None:
        """Units per second; None before there is a basis."""
        return 1 / self.pace if self.pace else None

    @property
    def error(self) -> float:
        """The share by which the rate may be off."""
        if self._all.seconds <= 0 or not self.settled:
            return math.inf
        usual, (lost, by_stalls) = self._all.pace, self._stalling()
        return max(self._doubt, math.hypot(self._all.error * usual, by_stalls) / (usual + lost))

    @property
    def first_excess(self) -> float:
        """Seconds by which the first execution took longer than its steps do by now."""
        if self.first is None or self.rate is None:
            return 0.0
        seconds, units = self.first
        return max(0.0, seconds - units / self.rate)

    def remaining(self, now: float, units: float) -> float | None:
        """Seconds that `units` more take, as of time `now` (s); None before there is a basis."""
        if now < self._basis_at or not self.first:
            return None
        running = max(0.0, now - self.at)
        seconds, first = self.first
        known = self._REACH * max(first, self._all.units)
        if self._all.intervals < 2.0 and units > known:  # the second may compile as well
            return None
        if self._all.seconds <= 0:  # only what runs for about as long as the first did is of its kind
            return max(0.0, units * seconds / first - running) if running > seconds / 2 else None
        pace = self._all.pace + self._stalling(running)[0]
        return max(0.0, units * pace - min(running, self.interval))
