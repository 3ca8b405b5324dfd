"""One stage: how far it is, its metrics, its epochs, and how it ended."""

from __future__ import annotations

import itertools
import secrets
import sys
from collections.abc import Callable, Mapping
from typing import Protocol, final

from .counts import Counts, Landing, Source
from .epochs import RunningEpoch
from .forecast import Forecast
from .metrics import Logged
from .picture import epoch_view, failed_view, running_unit, title_of, view_of
from .scalars import Report
from .settings import Settings
from .snapshot import Outcome, StageView
from .text import clean
from .tree import Node
from .trial import Trial

next_key = itertools.count(1).__next__
"""The next `StageView.key` of this process."""

_DEFAULT = Settings()
NEVER = sys.maxsize  # a position that is not reached; infinity would make each comparison slower


class Owner(Protocol):
    """Something whose end ends a stage, such as a running call of `fit`."""

    def ended(self) -> Outcome | None:
        """How the owner ended; None while it has not."""


@final
class Stage(Node):
    """The state of one bar: a node of the tree with counts, metrics and a forecast; `view` makes a snapshot of it.

    Only `advance_to` runs for every batch, on whatever thread the batch is on, and takes no lock. All other changes are
    the display's, under its lock. All times are seconds of one monotonic clock.

    Args:
        label: what the stage is called in code and logs, and its bar if it has no `title`.
        now: when it begins.
        on_due: called on the advancing thread once the position reaches `next_due`.
        parent: the stage this one lies within.
        unit: what is counted, singular.
        total: how many there are, None if unknown.
        firm: whether the total stays valid if the position exceeds it; if not, it counts as unknown from then on.
        title: what the bar is labelled with, if not `label`.
        phase: whether the stage belongs to its parent's current epoch.
        settings: how it is shown.
        owner: its end is the stage's end.
        source: knows the position between two reported steps, and how long the loop has waited for data.
        trial: the trial of its parent that it begins in, if there is one.

    Attributes:
        counts: how far the stage is.
        forecast: what is expected of it.
        logged: the latest metrics that were logged; they hold wherever a step brought none of its own.
        next_due: the position at which `on_due` is called.
        in_block: whether a `with` block keeps the stage open.
        which: its label and, of a phase, its number among those of this label in the epoch.
        epoch: the running epoch.
        began_in: the number of the unit of its parent that it began in.
        failed: the view of it as it failed, if it has.
        pending_epoch: the view of a finished epoch whose line is not posted yet, and its metrics.
    """

    def __init__(
        self,
        label: str,
        *,
        now: float,
        on_due: Callable[[Stage], None],
        parent: Stage | None = None,
        unit: str = "it",
        total: int | None = None,
        firm: bool = True,
        title: str | None = None,
        phase: bool = False,
        settings: Settings = _DEFAULT,
        owner: Owner | None = None,
        source: Source | None = None,
        trial: Trial | None = None,
    ) -> None:
        super().__init__(clean(label), parent=parent, phase=phase)
        self.trial = trial
        if trial:
            trial.within.append(self)
        self.began_in = running_unit(parent) if parent else 0
        self.key = next_key()
        self.run: str = parent.run if parent else secrets.token_hex(6)
        self.title, self.unit = clean(title_of(self) if title is None else title), clean(unit)
        self.settings, self.owner = settings, owner
        self.in_block, self.which = False, (self.label, 1)
        self.epoch, self.logged = RunningEpoch(), Logged()
        self.failed: StageView | None = None
        self.pending_epoch: tuple[StageView, Mapping[str, object] | None] | None = None
        self.next_due: float = NEVER
        self._on_due = on_due
        self._totals: dict[tuple[str, int], int] = {}  # how many units the latest phases had, by `which`
        self._parent_done_at_end = 0  # where its parent was when this stage ended
        self.counts = Counts(now, total, firm, source)
        self._landed = self.counts.landed
        self.forecast = Forecast(self.label, self.counts)

    def advance_to(self, done: int, now: float, metrics: Mapping[str, object] | None = None) -> None:
        """Record that at time `now` the position was `done`; it may be further already."""
        self._landed.append((done, now, metrics))
        if done >= self.next_due:
            self._on_due(self)

    def log(self, metrics: Mapping[str, object], now: float, report: Report) -> None:
        """Record metrics at time `now`, on the thread that computed them; `report` gets warnings."""
        self.logged.log(metrics, now, report, soon=self.next_due <= self._landed[-1][0] + 1)

    # Events.

    def rename(self, label: str) -> None:
        """Call the stage, which is no phase, `label` from now on."""
        self.label = self.title = clean(label)

    def start_at(self, initial: int) -> None:
        """Begin at `initial` instead: that many units were done in an earlier run."""
        if initial != self.counts.initial:
            self.counts.start_at(initial)
            self.forecast.begin()

    def add(self, child: Stage) -> None:
        """Add `child`, which begins within this stage; a phase starts from what those of earlier epochs have shown."""
        if not child.phase:
            self.forecast.inner.begins(self.done)
        else:
            if not any(c.label == child.label and not c.outcome for c in self.children):
                self.forecast.adopt(child.forecast)
            child.which = self.epoch.phase_begins(child.label)
            child.counts.expect(self._totals.get(child.which))
        super().add(child)

    def start_epoch(self, now: float) -> None:
        """Begin an epoch, and remove the phases of the one before."""
        self.drop_phases()
        self.epoch = RunningEpoch()
        self.forecast.start_epoch(now)

    def finish_epoch(self, now: float, metrics: Mapping[str, object] | None, counts: bool = True) -> None:
        """End the running epoch, which `counts` as done or not. Its line stays pending, as metrics may be added."""
        took = self.forecast.epoch_elapsed(now)
        self.pending_epoch = epoch_view(self, now, took, self.epoch.time_spent(took)), metrics
        self.epoch = RunningEpoch()
        self.forecast.finish_epoch(now, counts)
        if counts:
            self.advance_to(self.done + 1, now, metrics)

    def settle_epoch(self, now: float) -> None:
        """Finish an epoch whose end was not reported if its phases are done; else keep its metrics as the stage's."""
        logged, phases = self.epoch.logged, self.epoch_phases
        outcomes = [phase.outcome for phase in phases]
        if logged and outcomes[-1:] == ["done"] and not {"error", "interrupted"} & {*outcomes}:
            self.finish_epoch(now, {**(phases[0].counts.latest[2] or {}), **logged.shown()})
            for child in self.children:
                child._parent_done_at_end = self.done  # so that what failed after the phases is still shown
        else:
            self.logged.values.update(logged.shown() if logged else {})
            self.epoch = RunningEpoch()

    def finish(self, outcome: Outcome, now: float) -> None:
        """End the stage."""
        epochs = self.parent if self.phase else None  # the stage whose epoch this belongs to
        self.counts.ended = now
        if epochs:
            took = self.counts.busy(now)
            self.counts.ended = self.counts.started + took  # the time after its last step does not count
            epochs.forecast.phase_over(self.forecast, now)
            epochs.epoch.phase_over(self.label, took, self.forecast.first_execution, self.counts.source.waited(now))
        if outcome == "done":
            self.counts.confirm_total()
            if epochs and self.total is not None:  # if there were more before, the data may have run out
                epochs._totals[self.which] = max(self.done, epochs._totals.get(self.which, 0))
        self.next_due = -1  # from now on, each step that is reported calls `on_due`
        if self.parent:
            self.parent.forecast.inner.over_at, self._parent_done_at_end = now, self.parent.done
        self.end(outcome)
        self.failed = failed_view(self, now) if outcome in ("error", "interrupted") else None
        self.owner = None  # it may refer to this stage

    def update(self, now: float) -> None:
        """Bring the forecast up to time `now`, at which a frame is drawn; inner stages have to be updated first."""
        if not self.outcome:
            self.counts.source.update(now)
            inner = next((c.forecast for c in reversed(self.children) if not c.phase and not c.outcome), None)
            self.forecast.update(now, [phase.forecast for phase in self.epoch_phases], inner)

    # What is true.

    @property
    def done(self) -> int:
        """The position, in units, as it was reported; it may overshoot the total."""
        return self.counts.done

    @property
    def total(self) -> int | None:
        """How many units there are, None if unknown."""
        return self.counts.total

    def metrics(self, latest: Landing) -> Mapping[str, object]:
        """The metrics of the latest step, or the latest that can be drawn, as they were given or as numbers."""
        return latest[2] or self.logged.shown()

    @property
    def has_epochs(self) -> bool:
        """Whether the stage's units are epochs with phases of their own."""
        return self.forecast.has_epochs

    @property
    def epoch_phases(self) -> list[Stage]:
        """The phases of the running epoch; those of the one before may still be shown."""
        return [] if self.pending_epoch else [c for c in self.children if c.phase]

    @property
    def own_end(self) -> Outcome:
        """The outcome if the stage ends now without an exception: `done` if it is complete, else `stopped`."""
        return "done" if self.counts.complete else "stopped"

    @property
    def stale(self) -> bool:
        """Whether this stage, or one around it, failed and its parent has gone on since; it is then no longer shown."""
        above = self.parent
        if above is None:
            return False
        if above.stale:
            return True
        return self.outcome is not None and not self.phase and above.done > self._parent_done_at_end

    def view(self, now: float, *, with_metrics: bool = True, paced: bool = False) -> StageView:
        """Return the view of the stage at time `now`; `paced` as a bar shows it, else exactly as it is."""
        return view_of(self, now, with_metrics=with_metrics, paced=paced)
