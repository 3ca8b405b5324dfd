"""The tree of stages: how far each is, its metrics, and how it ended."""

from __future__ import annotations

import itertools
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol, final

from .counts import Counts, Source
from .epochs import TimeSpent
from .forecast import Forecast
from .metrics import Logged
from .picture import epoch_view, view_of
from .scalars import Tell
from .settings import Settings
from .snapshot import Outcome, StageView
from .text import clean

if TYPE_CHECKING:
    from typing_extensions import Self

_keys = itertools.count(1)
_DEFAULT = Settings()
NEVER = sys.maxsize  # a position that is not reached; infinity would make each comparison slower


class Owner(Protocol):
    """Something that a stage lasts as long as, such as a running call of `fit`."""

    def ended(self) -> Outcome | None:
        """How the owner ended; None while it has not."""


class Node:
    """One place in the tree of stages, and the rules by which stages enter and leave the picture.

    The same rules hold for a run as it happens (`Stage`) and for a run read back from its log.

    Args:
        label: what the node is called; a phase makes way for the next one with the same label.
        parent: the node this one lies within, None for the outermost. `add` puts it there.
        phase: whether it belongs to its parent's current epoch, as training and validation do.

    Attributes:
        children: the nodes within this one that are in the picture, oldest first.
        outcome: how it ended; None while it runs.
    """

    def __init__(self, label: str, *, parent: Self | None = None, phase: bool = False) -> None:
        self.label, self.parent, self.phase = label, parent, phase
        self.children: list[Self] = []
        self.outcome: Outcome | None = None

    def add(self, child: Self) -> None:
        """Put `child` into the picture, in place of earlier failures and of a finished phase of the same label."""
        self.children = [c for c in self.children if not c.outcome or (c.phase and c.label != child.label)]
        self.children.append(child)

    def drop_phases(self) -> None:
        """Take the finished phases out of the picture, as is due when an epoch is over."""
        self.children = [c for c in self.children if not (c.phase and c.outcome)]

    def end(self, outcome: Outcome) -> None:
        """Set the outcome.

        After a good end, failures within have no importance any more and leave the picture; so does the node itself,
        unless it is a phase, which stays until its epoch is over, or the outermost. After a bad end all stays, to
        show where it happened.
        """
        self.outcome = outcome
        if outcome in ("done", "stopped"):
            self.children = [c for c in self.children if c.phase or not c.outcome]
            if self.parent and not self.phase:
                self.parent.children = [c for c in self.parent.children if c is not self]

    def walk(self) -> Iterator[Self]:
        """This node and all within it, outermost first."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def above(self) -> list[Self]:
        """The nodes that this one lies within, outermost first."""
        return [*self.parent.above, self.parent] if self.parent else []

    @property
    def root(self) -> Self:
        """The outermost node around this one."""
        return self.parent.root if self.parent else self

    @property
    def depth(self) -> int:
        """How many nodes this one lies within."""
        return self.parent.depth + 1 if self.parent else 0

    def within(self, scope: Node) -> bool:
        """Whether this node is `scope` or lies within it."""
        return scope is self or (self.parent is not None and self.parent.within(scope))

    @property
    def is_leaf(self) -> bool:
        """Whether this node is running, with no running node within."""
        return self.outcome is None and all(c.outcome for c in self.children)


@final
class Stage(Node):
    """One bar's truth: a node of the tree with its counts and metrics, changed by events and pictured for frames.

    Only `advance_to` runs for every batch, on whatever thread the batch is on, and takes no lock. All other changes are
    the display's, under its lock. All times are seconds of one monotonic clock.

    Args:
        label: what the stage is called in code and logs, and its bar if it has no `title`.
        now: when it begins.
        on_due: called on the advancing thread once the position reaches `next_due`.
        parent: the stage this one lies within.
        unit: what is counted, singular.
        total: how many there are, None if unknown.
        firm: whether a position beyond the total overshoots; if not, the total counts as unknown from then on.
        title: what the bar is labelled with, if not `label`.
        phase: whether the stage belongs to its parent's current epoch.
        settings: how it is shown.
        owner: its end is the stage's end.
        source: knows the position between two steps that land, and of waiting for data.

    Attributes:
        counts: how far the stage is.
        forecast: what is expected of it.
        logged: the latest metrics that were logged; they hold wherever a step brought none of its own.
        next_due: the position at which `on_due` is called.
        held: whether a `with` block keeps the stage open.
        held_epoch: the picture of an epoch that is over and whose line is yet to come, and its metrics.
        epoch_logged: what the line of the running epoch is to show if nobody reports its end; None if phases of it are
            yet to come.
        epoch_left: whether the loop over the epochs was left half way.
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
    ) -> None:
        super().__init__(clean(label), parent=parent, phase=phase)
        self.key = next(_keys)
        self.run: str = parent.run if parent else secrets.token_hex(6)
        self.title = clean(label if title is None else title)
        self.unit = clean(unit)
        self.settings = settings
        self.owner = owner
        self.held = self.epoch_left = False
        self.epoch_logged: Logged | None = None
        self.held_epoch: tuple[StageView, Mapping[str, object] | None] | None = None
        self.logged = Logged()
        self.next_due: float = NEVER
        self._on_due = on_due
        self._spent = TimeSpent()
        self._totals: dict[str, int] = {}  # how many units the latest phases had, by label
        self._left_at = 0  # where its parent was when this stage ended
        self.counts = Counts(now, total, firm, source)
        self._landed = self.counts.landed
        self.forecast = Forecast(self.label, self.counts)

    def advance_to(self, done: int, now: float, metrics: Mapping[str, object] | None = None) -> None:
        """Take note that at time `now` the position is `done`; it may be further already."""
        self._landed.append((done, now, metrics))
        if done >= self.next_due:
            self._on_due(self)

    def log(self, metrics: Mapping[str, object], now: float, tell: Tell) -> None:
        """Take note of metrics at time `now`, on the thread that computed them; `tell` is called with warnings."""
        self.logged.log(metrics, now, tell, soon=self.next_due <= self._landed[-1][0] + 1)

    # Events.

    def start_at(self, initial: int) -> None:
        """Begin at `initial` instead: so many units were done in an earlier run."""
        if initial != self.counts.initial:
            self.counts.start_at(initial)
            self.forecast.begin()

    def add(self, child: Stage) -> None:
        """`child` begins within this stage; a phase goes on with what those of earlier epochs have shown."""
        if not child.phase:
            self.forecast.inner_begins()
        elif not any(c.label == child.label and not c.outcome for c in self.children):
            self.forecast.continue_in(child.forecast)
        if child.phase and child.label in self._totals:
            child.counts.expect(self._totals[child.label])
        super().add(child)

    def start_epoch(self, now: float) -> None:
        """An epoch begins; the phases of the one before leave the picture."""
        self.drop_phases()
        self.epoch_logged, self.epoch_left = None, False
        self.forecast.start_epoch(now)

    def finish_epoch(self, now: float, metrics: Mapping[str, object] | None) -> None:
        """The running epoch is done. Its picture is held back in `held_epoch`, as metrics may still be added."""
        took = self.forecast.epoch_elapsed(now)
        self.held_epoch = (epoch_view(self, now, took, self._spent.epoch_over(took)), metrics)
        self.epoch_logged, self.epoch_left = None, False
        self.forecast.finish_epoch(now)
        self.advance_to(self.done + 1, now, metrics)

    def settle_epoch(self, now: float) -> None:
        """Finish the epoch that the run was left in, if all its phases are done; else its metrics are the stage's."""
        logged, self.epoch_logged, self.epoch_left = self.epoch_logged, None, False
        phases = [] if self.held_epoch else [c for c in self.children if c.phase]
        outcomes = [phase.outcome for phase in phases]
        if logged is None:
            return
        if outcomes[-1:] == ["done"] and not {"error", "interrupted"} & {*outcomes}:
            self.finish_epoch(now, {**(phases[0].counts.latest[2] or {}), **logged.shown()})
            for child in self.children:
                child._left_at = self.done  # so that what failed after the phases stays in the picture
        else:
            self.logged.values.update(logged.shown())

    def finish(self, outcome: Outcome, now: float) -> None:
        """The stage is over."""
        self.counts.ended = now
        if self.phase and self.parent:
            self.counts.ended = self.started + self.counts.busy(now)  # the time after its last step does not count
            self.parent._phase_over(self, now)
        self.next_due = -1  # from now on, each step that is reported calls `on_due`
        self._left_at = self.parent.done if self.parent else 0
        if outcome == "done" and self.counts.confirm_total() and self.phase and self.parent:
            self.parent._totals[self.label] = self.done
        self.end(outcome)
        self.owner = None  # it may refer to this stage

    def _phase_over(self, phase: Stage, now: float) -> None:
        self.forecast.phase_over(phase.forecast, now)
        first, data = phase.forecast.first_execution, phase.counts.source.waited(now)
        self._spent.phase_over(phase.label, phase.counts.busy(now), first, data)

    def note_first(self) -> None:
        """Take note of the first execution, once it is over."""
        self.forecast.note_first()

    def look(self, now: float) -> None:
        """Bring the forecast up to time `now`, at which a frame is drawn; inner stages have to go first."""
        if not self.outcome:
            self.counts.source.look(now)
            inner = next((c.forecast for c in reversed(self.children) if not c.phase and not c.outcome), None)
            self.forecast.look(now, self.epoch_phases, inner)

    # What is true.

    @property
    def started(self) -> float:
        """When the stage began."""
        return self.counts.started

    @property
    def initial(self) -> int:
        """The position it began at."""
        return self.counts.initial

    @property
    def done(self) -> int:
        """The position, in units, as it was reported; it may overshoot the total."""
        return self.counts.done

    @property
    def total(self) -> int | None:
        """How many units there are, None if unknown."""
        return self.counts.total

    @total.setter
    def total(self, total: int | None) -> None:
        self.counts.total = total

    @property
    def metrics(self) -> Mapping[str, object]:
        """The latest metrics that can be drawn, as they were given or as numbers."""
        return self.counts.latest[2] or self.logged.shown()

    @property
    def has_epochs(self) -> bool:
        """Whether the stage's units are epochs with phases of their own."""
        return self.forecast.has_epochs

    @property
    def epoch_phases(self) -> list[Forecast]:
        """The forecasts of the running epoch's phases; those of the one before may still be in the picture."""
        return [] if self.held_epoch else [c.forecast for c in self.children if c.phase]

    @property
    def untouched(self) -> bool:
        """Whether nothing has happened since the stage began."""
        return self.done == self.initial and not self.children and not self.has_epochs

    @property
    def has_running_phases(self) -> bool:
        """Whether a phase of the running epoch is not over."""
        return any(child.phase and not child.outcome for child in self.children)

    @property
    def own_end(self) -> Outcome:
        """The outcome if the stage ends now without an exception: early, unless all is done."""
        return "done" if self.counts.complete else "stopped"

    @property
    def stale(self) -> bool:
        """Whether it failed, or what it lies within did, but what is around that has gone on since."""
        above = self.parent
        if above is None or above.stale:
            return above is not None
        return self.outcome is not None and not self.phase and above.done > self._left_at

    def view(self, now: float, *, with_metrics: bool = True, paced: bool = False) -> StageView:
        """Return the picture of the stage at time `now`; `paced` as a bar shows it, else exactly as it is."""
        return view_of(self, now, with_metrics=with_metrics, paced=paced)
