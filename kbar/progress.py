"""Owns what is true: the tree of stages with their positions, totals, metrics and outcomes."""

from __future__ import annotations

import itertools
import operator
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Literal, Protocol

from .format import Selection, clean
from .snapshot import Outcome, StageView
from .timing import RateMeter, run_remaining

Leave = Literal["epochs", "run", "none"]
"""What stays on screen: a line for each epoch and the last state, the last state, nothing."""

_keys = itertools.count(1)

_Landing = tuple[int, float, "Mapping[str, object] | None"]  # position, seconds, metrics
_position = operator.itemgetter(0)
NEVER = sys.maxsize  # a position that is not reached; infinity would make each comparison slower
_THREADS = 32  # as many as Python's thread pools have at most


def outcome_of(error: BaseException) -> Outcome:
    """How a stage ended that `error` has left."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return "stopped" if isinstance(error, (SystemExit, GeneratorExit)) else "error"


class Owner(Protocol):
    """Somebody whose life a stage's life depends on."""

    def ended(self) -> Outcome | None:
        """How the owner ended, or None while it lives."""


class Stage:
    """One bar's truth: a node of the tree, changed by events, pictured for frames.

    Only `advance_to` runs for every batch, on whatever thread the batch is on, and takes no
    lock: it appends position, time and metrics as one tuple, and the position is the greatest of
    the latest few. As many threads as are kept may overtake each other without a step being
    lost, and three that are read together belong together. All other changes are the display's,
    under its lock.

    Args:
        clock: gives seconds, monotonic.
        on_watch: called on the advancing thread once the position reaches `watch`.
        parent: the stage this one lies within.
        unit: what is counted, singular.
        total: how many there are, None if unknown.
        title: what the bar is labelled with, if not `label`.
        part: whether the stage belongs to its parent's current lap.
        selection, leave: which metrics show, what stays on screen; the parent's by default.
        owner: whose end is the stage's end.
    """

    def __init__(
        self,
        label: str,
        *,
        clock: Callable[[], float],
        on_watch: Callable[[Stage], None],
        parent: Stage | None = None,
        unit: str = "it",
        total: int | None = None,
        title: str | None = None,
        part: bool = False,
        selection: Selection | None = None,
        leave: Leave | None = None,
        owner: Owner | None = None,
    ) -> None:
        self.key = next(_keys)
        self.label = clean(label)
        self.title = self.label if title is None else clean(title)
        self.unit = clean(unit)
        self.parent = parent
        self.children: list[Stage] = []
        self.part = part
        self.selection: Selection = selection or (parent.selection if parent else Selection())
        self.leave: Leave = leave or (parent.leave if parent else "epochs")
        self.owner = owner
        self.outcome: Outcome | None = None
        self.started = clock()
        self.watch: float = NEVER
        self.held_lap: tuple[StageView, Mapping[str, object] | None] | None = None

        if total is None and part and parent:
            total = parent._learned.get(self.label)
            self._total_is_learned = total is not None
        else:
            self._total_is_learned = False
        self._total = total
        self._learned: dict[str, int] = {}  # totals of earlier laps' parts, by label
        self._clock = clock
        self._on_watch = on_watch
        self._set_position(0)
        self._ended: float | None = None
        self._lap_started: float | None = None
        self._lap_seconds: list[float] = []

    def _set_position(self, initial: int) -> None:
        self.initial = initial
        self._landed = deque[_Landing]([(initial, self.started, None)], maxlen=_THREADS)
        self._meter = RateMeter(self.started, initial)

    # The path of a batch.

    def advance_to(self, done: int, metrics: Mapping[str, object] | None = None) -> None:
        """The position is `done` by now; it may be further already."""
        self._landed.append((done, self._clock(), metrics))
        if done >= self.watch:
            self._on_watch(self)

    # Events.

    def start_at(self, initial: int) -> None:
        """The stage turns out to begin in the middle: `initial` units were done before."""
        if self.done == self.initial:
            self._set_position(initial)

    def start_lap(self) -> None:
        """A lap begins; the parts of the one before leave the picture."""
        self.drop_parts()
        self._lap_started = self._clock()

    def finish_lap(self, metrics: Mapping[str, object] | None) -> None:
        """The current lap is done. It is held back, for whoever comes late to add metrics to."""
        now = self._clock()
        started = self.started if self._lap_started is None else self._lap_started
        parts = [c for c in self.children if c.part]
        excess = sum(p._meter.first_excess for p in parts) if not self._lap_seconds else 0.0
        self._lap_seconds.append(max(0.0, now - started - excess))
        number = self._count(self.done + 1)
        view = replace(
            parts[0].view(now) if parts else self.view(now),
            key=self.key,
            depth=self.depth,
            label=self.unit,
            title=f"{self.unit} {number:>{len(self._count(self._total or 0))}}",
            path=f"{self._path} {self.unit} {number}",
            part=False,
            elapsed=now - started,
            remaining=None,
            run_remaining=None,
            outcome=parts[0].outcome if parts else "done",
        )
        self.held_lap = (view, metrics)
        self.advance_to(self.done + 1, metrics)
        self._lap_started = now

    def drop_parts(self) -> None:
        """The current lap's finished parts leave the picture."""
        self.children = [c for c in self.children if not (c.part and c.outcome)]

    def finish(self, outcome: Outcome) -> None:
        """The stage is over. Where its total was unknown, it is the position now."""
        self._ended = self._clock()
        self.watch = -1  # whoever advances it now is to hear of it
        if outcome == "done" and (self.total is None or self._total_is_learned):
            self._total, self._total_is_learned = self.done, False
            if self.part and self.parent:
                self.parent._learned[self.label] = self.done
        self.outcome = outcome

    def sample(self) -> None:
        """Takes note of when the latest step landed; the first is to be noted by itself."""
        done, at, _ = self._latest
        self._meter.sample(at, done)

    # What is true.

    @property
    def _latest(self) -> _Landing:
        return max(self._landed.copy(), key=_position)

    @property
    def done(self) -> int:
        """The position, in units, as it was told; it may overshoot the total."""
        return self._latest[0]

    @property
    def total(self) -> int | None:
        """How many units there are, None if unknown; a learned total holds until it is passed."""
        if self._total_is_learned and self._total is not None and self.done > self._total:
            return None
        return self._total

    @property
    def untouched(self) -> bool:
        """Whether nothing has happened since the stage began."""
        return self.done == self.initial and not self.children and not self.has_laps

    @property
    def own_end(self) -> Outcome:
        """How the stage ends if it ends of itself now: early, unless all there was to do is done."""
        complete = self.total is None or self._total_is_learned or self.done >= self.total
        return "done" if complete else "stopped"

    @property
    def root(self) -> Stage:
        """The outermost stage around this one."""
        return self.parent.root if self.parent else self

    @property
    def depth(self) -> int:
        """How many stages this one lies within."""
        return self.parent.depth + 1 if self.parent else 0

    @property
    def _path(self) -> str:
        if not self.parent:
            return self.label
        above = self.parent
        running = above._count(above.done if above.held_lap else above.done + 1)
        unit = "" if above.unit == above.label else f"{above.unit} "
        return f"{above._path} {unit}{running} {self.label}"

    def _count(self, number: int) -> str:
        return f"{number}/{self._total}" if self._total else f"{number}"

    def walk(self) -> Iterator[Stage]:
        """This stage and all within it, outermost first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def within(self, scope: Stage | None) -> bool:
        """Whether this stage is `scope` or lies within it; everything is within None."""
        return scope is None or scope is self or (self.parent is not None and self.parent.within(scope))

    @property
    def is_leaf(self) -> bool:
        """Whether the stage is running, with no running stage within."""
        return self.outcome is None and all(c.outcome for c in self.children)

    @property
    def has_laps(self) -> bool:
        """Whether the stage's units are laps (epochs) with stages of their own."""
        return self._lap_started is not None

    def view(self, now: float, with_metrics: bool = True) -> StageView:
        """The stage at time `now` (s)."""
        done, _, metrics = self._latest
        self.sample()
        total = self.total
        return StageView(
            key=self.key,
            depth=self.depth,
            label=self.label,
            title=self.title,
            path=self._path,
            unit=self.unit,
            part=self.part,
            done=done if total is None else min(done, total),
            total=total,
            seen=now,
            elapsed=max(0.0, (now if self._ended is None else self._ended) - self.started),
            rate=self.rate,
            remaining=self.remaining(now),
            run_remaining=self.root.remaining(now),
            metrics=self.selection.pick(metrics) if with_metrics else (),
            outcome=self.outcome,
        )

    @property
    def rate(self) -> float | None:
        """Units per second: of late while running, all in all once over; None before there is a basis."""
        if self._ended is not None:
            took, units = self._ended - self.started, self.done - self.initial
        elif self._lap_seconds:
            took, units = sum(self._lap_seconds), len(self._lap_seconds)
        else:
            return self._meter.rate
        return units / took if took > 0 and units > 0 else None

    def remaining(self, now: float) -> float | None:
        """Seconds until the stage is over, as of time `now` (s); None without a basis, or when it is."""
        total = self.total
        if total is None or self.outcome:
            return None
        if self._lap_started is None:
            return max(0, total - self.done) / self.rate if self.rate else None
        left = total - self.done - 1
        if left < 0:
            return 0.0
        main = next((c for c in self.children if c.part), None)
        pace = main._meter.rate if main else None
        steps_left = steps_all = None
        if main and pace and main.total is not None:
            steps_all = (main.total - main.initial) / pace
            steps_left = max(0, main.total - main.done) / pace
        return run_remaining(left, self._lap_seconds, now - self._lap_started, steps_left, steps_all)
