"""What is expected of a stage: rate, remaining time, and where its bar stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .pace import Pace


@dataclass(frozen=True)
class RunningPhase:
    """A part of an epoch that runs: its time so far, and `once` what of it will never be needed again.

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
    """Seconds that the running epoch takes in all, those it still needs, and those each later one takes.

    `share` is what of the epoch is done: the shares of its phases, weighted by how long each takes.
    """

    whole: float
    left: float
    later: float
    share: float


class EpochForecast:
    """A run of epochs (epochs): what the running one and those to come take, in seconds.

    An epoch is its phases (training, validation), by label, and the time between them (what callbacks
    do). Each has a pace of its own whose units are epochs: so a first epoch that took longer, one that
    did just once, a lasting change, and phases that not all epochs have are dealt with as they are
    among steps. A phase that is running knows better. What first executions took too long happens
    once, and is no part of it.
    """

    _BETWEEN = ""

    def __init__(self) -> None:
        self._number = 0
        self._paces: dict[str, Pace] = {}  # seconds an epoch, by label
        self._phases: dict[str, float] = {}  # and how many of that label an epoch had on average
        self._over: dict[str, tuple[float, int]] = {}
        self._once = 0.0

    def phase_over(self, label: str, seconds: float, once: float) -> None:
        """A part of the running epoch took so long, and besides `once` what it never will again."""
        before, number = self._over.get(label, (0.0, 0))
        self._over[label] = before + seconds, number + 1
        self._once += once

    def epoch_over(self, took: float) -> None:
        """The running epoch is over."""
        self._over[self._BETWEEN] = self._between(took), 1
        self._number += 1
        for label, (seconds, number) in self._over.items():
            pace = self._paces.setdefault(label, Pace(0.0, 0))
            pace.sample(pace.at + seconds, self._number)
            self._phases[label] = self._phases.get(label, 0.0) + number
        self._over, self._once = {}, 0.0

    @property
    def rate(self) -> float | None:
        """EpochForecast per second, of late."""
        seconds = sum(self._usual(label)[0] for label in self._paces)
        return 1 / seconds if seconds > 0 else None

    @property
    def error(self) -> float:
        """The share by which it may be off; what is between the phases takes two epochs to be known."""
        usual = {label: self._usual(label)[0] for label in self._paces}
        unsure = {label: pace.error for label, pace in self._paces.items() if pace.settled or label == self._BETWEEN}
        off = sum(usual[label] * min(1.0, error) for label, error in unsure.items())
        return off * self.rate if self.rate else math.inf

    def outlook(self, elapsed: float, running: Sequence[RunningPhase]) -> Outlook | None:
        """What is to be expected, with the running epoch begun `elapsed` seconds ago; None without a basis."""
        between = self._between(elapsed - sum(phase.seconds + phase.once for phase in running))
        over = {**self._over, self._BETWEEN: (between, 0)}
        by_label = {phase.label: phase for phase in reversed(running)}  # of one within another, the outer one
        if not self._number and not self._over and all(phase.left is None for phase in running):
            return None
        whole = left = later = done = 0.0
        for label in {*over, *by_label, *self._paces}:
            usual, number = self._usual(label)
            seconds, so_many = over.get(label, (0.0, 0))
            phase = by_label.get(label)
            lasts = max(0.0, usual - seconds - (phase.seconds if phase else 0.0))
            if phase and phase.left is not None:
                others = max(0.0, number - so_many - 1) * usual / number if number else 0.0
                lasts = phase.left + others
            elif not phase and label and so_many >= max(1.0, number):
                lasts = 0.0
            if phase and phase.left is not None:
                done += seconds + phase.share * (phase.seconds + lasts)
                seconds += phase.seconds
            else:
                seconds += phase.seconds if phase else 0.0
                done += seconds
            whole, left = whole + seconds + lasts, left + lasts
            if phase and phase.whole is not None and number <= 1:
                later += phase.whole * (self._phases.get(label, 0.0) + 1) / (self._number + 1)
            else:
                later += usual if self._number else seconds + lasts
        return Outlook(whole, left, later, done / whole if whole else 0.0)

    def _usual(self, label: str) -> tuple[float, float]:
        """Seconds and number in an epoch, on average."""
        if label not in self._paces:
            return 0.0, 0.0
        pace = self._paces[label]
        seconds, units = pace.first or (0.0, 1)
        return pace.pace if pace.pace is not None else seconds / units, self._phases[label] / self._number

    def _between(self, elapsed: float) -> float:
        return max(0.0, elapsed - self._once - sum(seconds for seconds, _ in self._over.values()))
