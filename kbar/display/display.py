"""Owns the one display of a process: its stages, its targets, the thread that draws, every ending."""

from __future__ import annotations

import atexit
import copy
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from types import FrameType

from ..core.counts import Source
from ..core.metrics import fetched
from ..core.outcome import outcome_of
from ..core.scalars import Plain
from ..core.snapshot import Event, EventKind, Message, Outcome, Snapshot, StageView, StreamName
from ..core.stage import NEVER, Owner, Stage
from ..options import Options
from ..sources.lifetime import Left, broke
from ..system.descriptor import close_all
from ..system.warnings import failure, forget, warn
from ..system.worker import serves_a_pool, this_worker
from .prints import Capture
from .target import PATIENCE, Target
from .thread import Ticker

# Metrics that a device is still computing, and lines yet to write, hold up the interpreter's end for so many seconds at
# most.
_LONGEST_FETCH = 60.0
_ALL = sys.maxsize

_innermost: ContextVar[Stage | None] = ContextVar("kbar_stage", default=None)


class Display:
    """Holds what is true and sees to it that every target draws it when it should.

    User threads call `begin`, `finish_epoch` and `end`, which only change the tree and post
    events; all drawing is done by the ticker, so that no output can hold up a run.

    Args:
        clock: seconds, monotonic.
        wall: seconds since the Unix epoch.
        ticker: makes the ticker from the function it is to call; a thread by default.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        ticker: Callable[[Callable[[], float | None]], Ticker] | None = None,
    ) -> None:
        self.clock, self._wall = clock, wall
        # Re-entrant: a signal handler may run a whole evaluate() while its thread holds it.
        self._lock = threading.RLock()
        self._roots: list[Stage] = []
        self._targets: list[Target] = []
        self._ticker = (ticker or Ticker)(self.tick)
        self._capture = Capture(self._say)
        self._exit_watched = False
        self._fetching = False
        self._silent = False
        self._unread: set[object] = set()  # outputs that were waited for in vain, until they take something again

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
        """A new stage, within `parent` or else within the innermost one open in this context."""
        self._watch_exit()
        with self._lock:
            self._sweep()
            if not self._roots:
                forget()
        self._draw_endings()  # the screen, and perhaps the very renderer, are wanted again
        with self._lock:
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
                self._roots.append(stage)
            stage.start_at(initial)
            if options and self._ticker.start():
                self._open_targets(options, stage)
            self._post("begin", stage)
            if initial:
                self._post("resume", stage)
            self._rearm(stage)
        _innermost.set(stage)
        self._ticker.wake()
        return stage

    def innermost(self) -> Stage | None:
        """The innermost stage that is open in this context, which is a thread's or a task's."""
        stage = _innermost.get()
        while stage and stage.outcome:
            stage = stage.around
        return stage

    def running(self) -> list[Stage]:
        """All stages that are not over, outermost first; what has lost its owner is ended first."""
        with self._lock:
            self._sweep()
            return [s for s in self._tree() if not s.outcome]

    def add_targets(self, stage: Stage, options: Options) -> None:
        """Further targets for `stage`, which has begun already."""
        with self._lock:
            self._open_targets(options, stage)
            self._rearm(stage)

    def start_at(self, stage: Stage, initial: int) -> None:
        """`stage`, in which nothing has happened yet, goes on where an earlier run has left off."""
        with self._lock:
            if stage.done == stage.initial != initial:
                stage.start_at(initial)
                self._post("resume", stage)
                self._rearm(stage)

    def start_epoch(self, stage: Stage) -> None:
        """An epoch (an epoch) of `stage` begins."""
        with self._lock:
            self._release_epoch(stage)
            stage.start_epoch(self.clock())

    def finish_epoch(self, stage: Stage, metrics: Mapping[str, object] | None) -> None:
        """An epoch of `stage` is done. It is drawn when the run goes on, with what `metrics` hold then."""
        with self._lock:
            stage.watch = NEVER  # the epoch's own line says it all
            stage.finish_epoch(self.clock(), metrics)
            for target in self._targets:
                target.marks[stage.key] = (self.clock(), stage.done)
        self._ticker.wake()

    def end(self, stage: Stage, outcome: Outcome) -> None:
        """`stage` is over, and what is still open within it; once over, nothing happens.

        The end of the outermost stage returns when its last state is drawn, and any stage's when
        its lines are where others print; or after half a second where the output does not take it.
        """
        with self._lock:
            if stage.outcome:
                return
            self._end_tree(stage, outcome)
        _innermost.set(self.innermost())
        self._ticker.wake()
        self._draw_endings(lines=not stage.phase)

    def leave(self, stage: Stage, frame: FrameType | None) -> None:
        """The loop in `frame` has let go of what `stage` shows, by `break` or by an exception."""
        if frame is None or broke(frame):
            self.end(stage, "stopped")
        else:
            stage.owner = Left(frame)

    def close(self, outcome: Outcome = "interrupted") -> None:
        """Ends all that is open, each with its owner's outcome or else this one."""
        with self._lock:
            self._sweep()
            for root in list(self._roots):
                self._end_tree(root, outcome)
        self._draw_endings()

    def _draw_endings(self, lines: bool = False) -> None:
        with self._lock:
            drawn = [(t, t.closed) for t in self._targets if t.closing]
            for target in self._targets:
                if lines and target.events and target.renderer.screen and not target.renderer.live:
                    drawn.append((target, threading.Event()))
                    target.awaited.append(drawn[-1][1])
        if not drawn:
            return
        self._ticker.wake(urgent=True)
        began = self.clock()
        for target, event in drawn:
            if target.where in self._unread and not event.is_set():
                if target.closing:
                    target.over_since = -math.inf
                self._ticker.wait(event, 0.01)  # once is enough, but for what is to be given back
                continue
            while (left := max(began, target.progress) + PATIENCE - self.clock()) > 0:
                if self._ticker.wait(event, left):
                    break
            else:
                self._unread.add(target.where)

    # Frames, on the ticker.

    def tick(self) -> float | None:
        """Draws what is due; returns the seconds until it wants to be called again, None for never."""
        ready = [t for t in self._targets if t.ready(self.clock())]
        with self._lock:
            self._sweep()
            now = self.clock()
            for stage in reversed(self._tree()):  # inner ones first: by them outer ones know how far they are
                stage.look(now)
            frames = [(t, s) for t in ready if (s := self._frame(t, now))]
            stuck = [t for t in self._targets if t not in ready and t.stuck(now)]
            screens = [t for t in self._targets if t.renderer.screen]
            # What is printed waits, with the last screen or within the frame that one has begun to write.
            given_up = [t for t in stuck if not (t.in_flight or (t.holds_prints and t is screens[-1]))]
        # Without the lock, for writing may take its time; and a target that is over gives back the
        # screen before the next one draws there.
        known: dict[int, tuple[object, Plain]] = {}
        for target, snapshot in frames:
            self._fetching = True  # this may wait for a device
            try:
                snapshot = fetched(snapshot, known, warn)
            finally:
                self._fetching = False
            target.draw(snapshot, self.clock)
            self._unread.discard(target.where)
            if target.finished and target.ready(self.clock()):  # before another one draws there
                self._close(target)
        for target in [t for t in self._targets if not t.closed.is_set()]:
            reads = target.ready(self.clock())  # by now
            if target.error or (target.finished if reads else target in given_up):
                self._close(target)
        more = any(t.events and t.ready(self.clock()) for t in self._targets)  # than one frame takes
        with self._lock:
            for target in self._targets:
                while target.awaited and not target.events:
                    target.awaited.pop().set()
            self._targets = [t for t in self._targets if not t.closed.is_set()]
            if not self._targets and not self._roots:
                return None
            if more:
                return 0.0
            period = max(0.02, min([0.1, *(t.period for t in self._targets)]))
            # In step with the seconds of the run's clock, so that none is shown late.
            late = (self.clock() - self._roots[0].started) % period if self._roots else 0.0
            return period - late + (period if late > period / 2 else 0.0)

    def _close(self, target: Target) -> None:
        """`target` has drawn its last."""
        try:
            target.close()
        finally:
            self._give_back(target)
            target.closed.set()

    def _give_back(self, target: Target, patience: float = PATIENCE) -> None:
        """The streams are their owners' again, as far as `target` goes; what was printed too late for it goes there."""

        def heirs() -> list[Target]:
            return [t for t in self._targets if t is not target and t.captures and not t.closed.is_set()]

        def printed() -> list[Message]:
            return [e for e in target.take_events(_ALL) if isinstance(e, Message)]

        if target.captures and target.renderer.screen:
            next_screen = next((t for t in heirs() if t.renderer.screen), None)
            if next_screen:  # which has begun before this one's last was written
                next_screen.put_first(printed())
            else:
                self._capture.let_go(printed, patience)
        with self._lock:
            for heir in heirs():
                self._listen(heir)  # again: it may have begun just now
            if not heirs():
                self._capture.stop()

    def _listen(self, target: Target) -> None:
        """From now on `target` is told what others print."""
        try:
            if target.renderer.screen:
                self._capture.hold(target.renderer.place)
            else:
                self._capture.listen()
        except Exception as error:
            failure("prints go where they may", error)

    def _say(self, stream: StreamName, text: str, held: bool) -> None:
        """Somebody has printed a line; does not take the display's lock, for that may be anybody, at any moment."""
        roots = self._roots
        message = Message(stream, text, self._wall(), roots[-1].run if roots else "")
        told = [t for t in self._targets if t.captures]
        screens = [t for t in told if t.renderer.screen and not t.closed.is_set()]
        screen = screens[-1] if held and screens else None  # one that is over may have yet to draw its last
        for target in told:
            if target is screen or not target.renderer.screen:
                target.tell(message)
                if len(target.events) == 1:
                    self._ticker.wake()
                if target.flooded(self.clock()) and not self._ticker.is_this_thread:
                    time.sleep(0.001)  # as a terminal makes those wait who print faster than it takes it

    # With the lock held.

    def _tree(self) -> list[Stage]:
        """All stages, outermost first."""
        return [s for r in self._roots for s in r.walk()]

    def _end_tree(self, stage: Stage, outcome: Outcome) -> None:
        for inner in reversed(list(stage.walk())):
            if not inner.outcome:
                own = self._owners_end(inner) if inner is not stage else None
                self._end_one(inner, own or outcome)

    def _end_one(self, stage: Stage, outcome: Outcome) -> None:
        self._release_epoch(stage)
        stage.finish(outcome, self.clock())
        parent = stage.parent
        for target in self._targets:
            target.marks.pop(stage.key, None)
        last = all(r.outcome for r in self._roots)
        self._post("end", stage, as_line=not parent and not last)
        for target in self._targets:
            if not target.closing and (last or target.over):
                target.finish(self._stages(target, self.clock()), self.clock())
        if not parent:
            self._roots = [] if last else [r for r in self._roots if r is not stage]

    def _release_epoch(self, stage: Stage) -> None:
        if not stage.held_epoch:
            return
        epoch, metrics = stage.held_epoch
        stage.held_epoch = None
        chosen = stage.selection.pick(metrics)
        if metrics and not chosen:
            warn(
                f"metrics={list(stage.selection.patterns)} match none of this run's metrics: "
                f"{', '.join(sorted(map(str, metrics)))}"
            )
        stage.drop_phases()
        self._post("epoch", stage, epoch=replace(epoch, metrics=chosen), as_line=stage.leave == "epochs")

    def _post(self, kind: EventKind, stage: Stage, *, epoch: StageView | None = None, as_line: bool = False) -> None:
        targets = [t for t in self._targets if t.covers(stage)]
        now = self.clock()
        view = stage.view(now)
        line = (epoch or view) if as_line and stage.leave != "none" else None
        above = self._above(stage, now) if any(not t.renderer.live for t in targets) else ()
        event = Event(kind, self._wall(), view, epoch, line, above)
        for target in targets:
            target.events.append(event)

    def _add_line(self, target: Target, stage: Stage, now: float) -> None:
        """A line for `stage` as it is now is due."""
        target.marks[stage.key] = (now, stage.done)
        target.events.append(Event("progress", self._wall(), stage.view(now), above=self._above(stage, now)))

    def _above(self, stage: Stage, now: float) -> tuple[StageView, ...]:
        return tuple(above.view(now) for above in stage.above)

    def _frame(self, target: Target, now: float) -> Snapshot | None:
        due = [leaf for leaf in self._leaves(target) if target.asks(leaf, now)]
        if not target.renderer.live:
            for stage in due:
                self._add_line(target, stage, now)
                self._rearm(stage)
        elif not due and not target.events:
            return None
        events = target.take_events()
        if not target.renderer.live:
            return Snapshot((), events) if events else None
        target.marks = {leaf.key: (now, leaf.done) for leaf in self._leaves(target)}
        return Snapshot(self._stages(target, now) if target.final is None else target.final, events)

    def _stages(self, target: Target, now: float) -> tuple[StageView, ...]:
        inside = [s for s in self._tree() if target.includes(s)]
        shown = [s for s in inside if not s.stale and not (s.root.outcome and s.leave == "none")]
        # The epochs' metrics stand in their own lines, or in the last state where those are not kept.
        return tuple(s.view(now, with_metrics=not s.has_epochs or s.leave != "epochs", paced=True) for s in shown)

    def _leaves(self, target: Target) -> list[Stage]:
        return [s for s in self._tree() if s.is_leaf and target.covers(s)]

    def _reached(self, stage: Stage) -> None:
        """Posts the lines that this very step makes due; runs on the thread of the step."""
        with self._lock:
            if stage.outcome:
                raise RuntimeError(f"the stage {stage.label!r} is over and cannot advance")
            stage.note_first()
            for target in self._targets:
                if not target.renderer.live and target.covers(stage) and target.asks(stage, self.clock()):
                    self._add_line(target, stage, self.clock())
            self._rearm(stage)
        self._ticker.wake()

    def _rearm(self, stage: Stage) -> None:
        """Sets the position at which a line of some target may be due next.

        What the count has made due and the clock still refuses is left to the ticker.
        """
        now, done = self.clock(), stage.done
        if done == stage.initial:
            stage.watch = done + 1  # the first execution is timed by itself
            return
        nexts = (t.next_step(stage, now) for t in self._targets if not t.renderer.live and t.covers(stage))
        stage.watch = min([NEVER, *(n for n in nexts if n > done)])

    def _open_targets(self, options: Options, stage: Stage) -> None:
        screen = next((t.renderer for t in self._targets if t.renderer.screen and not t.closing), None)
        try:
            wanted = options.targets(screen is not None)
        except Exception as error:
            failure("kbar draws nothing", error)
            return
        for renderer, throttle in wanted:
            same = next((t for t in self._targets if t.draws_as(renderer)), None)
            if same and not same.closing:
                same.include(stage)
                continue
            if same:  # it has yet to close what this one opens
                renderer = copy.copy(renderer)
            if renderer.screen and (self._silent or this_worker().rank or serves_a_pool()):
                continue
            if renderer.screen and screen:
                if type(screen) is not type(renderer):
                    warn(
                        f"{type(renderer).__name__} is not used: the screen belongs to the outermost stage, "
                        f"which draws with {type(screen).__name__}"
                    )
                continue
            target = Target(renderer, throttle, [] if renderer.screen else [stage])
            target.open()
            target.captures = options.capture and renderer.captures
            self._targets.append(target)
            if target.captures:  # last: a renderer looks up the real streams
                self._listen(target)

    def _sweep(self) -> None:
        """Ends what has lost its owner."""
        for stage in self._tree():
            outcome = None if stage.outcome else self._owners_end(stage)
            if outcome:
                self._end_tree(stage, outcome)

    def _owners_end(self, stage: Stage) -> Outcome | None:
        try:
            return stage.owner.ended() if stage.owner else None
        except Exception as error:  # then whatever is around it ends it
            stage.owner = None
            failure("kbar missed an end", error)
            return None

    def _watch_exit(self) -> None:
        if not self._exit_watched:
            self._exit_watched = True
            atexit.register(self._at_exit)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._fall_silent)

    def _at_exit(self) -> None:
        try:
            self._draw_last()
        finally:
            self._ticker.join(0.2)  # a thread that the interpreter leaves behind cannot end properly
            for target in self._targets:
                self._give_back(target, math.inf)

    def _draw_last(self) -> None:
        raised = getattr(sys, "last_value", None)  # what the interpreter is ending by, if by anything
        self.close("stopped" if raised is None else outcome_of(raised))
        until = time.monotonic() + _LONGEST_FETCH
        while (any(t.holds_prints for t in self._targets) and self._ticker.start()) or (
            (self._fetching or any(t.behind(self.clock()) for t in self._targets)) and time.monotonic() < until
        ):
            # A thread that comes back from a device's library to an interpreter that is gone aborts the
            # process; lines that a file takes are to be in it; and who prints waits for the output.
            time.sleep(0.01)
            self._draw_endings()

    def _fall_silent(self) -> None:
        """A forked child has neither the thread that draws nor a share in the screen."""
        close_all()
        self._silent = self._silent or any(t.renderer.screen for t in self._targets)
        self._capture.forget()
        self._lock = threading.RLock()
        self._roots, self._targets = [], []
        self._fetching = False
        self._ticker = self._ticker.anew()
        _innermost.set(None)


_display = Display()


def current() -> Display:
    """The process's display."""
    return _display


def install(display: Display) -> Display:
    """Makes `display` the process's; returns the one it replaces. For tests."""
    global _display
    previous, _display = _display, display
    return previous
