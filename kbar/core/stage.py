"""Owns what is true: the tree of stages with their positions, totals, metrics and outcomes."""

from __future__ import annotations

import itertools
import operator
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol

from .forecast import EpochForecast, Outlook, RunningPhase
from .metrics import Selection
from .pace import Pace
from .pacing import Countdown, Pacer
from .snapshot import Outcome, StageView
from .text import clean

if TYPE_CHECKING:
    from typing_extensions import Self

Leave = Literal["epochs", "run", "none"]
"""What stays on screen: a line for each epoch and the last state, the last state, nothing."""

_keys = itertools.count(1)

_Landing = tuple[int, float, "Mapping[str, object] | None"]  # position, seconds, metrics
_position = operator.itemgetter(0)
NEVER = sys.maxsize  # a position that is not reached; infinity would make each comparison slower
_UNCERTAIN = 0.25  # the share by which a rate may be off that remaining times do not say so
_THREADS = 32  # as many as Python's thread pools have at most


class Owner(Protocol):
    """Somebody whose life a stage's life depends on."""

    def ended(self) -> Outcome | None:
        """How the owner ended, or None while it lives."""


class Source(Protocol):
    """What passes items to a loop and knows how far it is; times are seconds."""

    def position(self) -> int:
        """How many units are done."""

    def look(self, now: float) -> None:
        """A frame may be drawn soon: the stage is to hear of the next step when it lands."""

    def waiting(self, now: float) -> float:
        """How long the loop has been waiting for its next item; 0 if it is not."""

    def waited(self, now: float) -> float:
        """How long it has waited in all."""


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


