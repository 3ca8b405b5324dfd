"""Owns what can be told from times and counts alone: pace, remaining time, and where a bar stands."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median_low


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
    one counts in part, and one about as long as the first execution is taken for another
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


class Pacer:
    """Where a bar stands, so that it glides though steps land in jumps.

    A jitter buffer, as players of audio have: what arrives unevenly is played out evenly, a
    little later. The position is drawn towards the line that rises at the stage's own rate and
    just touches, from below, the staircase of what has landed lately: at that delay, and at no
    shorter one, the buffer would not have run dry. Whatever has landed has to be shown within
    `DELAY`, and the speed that takes is known in advance, so catching up is smooth as well.

    Where steps land more than `FAR` apart, no buffer could be long enough: there the position
    moves on within the running execution, as its expected duration passes, slower and slower
    towards its end, which it does not reach; and the count is the truth.

    Args:
        started: when the stage began, in seconds of any clock.
        initial: the position it began at.

    Attributes:
        position: where the bar stands, in units.
        count: the count beside it, never above the truth.
    """

    DELAY = 1.8
    FAR = 2.0
    MOST = 0.99  # of what is running, so much is shown as done at most
    _WINDOW = 8.0  # how long a gap is remembered that the buffer has to outlast, in seconds
    _EASE = 1.2  # the time constant of drawing near the line, in seconds
    _EASE_FAR = 2.5
    _MARGIN = 0.25  # seconds by which the line stays below the staircase
    _KNEE = 0.85  # the share of an execution's expected duration after which it slows down

    def __init__(self, started: float, initial: int) -> None:
        self._gaps: deque[tuple[float, int]] = deque(maxlen=3)  # seconds and units of the latest executions
        self.restart(started, initial)

    def restart(self, started: float, initial: int) -> None:
        """The same stage begins, or begins again in the next epoch: how its steps land is known then."""
        self.position, self.count = float(initial), initial
        self._now = self._at = started
        self._done = initial
        self._landed: deque[tuple[float, int]] = deque()  # what is not shown yet: when, which position
        self._corners: deque[tuple[float, int]] = deque()  # when something landed, and what was done until then

    def sample(self, at: float, done: int) -> None:
        """Take note that the latest step landed at time `at` (s) and made it `done` in all."""
        if done <= self._done or at < self._at:
            return
        if self._gaps:
            self._corners.append((at, self._done))
        while self._corners and self._corners[0][0] < at - self._WINDOW:
            self._corners.popleft()
        self._gaps.append((at - self._at, done - self._done))
        self._landed.append((at, done))
        self._at, self._done = at, done

    @property
    def _far(self) -> bool:
        return bool(self._gaps) and median_low(seconds for seconds, _ in self._gaps) > self.FAR

    def move(self, now: float, rate: float | None, total: int | None = None) -> None:
        """It is `now` (s); steps land at `rate` a second (None: not known yet) up to `total`."""
        seconds, self._now = max(0.0, now - self._now), max(now, self._now)
        if self._gaps and seconds:
            ahead = self._within(seconds, total) if self._far else self._glide(seconds, rate)
            self.position = max(self.position, ahead)
        while self._landed and self._landed[0][1] <= self.position:
            self._landed.popleft()
        # A first execution of many steps may have been long for its compilation alone, and be one of lumps that glide.
        true = self._far and (len(self._gaps) > 1 or self._gaps[0][1] == 1) and self._gaps[-1][0] > self.FAR
        self.count = max(self.count, self._done if true else min(self._done, int(self.position + 1e-9)))

    def jump(self, done: int, share: float) -> None:
        """Something else knows where it is: so many units, and a share of the next."""
        self.position, self.count = max(self.position, done + share), max(self.count, done)
        self._landed.clear()

    def _glide(self, seconds: float, rate: float | None) -> float:
        now = self._now
        if rate is None:  # the first execution: as if it had taken no longer than there is time for
            took, units = self._gaps[0]
            speed = units / min(max(took, seconds), self.DELAY)
        else:
            below = min(done - rate * at for at, done in (*self._corners, (now, self._done)))
            line = below + rate * (now - self._MARGIN)
            speed = rate + (line - self.position) / self._EASE
        return min(float(self._done), self.position + max(speed, self._due(seconds)) * seconds)

    def _due(self, seconds: float) -> float:
        """The speed at which all that has landed is shown in time."""
        left = ((done - self.position, at + self.DELAY - self._now) for at, done in self._landed)
        return max((units / max(time, seconds) for units, time in left), default=0.0)

    def _within(self, seconds: float, total: int | None) -> float:
        expected, units = fmean(s for s, _ in self._gaps), min(units for _, units in self._gaps)
        if total is not None:  # the last execution may be a shorter one
            units = max(0, min(units, total - self._done))
        share = (self._now - self._at) / expected
        speed = units / expected
        if share > self._KNEE:
            slower = math.exp((self._KNEE - share) / (1 - self._KNEE))
            share, speed = min(self.MOST, 1 - (1 - self._KNEE) * slower), speed * slower
        goal = self._done + units * share
        ease = (goal - self.position) * min(1.0, seconds / self._EASE_FAR)
        return min(goal, self.position + max(speed * seconds + ease, self._due(seconds) * seconds))


class Countdown:
    """A remaining time that counts down like a clock, and is corrected without flickering."""

    _EASE = 0.6  # the time constant of corrections, in seconds
    _EASE_CLOSE = 4.0  # and of those that do not matter
    _TOLERANCE = 0.03  # the share of the remaining time that does not matter

    def __init__(self) -> None:
        self._now = 0.0
        self._end: float | None = None

    def correct(self, now: float, remaining: float | None) -> None:
        """At time `now` (s) the estimate is `remaining` seconds; None if there is none."""
        seconds, self._now = max(0.0, now - self._now), now
        if remaining is None:
            self._end = None
            return
        end = now + remaining
        if self._end is None or not 0.25 < (self._end - now + 1) / (remaining + 1) < 4:  # then it was nonsense
            self._end = end
        else:
            close = abs(end - self._end) < max(0.3, self._TOLERANCE * remaining)
            self._end += (end - self._end) * min(1.0, seconds / (self._EASE_CLOSE if close else self._EASE))

    def at(self, now: float) -> float | None:
        """Seconds remaining at time `now` (s), None if unknown."""
        return None if self._end is None else max(0.0, self._end - now)


@dataclass(frozen=True)
class RunningPart:
    """A part of a lap that runs: its time so far, and `once` what of it will never be needed again.

    All in seconds; `left` is what it still needs, `whole` what one like it takes, None if unknown. `share` is what of
    it is done, as its own bar shows.
    """

    label: str
    seconds: float
    once: float
    left: float | None
    whole: float | None
    share: float = 0.0


@dataclass(frozen=True)
class Outlook:
    """Seconds that the running lap takes in all, those it still needs, and those each later one takes.

    `share` is what of the lap is done: the shares of its parts, weighted by how long each takes.
    """

    whole: float
    left: float
    later: float
    share: float


class Laps:
    """A run of laps (epochs): what the running one and those to come take, in seconds.

    A lap is its parts (training, validation), by label, and the time between them (what callbacks
    do). Each has a pace of its own whose units are laps: so a first lap that took longer, one that
    did just once, a lasting change, and parts that not all laps have are dealt with as they are
    among steps. A part that is running knows better. What first executions took too long happens
    once, and is no part of it.
    """

    _BETWEEN = ""

    def __init__(self) -> None:
        self._number = 0
        self._paces: dict[str, Pace] = {}  # seconds a lap, by label
        self._parts: dict[str, float] = {}  # and how many of that label a lap had on average
        self._over: dict[str, tuple[float, int]] = {}
        self._once = 0.0

    def part_over(self, label: str, seconds: float, once: float) -> None:
        """A part of the running lap took so long, and besides `once` what it never will again."""
        before, number = self._over.get(label, (0.0, 0))
        self._over[label] = before + seconds, number + 1
        self._once += once

    def lap_over(self, took: float) -> None:
        """The running lap is over."""
        self._over[self._BETWEEN] = self._between(took), 1
        self._number += 1
        for label, (seconds, number) in self._over.items():
            pace = self._paces.setdefault(label, Pace(0.0, 0))
            pace.sample(pace.at + seconds, self._number)
            self._parts[label] = self._parts.get(label, 0.0) + number
        self._over, self._once = {}, 0.0

    @property
    def rate(self) -> float | None:
        """Laps per second, of late."""
        seconds = sum(self._usual(label)[0] for label in self._paces)
        return 1 / seconds if seconds > 0 else None

    @property
    def error(self) -> float:
        """The share by which it may be off; what is between the parts takes two laps to be known."""
        usual = {label: self._usual(label)[0] for label in self._paces}
        unsure = {label: pace.error for label, pace in self._paces.items() if pace.settled or label == self._BETWEEN}
        off = sum(usual[label] * min(1.0, error) for label, error in unsure.items())
        return off * self.rate if self.rate else math.inf

    def outlook(self, elapsed: float, running: Sequence[RunningPart]) -> Outlook | None:
        """What is to be expected, with the running lap begun `elapsed` seconds ago; None without a basis."""
        between = self._between(elapsed - sum(part.seconds + part.once for part in running))
        over = {**self._over, self._BETWEEN: (between, 0)}
        by_label = {part.label: part for part in reversed(running)}  # of one within another, the outer one
        if not self._number and not self._over and all(part.left is None for part in running):
            return None
        whole = left = later = done = 0.0
        for label in {*over, *by_label, *self._paces}:
            usual, number = self._usual(label)
            seconds, so_many = over.get(label, (0.0, 0))
            part = by_label.get(label)
            lasts = max(0.0, usual - seconds - (part.seconds if part else 0.0))
            if part and part.left is not None:
                others = max(0.0, number - so_many - 1) * usual / number if number else 0.0
                lasts = part.left + others
            elif not part and label and so_many >= max(1.0, number):
                lasts = 0.0
            if part and part.left is not None:
                done += seconds + part.share * (part.seconds + lasts)
                seconds += part.seconds
            else:
                seconds += part.seconds if part else 0.0
                done += seconds
            whole, left = whole + seconds + lasts, left + lasts
            if part and part.whole is not None and number <= 1:
                later += part.whole * (self._parts.get(label, 0.0) + 1) / (self._number + 1)
            else:
                later += usual if self._number else seconds + lasts
        return Outlook(whole, left, later, done / whole if whole else 0.0)

    def _usual(self, label: str) -> tuple[float, float]:
        """Seconds and number in a lap, on average."""
        if label not in self._paces:
            return 0.0, 0.0
        pace = self._paces[label]
        seconds, units = pace.first or (0.0, 1)
        return pace.pace if pace.pace is not None else seconds / units, self._parts[label] / self._number

    def _between(self, elapsed: float) -> float:
        return max(0.0, elapsed - self._once - sum(seconds for seconds, _ in self._over.values()))
