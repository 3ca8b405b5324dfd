"""A run as the lines of its log describe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.pacing import Countdown, Pacer
from ..core.snapshot import Event, EventKind, Outcome, StageView
from ..core.text import clean, duration
from ..core.tree import Node
from ..system.portable import host_name, process_exists
from .read import Record

if TYPE_CHECKING:
    from typing_extensions import Self

_SILENT = 150.0  # seconds without a line after which a run counts as silent: one is due each minute


class LoggedStage(Node):
    """A stage as its latest line describes it, moved on in time.

    Args:
        view: the stage on that line.
        at: when the line was written, in seconds since the Unix epoch.
        parent: the stage around it.

    Attributes:
        has_epochs: whether its units are epochs of phases, each with a line of its own that has the metrics.
    """

    def __init__(self, view: StageView, at: float, parent: Self | None = None) -> None:
        super().__init__(view.label, parent=parent, phase=view.phase)
        self.has_epochs = False
        self._in_lines: set[str] = set()  # the metrics that its units have in lines of their own
        self._pacer = Pacer(at, view.done)
        self._countdown = Countdown()
        self.update(view, at)

    def update(self, view: StageView, at: float) -> None:
        """Take over what another line says."""
        self.latest, self._at = view, at
        self._pacer.sample(at, view.done)

    def child(self, view: StageView, at: float) -> Self:
        """The stage within this one that a line describes, brought up to date; it may be a new one."""
        found = next((child for child in self.children if child.latest.key == view.key), None)
        if found is None:
            found = type(self)(view, at, self)
            self.add(found)
            self.has_epochs = self.has_epochs or view.phase
        found.update(view, at)
        return found

    def finish_epoch(self, line: StageView) -> None:
        """Remove the phases of an epoch, or another unit, that has a line; one without an end ends like the epoch."""
        self._in_lines.update(name for name, _ in line.metrics)
        for phase in [child for child in self.children if child.phase and not child.outcome]:
            phase.finish(line.outcome or "done")
        self.drop_phases()

    def finish(self, outcome: Outcome) -> None:
        """End this stage, and all that still runs within."""
        for stage in reversed(list(self.walk())):
            if not stage.outcome:
                stage.end(outcome)

    def view(self, now: float) -> StageView:
        """The stage at time `now`, in seconds since the Unix epoch. What it has done since its latest line is unknown.

        Its bar and its remaining time move on all the same, as they do on the run's own terminal.
        """
        metrics = [] if self.has_epochs else [each for each in self.latest.metrics if each[0] not in self._in_lines]
        latest = replace(self.latest, seen=now, outcome=self.outcome, metrics=tuple(metrics))
        if self.outcome:
            return latest
        age = max(0.0, now - self._at)
        if self.is_leaf:
            self._pacer.move(now, latest.rate, latest.total)
        else:
            self._pacer.jump(latest.done, max(0.0, (latest.position or 0.0) - latest.done))
        self._countdown.correct(now, None if latest.remaining is None else max(0.0, latest.remaining - age))
        position = self._pacer.position
        return replace(
            latest,
            elapsed=latest.elapsed + age,
            remaining=self._countdown.at(now),
            shown=min(latest.done, self._pacer.count),
            position=position if latest.total is None else min(position, latest.total),
        )


class Run:
    """A run as its lines describe it.

    Args:
        first: the first line that is known of it.
        source: the file the line is in.

    Attributes:
        root: its outermost stage.
        latest: its latest line.
        presumed_dead: whether it has no line for its end, but its process is gone, or another run has taken its place.
        behind: seconds by which the clock of its host is behind.
    """

    def __init__(self, first: Record, source: str) -> None:
        self.root = LoggedStage(first.chain[0], first.time)
        self.latest, self.source = first, source
        self.presumed_dead = False
        self.behind = 0.0
        self._is_followed = False
        self._missed = 0

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, None while it runs."""
        return self.root.outcome

    def take(self, record: Record, heard: float | None = None) -> Event:
        """Take over what a line says of a stage; return it as an event.

        Args:
            record: the line.
            heard: this host's time at which the line was read, if that was soon after it was written; else None.
        """
        stage = record.stage
        assert stage is not None
        self.latest = record
        if heard is not None:
            self.behind = min(self.behind, heard - record.time) if self._is_followed else heard - record.time
            self._is_followed = True
        found = self._update(record.chain, record.time)
        if record.is_epoch:
            found.finish_epoch(stage)
            return Event("epoch", record.time, found.latest, stage, stage, record.chain[:-1])
        if stage.outcome and found is self.root:
            return self.end(stage.outcome)
        if stage.outcome:
            found.finish(stage.outcome)
        kind: EventKind = "resume" if record.kind == "message" else record.kind
        return Event(kind, record.time, stage, above=record.above)

    def _update(self, chain: Sequence[StageView], at: float) -> LoggedStage:
        """Bring the stages of a line, outermost first, up to date; return the innermost."""
        outermost, *inner = chain
        if self.root.latest.key != outermost.key:  # not the stage it was: the run has begun again
            self.root = LoggedStage(outermost, at)
        self.root.update(outermost, at)
        stage = self.root
        for view in inner:
            stage = stage.child(view, at)
        return stage

    def end(self, outcome: Outcome) -> Event:
        """End the run; return that as an event."""
        self.root.finish(outcome)
        return Event("end", self.latest.time, replace(self.root.latest, outcome=outcome))

    def is_gone(self) -> bool:
        """Whether its process was gone at this check and the one before; by now its last lines have been read."""
        self._missed = 0 if self.outcome or self.may_run() else self._missed + 1
        return self._missed > 1

    def may_run(self) -> bool:
        """Whether its process may still exist; always True on another host, where this cannot be checked."""
        return self.latest.host != clean(host_name()) or process_exists(self.latest.pid)

    def silence(self, now: float) -> float:
        """Seconds since the latest line; 0 if they are too few to mean anything, or if the run is over."""
        seconds = now - self.behind - self.latest.time
        return seconds if seconds > _SILENT and not self.outcome else 0.0

    def views(self, now: float) -> list[StageView]:
        """Its stages at time `now`, in seconds since the Unix epoch, outermost first."""
        silence = self.silence(now)
        note = f"silent for {duration(silence)}" if silence else "done" if self.outcome == "done" else ""
        known = min(now - self.behind, self.latest.time + _SILENT)  # nothing is known of what comes later
        root, *inner = (stage.view(known) for stage in self.root.walk())
        return [replace(root, note=note), *inner]
