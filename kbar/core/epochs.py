"""How long epochs take: what is expected of the running one and those to come, and where the time of one went."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median_high, pstdev

from .metrics import Logged
from .pace import Pace


@dataclass(frozen=True)
class RunningPhase:
    """A phase of the running epoch that is not over; all times are seconds.

    Attributes:
        seconds: how long it has run, without `once`.
        once: how long it has run for what later epochs do not need again, such as compiling.
        left: what it still needs, None if unknown.
        whole: what a whole phase like it takes, None if unknown.
        share: the share of it that is done, as its own bar shows it; None if its time says that better.
    """

    label: str
    seconds: float
    once: float
    left: float | None
    whole: float | None
    share: float | None = None


@dataclass(frozen=True)
class Outlook:
    """What is expected of epochs.

    Attributes:
        left: seconds that the running epoch still needs.
        later: seconds that the later epochs take.
        share: the share of the running epoch that is done: the shares of its phases, weighted by how long each takes.
    """

    left: float
    later: float
    share: float


class Ends:
    """Where phases of one label ended, as shares of their totals: a loop may be left early in each epoch.

    A phase is expected to end where most of those of earlier epochs did that got as far as it has.
    """

    def __init__(self) -> None:
        self._shares: deque[float] = deque(maxlen=5)

    def add(self, position: float, total: int | None) -> None:
        """Record that a phase ended at `position`, of `total` units."""
        if total:
            self._shares.append(min(1.0, position / total))

    def expected(self, total: int, done: int) -> float:
        """The position, in units, at which a phase that has `done` of `total` units is expected to end."""
        known = [share for share in self._shares if share * total > done]
        if known:
            return total * median_high(known)
        spread = max(self._shares, default=0.0) - min(self._shares, default=0.0)
        return min(total, done + (spread or 1.0) * total)  # further than all before

    @property
    def error(self) -> float:
        """The share by which the expected position may be off."""
        return pstdev(self._shares) / fmean(self._shares) if any(self._shares) else 0.0

    def share(self, position: float, total: int) -> float:
        """The share of a phase that is done at `position`; that a single one was left early does not count."""
        whole = total * max(self._shares) if len(self._shares) > 1 else total
        return min(1.0, position / whole) if whole else 0.0


class EpochForecast:
    """What the running epoch and those to come take, from what the epochs before took.

    An epoch consists of its phases (training, validation), by label, and of the time between them, in which callbacks
    run. For each of these there is a `Pace` whose units are epochs. So whatever is known among steps also holds among
    epochs: a first one that took longer, one that was exceptional, a lasting change; and phases that not all epochs
    have. A running phase says itself what is left. What first executions took too long happens only once and
    counts for nothing here.
    """

    _BETWEEN = ""  # the label of the time between phases

    def __init__(self) -> None:
        self._number = 0  # epochs that are over
        self._parts: dict[str, _Part] = {}  # by label
        self._nesting: set[str] = set()  # the labels of phases that have had stages within their units
        self.epoch_begins()

    def epoch_begins(self) -> None:
        """Begin an epoch; the one before counts only if its end was recorded."""
        self._over: dict[str, tuple[float, int]] = {}  # seconds and number of the running epoch's finished phases
        self._once = 0.0

    def phase_over(self, label: str, seconds: float, once: float, nests: bool = False) -> None:
        """Record a finished phase: `seconds`, plus `once` seconds that later epochs do not need again.

        `nests` says whether other stages have run within its units, which then are of very different lengths.
        """
        before, number = self._over.get(label, (0.0, 0))
        self._over[label] = before + seconds, number + 1
        self._once += once
        if nests:
            self._nesting.add(label)

    def epoch_over(self, took: float) -> None:
        """Record the end of the running epoch, which took `took` seconds."""
        self._over[self._BETWEEN] = self._between(took), 1
        self._number += 1
        for label, (seconds, number) in self._over.items():
            self._parts.setdefault(label, _Part()).add(self._number, seconds, number)
        self.epoch_begins()

    @property
    def rate(self) -> float | None:
        """Epochs per second, as of late."""
        seconds = sum(self._mean(part) for part in self._parts.values())
        return 1 / seconds if seconds > 0 else None

    @property
    def error(self) -> float:
        """The relative error of the rate; the time between phases counts as unknown until three epochs are over."""
        sure = {self._BETWEEN, *(label for label, part in self._parts.items() if part.pace.settled)}
        off = sum(self._mean(part) * min(1.0, part.pace.error) for label, part in self._parts.items() if label in sure)
        return off * self.rate if self.rate else math.inf

    def outlook(self, elapsed: float, running: Sequence[RunningPhase], more: int = 1) -> Outlook | None:
        """What is expected `elapsed` seconds after the running epoch began; None before anything is known.

        `more` is the number of epochs after it.
        """
        if not self._number and not self._over and all(phase.left is None for phase in running):
            return None
        between = self._between(elapsed - sum(phase.seconds + phase.once for phase in running))
        over = {**self._over, self._BETWEEN: (between, 0)}
        by_label = {phase.label: phase for phase in reversed(running)}  # if phases with one label are nested: the outer
        whole = left = later = done = 0.0
        for label in {*over, *by_label, *self._parts}:
            seconds, number = over.get(label, (0.0, 0))
            phase = by_label.get(label)
            took, needs, is_done = self._here(label, seconds, number, phase)
            whole, left, done = whole + took + needs, left + needs, done + is_done
            later += self._later(label, took + needs, phase, more)
        return Outlook(left, later, done / whole if whole else 0.0)

    def _here(self, label: str, seconds: float, number: int, phase: RunningPhase | None) -> tuple[float, float, float]:
        """Seconds that the running epoch's phases of one label took, still need, and have got done.

        `number` of these phases are over and took `seconds`; `phase` is the running one, if any.
        """
        part = self._parts.get(label)
        usual, usual_number = (part.seconds, part.number) if part and self._is_due(part) else (0.0, 0.0)
        nests = bool(part) and label in self._nesting
        if phase and phase.left is not None and not nests:
            others = max(0.0, usual_number - number - 1) * usual / usual_number if usual_number else 0.0
            needs = phase.left + others
            took = seconds + phase.seconds
            return took, needs, took if phase.share is None else seconds + phase.share * (phase.seconds + needs)
        took = seconds + (phase.seconds if phase else 0.0)
        complete = not phase and label != self._BETWEEN and number >= max(1.0, usual_number)
        needs = 0.0 if complete else max(0.0, usual - took)
        if phase and phase.share is not None and not nests:  # the epoch before may have been a short one
            return took, needs, seconds + phase.share * (phase.seconds + needs)
        return took, needs, took

    def _later(self, label: str, here: float, phase: RunningPhase | None, more: int) -> float:
        """Seconds that phases of one label will take in `more` later epochs; `here` is what they take in this one."""
        part = self._parts.get(label)
        each = part.seconds if part else here
        if phase and phase.whole is not None and (not part or part.number <= 1) and label not in self._nesting:
            each = phase.whole
        every = self._every(part) if part else self._number + 1
        since = 0 if not part or here or self._is_due(part) else self._number + 1 - part.latest
        return each * ((since + more) // every)

    def _every(self, part: _Part) -> int:
        """How many epochs apart the epochs are that have this part; it may be overdue."""
        return max(part.every, self._number + 1 - part.latest)

    def _is_due(self, part: _Part) -> bool:
        return self._number + 1 - part.latest >= part.every

    def _mean(self, part: _Part) -> float:
        return part.seconds / self._every(part)

    def _between(self, elapsed: float) -> float:
        return max(0.0, elapsed - self._once - sum(seconds for seconds, _ in self._over.values()))


class _Part:
    """A part of epochs: phases of one label, or the time between phases. Not each epoch needs to have it.

    Attributes:
        pace: that of epochs, as far as this part is concerned.
        latest: the number of the latest epoch that had it, from 1.
    """

    def __init__(self) -> None:
        self.pace = Pace(0.0, 0)
        self.latest = 0
        self._epochs = self._phases = 0  # how many epochs had it, and how many phases that were

    def add(self, epoch: int, seconds: float, number: int) -> None:
        """Record that it took `seconds` in `epoch`, which had `number` phases of it."""
        self.pace.sample(self.pace.at + seconds, epoch)
        self.latest = epoch
        self._epochs, self._phases = self._epochs + 1, self._phases + number

    @property
    def every(self) -> int:
        """How many epochs apart the epochs are that have it: 2 for every second one."""
        return max(1, round(self.pace.units))

    @property
    def number(self) -> float:
        """How many phases it is in an epoch that has it, on average."""
        return self._phases / self._epochs

    @property
    def seconds(self) -> float:
        """Seconds that it takes in an epoch that has it."""
        seconds, units = self.pace.first or (0.0, 1)
        return (self.pace.pace if self.pace.pace is not None else seconds / units) * self.every


class RunningEpoch:
    """What is known of an epoch while it runs.

    The first phase is what an epoch is about (usually training): its time is split into ``first`` (the first
    execution), ``steps`` and ``data`` (waiting for it). Other phases go by their labels, and ``other`` is what remains,
    which callbacks take.

    Attributes:
        logged: the metrics of the epoch's line if its end is not reported; None while more phases are expected.
        is_left: whether the loop over the epochs was left half way through this one.
    """

    _OWN = ("first", "steps", "data", "other")

    def __init__(self) -> None:
        self.logged: Logged | None = None
        self.is_left = False
        self._seconds: dict[str, float] = {}
        self._main = ""
        self._begun: dict[str, int] = {}  # how many phases of each label have begun

    def phase_begins(self, label: str) -> tuple[str, int]:
        """Count a phase that begins; return its label and its number among those of this label, from 1."""
        self._begun[label] = self._begun.get(label, 0) + 1
        return label, self._begun[label]

    def phase_over(self, label: str, took: float, first: float, data: float) -> None:
        """Record a finished phase: `took` seconds, of which `first` for the first execution and `data` for waiting."""
        if not self._seconds:
            self._main = label
        if label == self._main:
            self._add("first", first)
            self._add("steps", took - first - data)
            self._add("data", data)
        else:
            self._add(f"stage {label}" if label in self._OWN else label, took)

    def _add(self, name: str, seconds: float) -> None:
        self._seconds[name] = self._seconds.get(name, 0.0) + max(0.0, seconds)

    def time_spent(self, took: float) -> tuple[tuple[str, float], ...]:
        """Where the time of the epoch went, which took `took` seconds: seconds by name."""
        return (*self._seconds.items(), ("other", max(0.0, took - sum(self._seconds.values()))))
