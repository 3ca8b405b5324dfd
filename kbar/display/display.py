"""The one display of a process: its stages, and the targets that draw them."""

from __future__ import annotations

import copy
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import replace
from functools import partial

from ..core.counts import Source
from ..core.snapshot import Event, EventKind, Message, Outcome, StageView, StreamName
from ..core.stage import NEVER, Owner, Stage
from ..core.throttle import Throttle, Tick
from ..options import Options
from ..renderers import Renderer
from ..system.warnings import failure, forget, warn
from ..system.worker import serves_a_pool, this_worker
from .pause import InputPauses, Pauses, paused
from .prints import Prints
from .target import Target
from .thread import DrawingThread

PATIENCE = 0.5  # seconds for which the end of a run waits for its last lines
_FLOOD = 20_000  # printed lines that a log has yet to write, from which on who prints waits

_innermost: ContextVar[Stage | None] = ContextVar("kbar_stage", default=None)


class Display:
    """Holds what is true, and sees to it that every target draws it.

    The threads of a run call `begin`, `finish_epoch` and `end`, which only change the tree and post events. Each
    target draws on a thread of its own, so that no output holds up a run or another output.

    Args:
        clock: seconds, monotonic.
        wall: seconds since the Unix epoch.
        thread: makes the thread of a target from the function it is to call.

    Attributes:
        clock: seconds, monotonic, without pauses. It is replaced after a pause: look it up at each call.
        lock: held while the tree changes or is read. No user code is called with it.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        thread: Callable[[Callable[[], float | None]], DrawingThread] = DrawingThread,
    ) -> None:
        self.clock = self._unpaused = clock
        self._wall, self._thread, self._skipped = wall, thread, 0.0
        # Re-entrant: a signal handler may run a whole evaluate() while its thread holds it.
        self.lock = threading.RLock()
        self.roots: list[Stage] = []
        self.targets: list[Target] = []
        self.prints = Prints(self._before_print, self._tell)
        self.pauses = Pauses(lambda: self.clock(), lambda: sum(stage.done for stage in self.tree()), self._skip)
        self.silent = False
        self._input = InputPauses(self.pause)
        self._unsettled = False
        self._handled: int | None = None
        self._later: deque[Callable[[], None]] = deque()  # what calls user code, and so waits for the lock's release

    # Events, on the threads of the run.

    def begin(
        self,
        label: str,
        *,
        unit: str,
        total: int | None,
        firm: bool = True,
        initial: int = 0,
        title: str | None = None,
        parent: Stage | None = None,
        phase: bool = False,
        options: Options | None = None,
        owner: Owner | None = None,
        source: Source | None = None,
    ) -> Stage:
        """Begin a stage, within `parent` or else within the innermost one open in this context."""
        self.settle()  # the screen, and perhaps the very renderer, are wanted again
        with self.lock:
            if not self.roots:
                forget()
            around = self.innermost()
            parent = parent or around
            while parent and parent.outcome:
                parent = parent.parent
            stage = Stage(
                label,
                now=self.clock(),
                on_watch=self._reached,
                parent=parent,
                unit=unit,
                total=total,
                firm=firm,
                title=title,
                phase=phase,
                selection=options.selection if options else None,
                leave=options.leave if options else None,
                pacing=options.pacing if options else None,
                summary=options.summary if options else None,
                owner=owner,
                source=source,
                around=around,
            )
            if parent:
                parent.add(stage)
            else:
                self.roots.append(stage)
            stage.start_at(initial)
        if options:
            self._open_targets(options, stage)
        with self.lock:
            self._post("begin", stage)
            if initial:
                self._post("resume", stage)
        self.rearm(stage)
        _innermost.set(stage)
        self._wake()
        return stage

    def innermost(self) -> Stage | None:
        """The innermost stage that is open in this context, which is a thread's or a task's."""
        stage = _innermost.get()
        while stage and stage.outcome:
            stage = stage.around
        return stage

    def running(self) -> list[Stage]:
        """All stages that are not over, outermost first; what has lost its owner is ended first."""
        with self.lock:
            self._sweep()
            return [stage for stage in self.tree() if not stage.outcome]

    def add_targets(self, stage: Stage, options: Options) -> None:
        """Draw `stage`, which has begun already, by further targets."""
        self._open_targets(options, stage)
        self.rearm(stage)

    def start_at(self, stage: Stage, initial: int) -> None:
        """Let `stage`, in which nothing has happened yet, go on where an earlier run has left off."""
        with self.lock:
            if stage.done != stage.initial or stage.initial == initial:
                return
            stage.start_at(initial)
            self._post("resume", stage)
        self.rearm(stage)

    def start_epoch(self, stage: Stage) -> None:
        """Begin an epoch of `stage`."""
        with self.lock:
            self._release_epoch(stage)
            stage.start_epoch(self.clock())
        self._wake()

    def finish_epoch(self, stage: Stage, metrics: Mapping[str, object] | None, *, hold: bool = True) -> None:
        """End an epoch of `stage`; `hold` its line back until the run goes on, for `metrics` that come late."""
        with self.lock:
            now = self.clock()
            stage.watch = NEVER  # the epoch's own line says it all
            stage.finish_epoch(now, metrics)
            for target in self.targets:
                target.mark(stage, now)
            if not hold:
                self._release_epoch(stage)
        self._wake()

    def end(self, stage: Stage, outcome: Outcome) -> None:
        """End `stage`, and what is still open within it; once it is over, do nothing.

        The end of the outermost stage returns when its last state is drawn, and any stage's when its lines are where
        the user prints; or after half a second where the output does not take them.
        """
        with self.lock:
            if stage.outcome:
                return
            self._end_tree(stage, outcome)
        _innermost.set(self.innermost())
        self._wait_for_endings(with_lines=not stage.phase)

    def close(self, outcome: Outcome = "interrupted") -> None:
        """End all that is open, each with its owner's outcome or else this one."""
        with self.lock:
            self._sweep()
            for root in list(self.roots):
                self._end_tree(root, outcome)
        self._wait_for_endings()

    def leave(self, stage, frame):  # TEMPORARY
        from ..sources.lifetime import Left, broke

        if frame is None or broke(frame):
            self.end(stage, "stopped")
        else:
            stage.owner = Left(frame)

    def notice(self) -> None:
        """Take note that some stage may have lost its owner; takes no lock and never waits."""
        self._unsettled = True
        for target in self.targets:
            target.thread.wake()

    def settle(self) -> None:
        """End what has lost its owner, and wait until all that is over is drawn."""
        with self.lock:
            self._unsettled = False
            ended = self._sweep()
        self._wait_for_endings(with_lines=ended)

    def pause(self) -> AbstractContextManager[None]:
        """A block in which bars are hidden, and time does not count unless steps go on."""
        return paused(self.pauses, self._hide)

    # Prints, on the threads that print.

    def _before_print(self) -> None:
        """See to it that what is over is drawn before what is printed now."""
        error = sys.exc_info()[1] or getattr(sys, "last_value", None)
        if self._unsettled or (error is not None and id(error) != self._handled):
            self._handled = id(error) if error is not None else None
            if not any(target.thread.is_this_thread for target in self.targets):
                try:
                    self.settle()
                except Exception as problem:  # a print is no place to fail
                    failure("kbar missed an end", problem)

    def _tell(self, stream: StreamName, text: str) -> None:
        """Post a printed line to the logs that want it; takes no lock, for anybody may print at any moment."""
        roots = self.roots
        message = Message(stream, text, self._wall(), roots[-1].run if roots else "")
        for target in self.targets:
            if target.captures:
                target.post(message)
                target.thread.wake()
                if len(target.events) > _FLOOD and not target.thread.is_this_thread:
                    time.sleep(0.001)

    def _hide(self) -> None:
        for target in self.targets:
            if target.output:
                target.output.hide()

    def _skip(self, seconds: float) -> None:
        self._skipped += seconds
        unpaused, skipped = self._unpaused, self._skipped
        self.clock = lambda: unpaused() - skipped

    def release_streams(self) -> None:
        """Give back `input` and the streams; takes no lock, for a forked child cannot have it."""
        self.prints.release(set(), listening=False)
        self._input.remove()

    # For targets.

    def look(self) -> list[Stage]:
        """All stages as of now, outermost first; what has lost its owner is ended. With the lock held."""
        self._sweep()
        now, stages = self.clock(), self.tree()
        for stage in reversed(stages):  # inner ones first: by them outer ones know how far they are
            stage.look(now)
        return stages

    def progress(self, stage: Stage) -> Event:
        """A line for `stage` as it is now; with the lock held."""
        now = self.clock()
        return Event("progress", self._wall(), stage.view(now), above=_above(stage, now))

    def rearm(self, stage: Stage) -> None:
        """Set the position at which a line may be due next; what the clock still refuses is left to the targets."""
        with self.lock:
            ticks = self._ticks(stage)
            done = stage.done
        nexts = [target.next_step(tick) for target, tick in ticks]
        with self.lock:
            if stage.outcome is None:  # else whoever advances it is to hear that it is over
                # The first execution is timed by itself.
                stage.watch = done + 1 if done == stage.initial else min([NEVER, *(n for n in nexts if n > done)])

    def closed(self, target: Target) -> None:
        """Give back what `target` has used, which has drawn its last."""
        with self.lock:
            self.targets = [t for t in self.targets if t is not target]
            self._unsettled = any(t.closing for t in self.targets)
            self.pauses.end(target)
            outputs = {t.output for t in self.targets if t.output}
            self.prints.release(outputs, any(t.captures for t in self.targets))
            if not any(output.is_terminal for output in outputs):
                self._input.remove()

    def tree(self) -> list[Stage]:
        """All stages, outermost first."""
        return [stage for root in self.roots for stage in root.walk()]

    # Lines, on the thread of a step.

    def _reached(self, stage: Stage) -> None:
        """Post the lines that this very step makes due."""
        with self.lock:
            if stage.outcome:
                raise RuntimeError(f"the stage {stage.label!r} is over and cannot advance")
            stage.note_first()
            ticks = self._ticks(stage)
        due = [target for target, tick in ticks if target.is_due(tick)]
        with self.lock:
            for target in due:
                if target.covers(stage):
                    target.post(self.progress(stage))
                    target.mark(stage, self.clock())
        self.rearm(stage)
        self._wake()

    def _ticks(self, stage: Stage) -> list[tuple[Target, Tick]]:
        now = self.clock()
        return [(t, t.tick(stage, now)) for t in self.targets if not t.renderer.live and t.covers(stage)]

    # Endings; with the lock held.

    def _sweep(self) -> bool:
        """End what has lost its owner; whether anything has."""
        found = False
        for stage in self.tree():
            outcome = None if stage.outcome else self._owners_end(stage)
            if outcome:
                found = True
                self._end_tree(stage, outcome)
        return found

    def _owners_end(self, stage: Stage) -> Outcome | None:
        try:
            return stage.owner.ended() if stage.owner else None
        except Exception as error:  # then whatever is around it ends it
            stage.owner = None
            self._later.append(partial(failure, "kbar missed an end", error))
            return None

    def _end_tree(self, stage: Stage, outcome: Outcome) -> None:
        for inner in reversed(list(stage.walk())):
            if not inner.outcome:
                own = self._owners_end(inner) if inner is not stage else None
                self._end_one(inner, own or outcome)

    def _end_one(self, stage: Stage, outcome: Outcome) -> None:
        self._release_epoch(stage)
        stage.finish(outcome, self.clock())
        last = all(root.outcome for root in self.roots)
        self._post("end", stage, as_line=not stage.parent and not last)
        for target in self.targets:
            target.marks.pop(stage.key, None)
            if not target.closing and (last or target.is_over):
                target.final = target.stages(self.clock())
                self._unsettled = True
        if not stage.parent:
            self.roots = [] if last else [root for root in self.roots if root is not stage]

    def _release_epoch(self, stage: Stage) -> None:
        if not stage.held_epoch:
            return
        epoch, metrics = stage.held_epoch
        stage.held_epoch = None
        chosen = stage.selection.pick(metrics)
        if metrics and not chosen:
            known = ", ".join(sorted(map(str, metrics)))
            text = f"metrics={list(stage.selection.patterns)} match none of this run's metrics: {known}"
            self._later.append(partial(warn, text))
        stage.drop_phases()
        self._post("epoch", stage, epoch=replace(epoch, metrics=chosen), as_line=stage.leave == "epochs")

    def _post(self, kind: EventKind, stage: Stage, *, epoch: StageView | None = None, as_line: bool = False) -> None:
        targets = [t for t in self.targets if t.covers(stage)]
        now = self.clock()
        view = stage.view(now)
        line = (epoch or view) if as_line and stage.leave != "none" else None
        above = _above(stage, now) if any(not t.renderer.live for t in targets) else ()
        event = Event(kind, self._wall(), view, epoch, line, above)
        for target in targets:
            target.post(event)

    # Without the lock.

    def _wake(self) -> None:
        while self._later:
            self._later.popleft()()
        for target in self.targets:
            target.wake()

    def _wait_for_endings(self, *, with_lines: bool = False) -> None:
        """Wait until what is over is drawn and, `with_lines`, all lines are written where the user prints."""
        self._wake()
        with self.lock:
            lines = [t for t in self.targets if with_lines and t.renderer.screen and not t.renderer.live]
            waited = [t for t in self.targets if t.closing or (t in lines and not t.is_drained)]
        until = time.monotonic() + PATIENCE
        for target in waited:
            target.wait(until - time.monotonic())
        self._unsettled = False

    # Targets.

    def _screen(self) -> Renderer | None:
        return next((t.renderer for t in self.targets if t.renderer.screen and not t.closing), None)

    def _open_targets(self, options: Options, stage: Stage) -> None:
        try:
            wanted = options.targets(self._screen() is not None)
        except Exception as error:
            failure("kbar draws nothing", error)
            return
        with self.lock:
            found = [self._reserved(renderer, throttle, stage) for renderer, throttle in wanted]
        for target in filter(None, found):
            target.open()
            with self.lock:
                if options.capture:
                    self._capture(target)
            if not target.thread.start():
                self.closed(target)
        self._wake()

    def _reserved(self, renderer: Renderer, throttle: Throttle, stage: Stage) -> Target | None:
        """A target that is new, and not opened yet; None where there is one already, or is to be none."""
        same = next((t for t in self.targets if t.draws_as(renderer)), None)
        if same and not same.closing:
            same.include(stage)
            return None
        if same:  # it has yet to close what this one opens
            renderer = copy.copy(renderer)
        if renderer.screen and (self.silent or this_worker().rank or serves_a_pool()):
            return None
        screen = self._screen()
        if renderer.screen and screen:
            if type(screen) is not type(renderer):
                text = f"{type(renderer).__name__} is not used: the screen belongs to the outermost stage, "
                self._later.append(partial(warn, f"{text}which draws with {type(screen).__name__}"))
            return None
        self.targets.append(Target(self, renderer, throttle, [] if renderer.screen else [stage], self._thread))
        return self.targets[-1]

    def _capture(self, target: Target) -> None:
        """Keep the user's prints apart from what `target` draws, and tell it of them if it wants to know."""
        if target.output:
            self.prints.share(target.output)
            if target.output.is_terminal:
                self._input.install()
        target.captures = target.renderer.captures
        if target.captures:
            self.prints.listen()


def _above(stage: Stage, now: float) -> tuple[StageView, ...]:
    return tuple(above.view(now) for above in stage.above)


def leave_context() -> None:
    """Forget the stages that are open in this context, as in a forked child."""
    _innermost.set(None)
