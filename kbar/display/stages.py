"""The stages of a display, and the events that are posted to targets when they change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ..core.snapshot import Event, EventKind, Outcome, StageView
from ..core.stage import NEVER, Stage
from ..core.throttle import Tick
from ..system.warnings import failure, warn
from .target import Target

if TYPE_CHECKING:
    from .display import Display


class Stages:
    """The tree of stages. All methods but `set_next_due` and `reached` are called with the display's lock held.

    Args:
        display: the display they belong to.

    Attributes:
        roots: the outermost stages, oldest first.
    """

    def __init__(self, display: Display) -> None:
        self._display = display
        self.roots: list[Stage] = []

    def all(self) -> list[Stage]:
        """All stages, outermost first."""
        return [stage for root in self.roots for stage in root.walk()]

    def as_of_now(self) -> list[Stage]:
        """All stages, outermost first, with forecasts as of now. Those whose owner has ended are ended before."""
        self.sweep()
        for stage in self.all():
            if stage.stale and stage.parent and not stage.parent.outcome:
                self.drop_failed(stage.parent)
        now, stages = self._display.clock(), self.all()
        for stage in reversed(stages):  # inner ones first, as outer ones are estimated by them
            stage.update(now)
        return stages

    def views(self, includes: Callable[[Stage], bool]) -> tuple[StageView, ...]:
        """All stages on show of those that `includes` names, as a bar shows them now."""
        shown = [s for s in self.all() if includes(s) and not s.stale]
        shown = [s for s in shown if not (s.root.outcome and s.settings.leave == "none")]
        now = self._display.clock()
        # The epochs' metrics stand in their own lines, or in the last state where those are not kept.
        in_lines = {s for s in shown if s.has_epochs and s.settings.leave == "epochs"}
        return tuple(s.view(now, with_metrics=s not in in_lines, paced=True) for s in shown)

    def post(self, kind: EventKind, stage: Stage, *, epoch: StageView | None = None, as_line: bool = False) -> None:
        """Post to the targets what has happened to `stage`; `as_line` if it leaves a line above the bars."""
        targets = self._display.targets.receiving(stage)
        if stage.settings.leave == "none":
            targets = [target for target in targets if target.renderer.live or not target.renderer.screen]
        now = self._display.clock()
        view = stage.view(now)
        line = (epoch or view) if as_line and stage.settings.leave != "none" else None
        above = _above(stage, now)
        event = Event(kind, self._display.wall(), view, epoch, line, above)
        for target in targets:
            target.events.append(event)

    def drop_failed(self, parent: Stage) -> None:
        """Remove the stages within `parent`, which goes on, that have failed; each leaves a line above the bars."""
        for stage in [c for c in parent.children if c.failed and not c.phase]:
            parent.children.remove(stage)
            line = stage.failed if stage.settings.leave != "none" else None
            event = Event("progress", self._display.wall(), parent.view(self._display.clock()), line=line)
            for target in self._display.targets.receiving(stage):
                if target.renderer.live:  # logs have a line for its end
                    target.events.append(event)

    # Endings.

    def sweep(self) -> None:
        """End the stages whose owner has ended, inner ones first."""
        for stage in reversed(self.all()):
            outcome = None if stage.outcome else self._owners_end(stage)
            if outcome:
                self.end(stage, outcome)
            elif stage.epoch.is_left and not any(c.phase and not c.outcome for c in stage.children):
                self._settle_epoch(stage)

    @property
    def have_lost_owners(self) -> bool:
        """Whether anything has lost its owner, which `sweep` would end; without the lock, before each print."""
        stages = [*self.roots]
        for stage in stages:
            owner = stage.owner  # read once, as another thread may end the stage
            if owner is not None and owner.ended():
                return True
            stages += stage.children
        return False

    def end(self, stage: Stage, outcome: Outcome) -> None:
        """End `stage` and the stages within it, each of these with the outcome of its owner or else with its own."""
        for inner in reversed(list(stage.walk())):
            if inner.outcome:
                continue
            own = outcome if inner is stage else self._owners_end(inner)
            good = (own or outcome) in ("done", "stopped") and inner.counts.source.end(inner.total)
            if own == "stopped" and good and inner.counts.has_reached_total:
                own = "done"
            self._end_one(inner, own or _outcome_within(inner, outcome))

    def _owners_end(self, stage: Stage) -> Outcome | None:
        try:
            return stage.owner.ended() if stage.owner else None
        except Exception as error:  # it ends with the stage around it
            stage.owner = None
            self._display.call_after_unlock(partial(failure, "kbar missed an end", error))
            return None

    def _end_one(self, stage: Stage, outcome: Outcome) -> None:
        self._settle_epoch(stage)
        if outcome in ("done", "stopped"):
            self.drop_failed(stage)
        stage.finish(outcome, self._display.clock())
        last = all(root.outcome for root in self.roots)
        self.post("end", stage, as_line=not stage.parent and not last)
        for target in self._display.targets:
            target.schedule.forget(stage)
            if not target.closing and (last or target.is_over):
                target.final = self.views(target.draws)
        if not stage.parent:
            self.roots = [root for root in self.roots if not root.outcome]
            for each in [*stage.walk()]:  # parents and children refer to each other, and to what was logged
                each.children = []

    def _settle_epoch(self, stage: Stage) -> None:
        """Count the epoch that the run was left in, if all its phases are done."""
        stage.next_due = NEVER  # no log line is due for the last step: the epoch's line says the same
        stage.settle_epoch(self._display.clock())
        self.release_epoch(stage)

    def release_epoch(self, stage: Stage) -> None:
        """Post the line of an epoch that was held back."""
        if not stage.pending_epoch:
            return
        epoch, metrics = stage.pending_epoch
        stage.pending_epoch = None
        chosen = stage.settings.pick(metrics)
        if metrics and not chosen:
            known = ", ".join(sorted(map(str, metrics)))
            text = f"metrics={list(stage.settings.metrics)} match none of this run's metrics: {known}"
            self._display.call_after_unlock(partial(warn, text))
        stage.drop_phases()
        self.post("epoch", stage, epoch=replace(epoch, metrics=chosen), as_line=stage.settings.leave == "epochs")

    def correct(self, stage: Stage, done: int, exact: bool) -> None:
        """Set the position of `stage`, of which less is done than was reported; `exact` unless it may be more."""
        with self._display.lock:
            stage.counts.correct(done, exact)

    # When the next line is due.

    def post_line(self, target: Target, stage: Stage) -> None:
        """Post to `target` a line about `stage` as it is now, unless one of them is over."""
        if stage.outcome or not target.receives(stage):
            return
        now = self._display.clock()
        target.schedule.note_drawn(stage, now)
        target.events.append(Event("progress", self._display.wall(), stage.view(now), above=_above(stage, now)))

    def reached(self, stage: Stage) -> None:
        """Post the log lines that are due at this step; called on the thread of the step, which holds no lock."""
        try:
            self._post_due_lines(stage)
        except Exception as error:  # a step is no place to fail
            failure("kbar missed a line", error)

    def _post_due_lines(self, stage: Stage) -> None:
        with self._display.lock:
            if stage.outcome:
                return  # the step was under way when the stage ended
            stage.forecast.note_first()
            ticks = self._ticks(stage)
        due = [target for target, tick in ticks if target.schedule.is_due(tick)]
        with self._display.lock:
            for target in due:
                self.post_line(target, stage)
        self.set_next_due(stage)
        self._display.wake()

    def set_next_due(self, stage: Stage) -> None:
        """Set the position at which a line may be due next; without the lock, for a throttle may be the user's.

        A line that the position has made due, but the time not yet, is left to the target's own thread.
        """
        with self._display.lock:
            ticks, done = self._ticks(stage), stage.done
        nexts = [target.schedule.next_due(tick).position for target, tick in ticks]
        with self._display.lock:
            if stage.outcome is None:  # else it stays so that a thread that advances the stage learns that it is over
                # The first execution takes long, as it compiles: its end has to be noticed at once.
                is_first = done == stage.counts.initial
                stage.next_due = done + 1 if is_first else min([NEVER, *(n for n in nexts if n > done)])

    def _ticks(self, stage: Stage) -> list[tuple[Target, Tick]]:
        now = self._display.clock()
        receiving = self._display.targets.receiving(stage)
        return [(target, target.schedule.tick(stage, now)) for target in receiving if not target.renderer.live]


def _outcome_within(stage: Stage, outcome: Outcome) -> Outcome:
    """The outcome of `stage` if the one around it ends with `outcome`: after a good end, its own."""
    if outcome in ("error", "interrupted"):
        return "done" if stage.phase and stage.counts.certainly_complete else outcome
    return outcome if stage.total is None and stage.counts.complete else stage.own_end


def _above(stage: Stage, now: float) -> tuple[StageView, ...]:
    return tuple(above.view(now) for above in stage.above)
