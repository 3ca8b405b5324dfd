"""What is expected of a stage: its rate, its remaining time, and where its bar stands."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .bunches import BunchPace
from .counts import Counts
from .epochs import Ends, EpochForecast, Outlook, RunningPhase
from .pacing import Countdown, Pacer

_UNCERTAIN = 0.25  # the share by which a rate may be off before remaining times are marked as rough


class InnerStages:
    """The stages within the units of another one, such as the fits of folds, or a validation every 1,000 steps.

    Args:
        unit: the running unit.

    Attributes:
        number: how many have begun in the running unit.
        over_at: when the last one ended.
    """

    def __init__(self, unit: int) -> None:
        self.number, self.over_at = 0, -math.inf
        self._unit, self._before = unit, 0  # the running unit, and how many there were in the one before it

    def begins(self, unit: int) -> None:
        """Count one that begins within `unit`."""
        if self._unit != unit:
            self._unit, self._before, self.number = unit, self.number, 0
        self.number += 1

    @property
    def any(self) -> bool:
        """Whether there have been any."""
        return self.number > 0

    def share(self, running: float) -> float:
        """The share of the running unit that is done if so much of its running stage is."""
        return (max(self.number, 1) - 1 + running) / max(self._before, self.number, 1)


class Forecast:
    """What is expected of one stage.

    A stage is estimated in one of three ways: by its own steps (`BunchPace`, `Pacer`); by its epochs, once it has any
    (`EpochForecast`), which consist of phases that have forecasts of their own; and while its first step takes long, by
    the stage that runs within that step. `update` brings all up to date before a frame is drawn, inner stages first.

    Args:
        label: the stage's.
        counts: how far the stage is.

    Attributes:
        inner: the stages within its units, if they are no phases.
    """

    def __init__(self, label: str, counts: Counts) -> None:
        self._label, self._counts = label, counts
        self._countdown = Countdown()
        self._waited = self._first_waited = 0.0  # seconds of waiting for data: in all steps that landed, in the first
        self._epochs = EpochForecast()
        self._epoch_started: float | None = None
        self._counted_until = -math.inf  # when the latest epoch that counts ended
        self._phases: dict[str, tuple[BunchPace, Pacer, Ends]] = {}  # what the phases of all epochs share, by label
        self.begin()

    def begin(self) -> None:
        """Begin where the counts do, with nothing known of the stage."""
        started, initial = self._counts.started, self._counts.initial
        self._pace, self._pacer, self._ends = BunchPace(started, initial), Pacer(started, initial), Ends()
        self.inner = InnerStages(initial)

    def adopt(self, phase: Forecast) -> None:
        """Give `phase`, which begins, what phases of its label have shown in earlier epochs."""
        known = self._phases.setdefault(phase._label, (phase._pace, phase._pacer, phase._ends))
        phase._pace, phase._pacer, phase._ends = known
        for each in (phase._pace, phase._pacer):
            each.restart(phase._counts.started, phase._counts.initial)

    # Events.

    def start_epoch(self, now: float) -> None:
        """Begin an epoch."""
        self._epochs.epoch_begins()
        self._epoch_started = now

    def phase_over(self, phase: Forecast, now: float) -> None:
        """Record the end of a phase of the running epoch."""
        (once, opening), initial, done = phase._pace.excess, phase._counts.initial, phase._counts.done
        whole = done / (done - initial) if done > initial else 1.0  # one that was resumed has had fewer units to do
        phase._ends.add(phase._left_at(now), phase._counts.total)
        seconds = (phase._counts.busy(now) - once - opening) * whole
        self._epochs.phase_over(phase._label, seconds, once, phase.inner.any)

    def finish_epoch(self, now: float, counts: bool = True) -> None:
        """End the running epoch, which `counts` as done or not."""
        self._counted_until = now if counts else self._counted_until
        self._epochs.epoch_over(self.epoch_elapsed(now))
        self._epoch_started = now

    def note_first(self) -> None:
        """Record the first execution, if it is over and not recorded yet."""
        if self._pace.first is None:
            done, at, _ = self._counts.latest
            self._pace.sample(at, done)
            self._first_waited = self._counts.source.waited(at)

    def update(self, now: float, phases: Sequence[Forecast], inner: Forecast | None) -> None:
        """Bring the forecast up to time `now` (s), at which a frame is drawn.

        Args:
            now: the time of the frame.
            phases: those of the running epoch, oldest first.
            inner: the stage that runs within the running unit and is no phase, if there is one.
        """
        self.note_first()
        done, at, _ = self._counts.latest
        if at > self._pace.at:
            self._waited = self._counts.source.waited(now) - self._counts.source.waiting(now)
        self._pace.sample(at, done)
        self._pace.look(now)
        self._pacer.sample(at, done)
        ahead = self._outlook(now, phases) if self.has_epochs else None
        share = self._share_of_unit(ahead, phases, inner)
        if share is None:
            self._pacer.move(now, self._pace.rate, self._counts.total)
        else:
            self._pacer.jump(self._counts.done, max(0.0, min(Pacer.MOST, share)))
        self._countdown.correct(now, self._estimate(now, ahead, inner))

    # What is expected.

    @property
    def has_epochs(self) -> bool:
        """Whether the stage's units are epochs with phases of their own."""
        return self._epoch_started is not None

    def epoch_elapsed(self, now: float) -> float:
        """Seconds since the running epoch began."""
        return now - (self._counts.started if self._epoch_started is None else self._epoch_started)

    @property
    def rate(self) -> float | None:
        """Units per second: as of late while the stage runs, on the whole once it is over; None if unknown."""
        counts = self._counts
        if counts.ended is not None:
            until = self._counted_until if self.has_epochs else counts.ended
            took, units = until - counts.started, counts.done - counts.initial
            return units / took if took > 0 and units > 0 else None
        return self._epochs.rate if self.has_epochs else self._pace.shown_rate

    def remaining(self, now: float) -> float | None:
        """Seconds until the stage is over, as of time `now` (s); None if unknown, or when it is."""
        return None if self._counts.ended is not None else self._countdown.at(now)

    def is_uncertain(self, phases: Sequence[Forecast]) -> bool:
        """Whether rate and remaining time are rough; `phases` are those of the running epoch."""
        if self.has_epochs:
            return self._epochs.error > _UNCERTAIN or any(phase.is_uncertain(()) for phase in phases[:1])
        return max(self._pace.error, self._ends.error) > _UNCERTAIN

    @property
    def bar(self) -> tuple[float, int]:
        """Where the bar stands, in units, and the count beside it."""
        total = self._counts.total
        return self._pacer.position if total is None else min(self._pacer.position, total), self._pacer.count

    @property
    def share(self) -> float:
        """The share of the stage that is done, as its bar shows it; 0 where that is not known."""
        total = self._counts.total
        return min(1.0, self._pacer.position / total) if total else float(self._counts.ended is not None)

    # The running step and the first execution.

    def running(self, now: float) -> float:
        """Seconds for which the running step has run since the last stage within it, without waiting for its item."""
        waited = self._counts.source.waited(now) - self._waited
        return max(0.0, now - max(self._counts.latest[1], self.inner.over_at) - waited)

    def stalls(self, seconds: float) -> bool:
        """Whether a step that takes `seconds` is out of all proportion."""
        return self._pace.stalls(seconds)

    @property
    def interval(self) -> float:
        """Seconds that a step takes, typically; 0 if unknown."""
        return self._pace.interval

    @property
    def first_execution(self) -> float:
        """Seconds that the first execution took, without waiting for data; 0 if it was in an earlier epoch."""
        seconds = self._pace.first_execution
        return seconds - self._first_waited if seconds else 0.0

    # How it is estimated.

    def _outlook(self, now: float, phases: Sequence[Forecast]) -> Outlook | None:
        """What is expected of the running epoch, and of those to come."""
        running = [phase._as_phase(now) for phase in phases if phase._counts.ended is None]
        more = max(0, (self._counts.total or 0) - self._counts.done - 1)
        return self._epochs.outlook(max(0.0, self.epoch_elapsed(now)), running, more)

    def _as_phase(self, now: float) -> RunningPhase:
        counts, total = self._counts, self._counts.total
        usual = None if total is None else self._ends.expected(total, 0)
        whole = None if usual is None or self.inner.any else self._pace.remaining(now, usual, running=False)
        left = 0.0 if counts.done == total else self.remaining(now)
        once, opening = self._pace.excess
        share = None if total is None or self.inner.any else self._ends.share(self.bar[0], total)
        return RunningPhase(self._label, counts.busy(now) - once - opening, once, left, whole, share)

    def _left_at(self, now: float) -> float:
        """The position at time `now` (s), including the part of the running step that is over, by its usual time."""
        return self._counts.done + (min(1.0, self.running(now) / self.interval) if self.interval else 0.0)

    def _share_of_unit(self, ahead: Outlook | None, phases: Sequence[Forecast], inner: Forecast | None) -> float | None:
        """The share of the running unit that is done, as the stages within it have it; None if there are none."""
        if self.has_epochs:
            return ahead.share if ahead else phases[0].share if phases else 0.0
        return self.inner.share(inner.share) if inner else None

    def _estimate(self, now: float, ahead: Outlook | None, inner: Forecast | None) -> float | None:
        """Seconds that the stage still needs; None if unknown."""
        total, done = self._counts.total, self._counts.done
        if total is None or (self.has_epochs and ahead is None):
            return None
        if ahead:
            return ahead.left + ahead.later if total > done else 0.0
        return self._estimate_by_steps(now, max(0.0, self._ends.expected(total, done) - done), inner)

    def _estimate_by_steps(self, now: float, left: float, inner: Forecast | None) -> float | None:
        unit = inner.remaining(now) if inner and self.inner.number == 1 else None
        if unit is not None and self.stalls(self.running(now)):  # such as a validation every 1,000 steps
            others = self._pace.remaining(now, max(0.0, left - 1), running=False)
            if others is not None:
                return unit + others
        known = self._pace.remaining(now, left)
        if known is not None or unit is None or not left:
            return known
        return unit + (now - self._pace.at + unit) * (left - 1)  # the first unit is not over, but known by its inside