class Stage(Node):
    """One bar's truth: a node of the tree, changed by events, pictured for frames.

    Only `advance_to` runs for every batch, on whatever thread the batch is on, and takes no
    lock: it appends position, time and metrics as one tuple, and the position is the greatest that
    was seen. As many threads as are kept may overtake each other without a step being
    lost, and three that are read together belong together. All other changes are the display's,
    under its lock.

    Args:
        clock: gives seconds, monotonic.
        on_watch: called on the advancing thread once the position reaches `watch`.
        parent: the stage this one lies within.
        unit: what is counted, singular.
        total: how many there are, None if unknown.
        firm: whether a position beyond the total overshoots, as Keras's last execution does; if
            not, a total that is passed is believed no more.
        title: what the bar is labelled with, if not `label`.
        phase: whether the stage belongs to its parent's current epoch.
        selection, leave, pacing, summary: which metrics show, what stays on screen, whether bars
            glide, whether epochs say where their time went; the parent's by default.
        owner: whose end is the stage's end.
        source: knows the position between two steps that land, and of waiting for data.

    Attributes:
        logged: metrics that hold for whatever is done, by name; they may be changed at any time.
        around: the innermost stage where this one began.
        held: whether somebody's `with` block keeps it open.
    """

    _pace: Pace
    _pacer: Pacer

    def __init__(
        self,
        label: str,
        *,
        clock: Callable[[], float],
        on_watch: Callable[[Stage], None],
        parent: Stage | None = None,
        unit: str = "it",
        total: int | None = None,
        firm: bool = True,
        title: str | None = None,
        phase: bool = False,
        selection: Selection | None = None,
        leave: Leave | None = None,
        pacing: bool | None = None,
        summary: bool | None = None,
        owner: Owner | None = None,
        source: Source | None = None,
        around: Stage | None = None,
    ) -> None:
        self.key = next(_keys)
        self.run: str = parent.run if parent else os.urandom(6).hex()
        super().__init__(clean(label), parent=parent, phase=phase)
        self.title = self.label if title is None else clean(title)
        self.unit = clean(unit)
        self.selection: Selection = selection or (parent.selection if parent else Selection())
        self.leave: Leave = leave or (parent.leave if parent else "epochs")
        self.pacing: bool = pacing if pacing is not None else parent.pacing if parent else True
        self.summary: bool = summary if summary is not None else parent.summary if parent else False
        self.owner = owner
        self.around = around
        self.held = False
        self.logged: dict[str, object] = {}
        self.started = clock()
        self.watch: float = NEVER
        self.held_epoch: tuple[StageView, Mapping[str, object] | None] | None = None

        learned = parent._learned.get(self.label) if total is None and phase and parent else None
        self._total = total if learned is None else learned
        self._total_is_learned = learned is not None
        self._firm = firm
        self._source = source
        self._learned: dict[str, int] = {}  # totals of earlier epochs' phases, by label
        self._paces: dict[str, tuple[Pace, Pacer]] = {}  # how fast they go, likewise
        self._clock = clock
        self._on_watch = on_watch
        self._set_position(0)
        if phase and parent and not any(c.label == self.label and not c.outcome for c in parent.children):
            known = parent._paces.setdefault(self.label, (self._pace, self._pacer))
            self._pace, self._pacer = known
            for each in known:
                each.restart(self.started, 0)
        self._countdown = Countdown()
        self._ended: float | None = None
        self._left_at = 0  # where its parent was then
        self._waited_before = 0.0  # seconds, in all steps that have landed
        self._first_wait = 0.0  # seconds of the first execution that were waiting for data
        self._epochs = EpochForecast()
        self._spent: dict[str, float] = {}  # where the running epoch's time went, in seconds
        self._spent_on = ""
        self._inner_at, self._inner_usual, self._inner_number = 0, 0, 0  # stages within a unit
        self._epoch_started: float | None = None

    def _set_position(self, initial: int) -> None:
        self.initial = initial
        first = initial, self.started, None
        self._landed = deque[_Landing]([first], maxlen=_THREADS)
        self._greatest: tuple[_Landing, _Landing] = first, first  # as of the last that landed, which is looked up often
        self._pace, self._pacer = Pace(self.started, initial), Pacer(self.started, initial)

    # The path of a batch.

    def advance_to(self, done: int, metrics: Mapping[str, object] | None = None) -> None:
        """The position is `done` by now; it may be further already."""
        self._landed.append((done, self._clock(), metrics))
        if done >= self.watch:
            self._on_watch(self)

    # Events.

    def start_at(self, initial: int) -> None:
        """The stage turns out to begin in the middle: `initial` units were done before."""
        if initial != self.initial:
            self._set_position(initial)
            self._inner_at = initial

    def start_epoch(self) -> None:
        """An epoch begins; the phases of the one before leave the picture."""
        self.drop_phases()
        self._epoch_started = self._clock()

    def finish_epoch(self, metrics: Mapping[str, object] | None) -> None:
        """The current epoch is done. It is held back, for whoever comes late to add metrics to."""
        now = self._clock()
        took = now - (self.started if self._epoch_started is None else self._epoch_started)
        phases = [c for c in self.children if c.phase]
        main = phases[0] if phases else None
        number = self._count(self.done + 1)
        width = len(self._count(self.total or 0))
        view = replace(
            (main or self).view(now),
            key=self.key,
            depth=self.depth,
            label=self.unit,
            title=f"{self._heading}{self.unit} {number:>{width}}",
            path=f"{self._path} {self.unit} {number}",
            phase=False,
            elapsed=took,
            rate=main.rate if main else None,
            remaining=None,
            run_remaining=None,
            outcome=main.outcome if main else "done",
            spent=(*self._spent.items(), ("other", max(0.0, took - sum(self._spent.values())))),
        )
        self.held_epoch = (view, metrics)
        self._epochs.epoch_over(took)
        self._spent = {}
        self.advance_to(self.done + 1, metrics)
        self._epoch_started = now

    def _phase_over(self, phase: Stage, now: float) -> None:
        """Takes note of where the time of a part of the running epoch went."""
        took = phase._busy(now)
        once, opening = phase._extra
        self._epochs.phase_over(phase.label, took - once - opening, once)
        if not self._spent:  # the first phase is what an epoch is about
            self._spent_on = phase.label
        if phase.label == self._spent_on:
            first = phase._pace.first[0] - phase._first_wait if phase._pace.first and not phase._pace.again else 0.0
            data = phase._waited(now)
            facts = {"first": first, "steps": took - first - data, "data": data}
        else:
            taken = phase.label in ("first", "steps", "data", "other")
            facts = {f"stage {phase.label}" if taken else phase.label: took}
        for name, seconds in facts.items():
            self._spent[name] = self._spent.get(name, 0.0) + max(0.0, seconds)

    def add(self, child: Stage) -> None:
        """`child` begins within this stage."""
        super().add(child)
        if not child.phase:
            if self._inner_at != self.done:
                self._inner_at, self._inner_usual, self._inner_number = self.done, self._inner_number, 0
            self._inner_number += 1

    def finish(self, outcome: Outcome) -> None:
        """The stage is over. Where its total was unknown, it is the position now."""
        now = self._clock()
        self._ended = now
        if self.phase and self.parent:
            self._ended = self.started + self._busy(now)  # what comes after the last step is somebody else's
            self.parent._phase_over(self, now)
        self.watch = -1  # whoever advances it now is to hear of it
        self._left_at = self.parent.done if self.parent else 0
        if outcome == "done" and (self.total is None or self._total_is_learned or not self._firm):
            self._total, self._total_is_learned, self._firm = self.done, False, True
            if self.phase and self.parent:
                self.parent._learned[self.label] = self.done
        self.end(outcome)

    def look(self, now: float) -> None:
        """A frame may be drawn soon: whatever moves with time moves on."""
        if self.outcome:
            return
        if self._source:
            self._source.look(now)
        done, at, _ = self._latest
        self.note_first()
        if at > self._pace.at and self._source:
            self._waited_before = self._source.waited(now) - self._source.waiting(now)
        self._pace.sample(at, done)
        self._pacer.sample(at, done)
        ahead = self._outlook(now) if self.has_epochs else None
        within = self._within_unit(ahead)
        if within is None:
            self._pacer.move(now, self._pace.rate, self.total)
        else:
            self._pacer.jump(self.done, within)
        self._countdown.correct(now, self._estimate(now, ahead))

    def note_first(self) -> None:
        """Takes note of the first execution, once it is over."""
        if self._pace.first is None:
            done, at, _ = self._latest
            self._pace.sample(at, done)
            self._first_wait = self._waited(at)

    # What is true.

    @property
    def _latest(self) -> _Landing:
        last = self._landed[-1]
        seen, greatest = self._greatest
        if last is not seen:
            greatest = max((greatest, *self._landed.copy()), key=_position)
            self._greatest = last, greatest
        return greatest

    @property
    def done(self) -> int:
        """The position, in units, as it was told; it may overshoot the total."""
        landed = self._latest[0]
        return int(max(landed, self._source.position()) if self._source else landed)  # NumPy's numbers, too

    @property
    def total(self) -> int | None:
        """How many units there are, None if unknown; one that is not firm holds until it is passed."""
        uncertain = self._total_is_learned or not self._firm
        return None if uncertain and self._total is not None and self.done > self._total else self._total

    @total.setter
    def total(self, total: int | None) -> None:
        self._total, self._total_is_learned = total, False

    @property
    def untouched(self) -> bool:
        """Whether nothing has happened since the stage began."""
        return self.done == self.initial and not self.children and not self.has_epochs

    @property
    def own_end(self) -> Outcome:
        """How the stage ends if it ends of itself now: early, unless all there was to do is done."""
        complete = self.total is None or self._total_is_learned or self.done >= self.total
        return "done" if complete else "stopped"

    @property
    def _path(self) -> str:
        return f"{self._within}{self.label}"

    @property
    def _within(self) -> str:
        """Where in the run the stage is, up to what its parent is at."""
        above = self.parent
        return f"{above._path} {above._at(1)} " if above else ""

    @property
    def _heading(self) -> str:
        """The same as the beginning of lines that are read below each other: short, and of one width."""
        above = self.parent
        return f"{above._heading}{above.label} {above._at(len(above._count(above.total or 0)))}  " if above else ""

    def _at(self, width: int) -> str:
        """The unit that is running, by its number, in at least so many columns."""
        number = self.done if self.held_epoch or self.done == self.total else self.done + 1
        unit = "" if self.unit in (self.label, "it") else f"{self.unit} "
        return f"{unit}{self._count(number):>{width}}"

    def _count(self, number: int) -> str:
        total = self.total
        return f"{number}/{total}" if total else f"{number}"

    @property
    def stale(self) -> bool:
        """Whether it failed, or what it lies within did, but what is around that has gone on since."""
        above = self.parent
        if above is None or above.stale:
            return above is not None
        return self.outcome is not None and not self.phase and above.done > self._left_at

    @property
    def has_epochs(self) -> bool:
        """Whether the stage's units are epochs (epochs) with stages of their own."""
        return self._epoch_started is not None

    def view(self, now: float, *, with_metrics: bool = True, paced: bool = False) -> StageView:
        """The stage at time `now` (s); `paced` as a bar is to show it, else as it is."""
        _, at, metrics = self._latest
        done, total = self.done, self.total
        done = done if total is None else min(done, total)
        shown, position = done, float(done)
        if self.pacing and not self.outcome and (paced or not self.is_leaf):
            position = self._pacer.position if total is None else min(self._pacer.position, total)
            shown = min(done, self._pacer.count)
        elapsed = self._elapsed(now)
        steps = self.is_leaf and not self.has_epochs and (total is None or done < total)
        # A step does not run while the loop waits for its item.
        running = max(0.0, now - at - self._waited(now) + self._waited_before) if steps else 0.0
        return StageView(
            key=self.key,
            depth=self.depth,
            label=self.label,
            title=self.title,
            path=self._path,
            unit=self.unit,
            phase=self.phase,
            done=done,
            shown=shown,
            position=position,
            total=total,
            seen=now,
            elapsed=elapsed,
            rate=self.rate,
            remaining=self.remaining(now),
            run_remaining=self.root.remaining(now),
            uncertain=self._pace.stalls(running) or self._uncertain,
            waiting=self._source.waiting(now) if self._source and not self.outcome else 0.0,
            data_share=min(1.0, self._waited(now) / elapsed) if elapsed else 0.0,
            running=running,
            usual=self._pace.interval,
            stalled=self._pace.stalls(running),
            metrics=self.selection.pick(metrics or self.logged) if with_metrics else (),
            outcome=self.outcome,
            summary=self.summary,
            run=self.run,
        )

    def _elapsed(self, now: float) -> float:
        return max(0.0, (now if self._ended is None else self._ended) - self.started)

    def _busy(self, now: float) -> float:
        """Seconds it has run for, up to its last step."""
        total = self._total
        complete = total is not None and self.done >= total
        return max(0.0, self._latest[1] - self.started) if complete else self._elapsed(now)

    @property
    def _extra(self) -> tuple[float, float]:
        """Seconds by which it began too slowly: once and for all, and as it will again in the next epoch."""
        return (0.0, self._pace.opening) if self._pace.again else (self._pace.first_excess, 0.0)

    @property
    def _uncertain(self) -> bool:
        if self.has_epochs:
            return self._epochs.error > _UNCERTAIN or any(p._pace.error > _UNCERTAIN for p in self._running_phases[:1])
        return self._pace.error > _UNCERTAIN

    def _waited(self, now: float) -> float:
        return self._source.waited(now) if self._source else 0.0

    @property
    def rate(self) -> float | None:
        """Units per second: of late while running, all in all once over; None before there is a basis."""
        if self._ended is not None:
            took, units = self._ended - self.started, self.done - self.initial
            return units / took if took > 0 and units > 0 else None
        return self._epochs.rate if self.has_epochs else self._pace.rate

    def remaining(self, now: float) -> float | None:
        """Seconds until the stage is over, as of time `now` (s); None without a basis, or when it is."""
        return None if self.outcome else self._countdown.at(now)

    # What is estimated.

    def _estimate(self, now: float, ahead: Outlook | None) -> float | None:
        """Seconds that the stage still needs; None without a basis."""
        total = self.total
        if total is None:
            return None
        left = max(0, total - self.done)
        if self.has_epochs:
            return ahead.left + ahead.later * (left - 1) if ahead and left else 0.0 if ahead else None
        known = self._pace.remaining(now, left)
        unit = self._inner.remaining(now) if self._inner and self._inner_number == 1 else None
        if known is not None or unit is None or not left:
            return known
        return unit + (now - self._pace.at + unit) * (left - 1)  # the first unit is not over, but known by its inside

    def _outlook(self, now: float) -> Outlook | None:
        """What is to be expected of the running epoch, and of those to come."""
        running = []
        for phase in self._running_phases:
            if not phase.outcome:
                steps = None if phase.total is None else phase.total - phase.initial
                whole = None if steps is None else phase._pace.remaining(phase._pace.at, steps)
                left = 0.0 if steps is not None and phase.done == phase.total else phase.remaining(now)
                once, opening = phase._extra
                running.append(
                    RunningPhase(phase.label, phase._busy(now) - once - opening, once, left, whole, phase._share)
                )
        began = self.started if self._epoch_started is None else self._epoch_started
        return self._epochs.outlook(max(0.0, now - began), running)

    @property
    def _running_phases(self) -> list[Stage]:
        """What there is of the running epoch; those of the one before may still be on show."""
        return [] if self.held_epoch else [c for c in self.children if c.phase]

    @property
    def _inner(self) -> Stage | None:
        """The stage within that runs, and is no part of an epoch."""
        return next((c for c in reversed(self.children) if not c.phase and not c.outcome), None)

    def _within_unit(self, ahead: Outlook | None) -> float | None:
        """The share of the running unit that is done, as far as what is within tells; None if nothing is."""
        if self.has_epochs:
            phases = self._running_phases
            share = ahead.share if ahead else phases[0]._share if phases else 0.0
        elif self._inner:  # as many as there were in the unit before
            share = (self._inner_number - 1 + self._inner._share) / max(self._inner_usual, self._inner_number)
        else:
            return None
        return max(0.0, min(Pacer.MOST, share))

    @property
    def _share(self) -> float:
        """The share of the stage that is done, as its bar shows it; 0 where that is not known."""
        return min(1.0, self._pacer.position / self.total) if self.total else float(self.outcome is not None)
