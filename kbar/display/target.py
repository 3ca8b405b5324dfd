"""One output of a run: a renderer, its throttle, its queue and its thread."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..core.metrics import fetched
from ..core.snapshot import Event, Snapshot, StageView
from ..core.stage import Stage
from ..core.throttle import Throttle, Tick
from ..renderers import Renderer
from ..system.output import Output
from ..system.warnings import failure, warn
from .events import EventQueue
from .guard import Guard
from .pause import is_free
from .schedule import Schedule
from .thread import DrawingThread

if TYPE_CHECKING:
    from .display import Display
    from .workers import Workers

_HELD = 0.1  # seconds until a target looks again whether it may draw
_LOOK = 1.0  # seconds until it looks again for lines of workers


class Target:
    """Draws some stages on a thread of its own, when its throttle says so.

    The display's lock is held while a snapshot is taken, but not while the throttle is asked or a frame is drawn. If
    the renderer or the throttle raises an exception, the target closes the renderer and draws no more.

    Args:
        display: the display whose stages are drawn.
        stages: the stages to draw, each with all within it; empty for all stages of the display.
        workers: whether the runs of this process's workers are shown here, too.

    Attributes:
        events: those that are not drawn yet.
        schedule: says when a draw is due.
        final: the last state of its stages, once they are over.
        is_closed: whether the renderer is closed.
        captures: whether lines that others print are posted to it.
        fetching: whether its thread fetches metrics, perhaps from a device.
    """

    def __init__(
        self,
        display: Display,
        renderer: Renderer,
        throttle: Throttle,
        stages: list[Stage],
        workers: bool,
        thread: Callable[[Callable[[], float | None]], DrawingThread] = DrawingThread,
    ) -> None:
        self._display = display
        self.renderer, self._stages = renderer, stages
        self.events = EventQueue()
        self._guard = Guard()
        self.schedule = Schedule(throttle, renderer.live, self._guard)
        self.final: tuple[StageView, ...] | None = None
        self.shows_workers = workers
        self._workers: Workers | None = None
        self.is_closed = self.captures = self.fetching = self._timed_out = self._is_open = False
        self.thread = thread(self.step)

    # What it draws. The display's lock is held.

    @property
    def closing(self) -> bool:
        """Whether only the last state is left to draw."""
        return self.final is not None

    @property
    def is_over(self) -> bool:
        """Whether its stages are over; False for a target that draws all stages."""
        return bool(self._stages) and all(stage.outcome for stage in self._stages)

    @property
    def has_unwritten_lines(self) -> bool:
        """Whether it has yet to write the line of a finished epoch or stage to the stream that the user prints to."""
        return self.renderer.screen and not self.events.are_drawn and self.events.have_lines(self.renderer.live)

    def include(self, stage: Stage) -> None:
        """Draw `stage` as well."""
        if not self.draws(stage):
            self._stages.append(stage)

    def draws(self, stage: Stage) -> bool:
        """Whether it draws `stage`, which is one of its stages or within one, and not hidden from its screen."""
        hidden = self.renderer.screen and stage.settings.hidden
        return not hidden and (not self._stages or any(stage.within(scope) for scope in self._stages))

    def receives(self, stage: Stage) -> bool:
        """Whether it still receives the events of `stage`: it draws it, and more than the last state."""
        return not self.closing and self.draws(stage)

    # Its life.

    def open(self) -> None:
        """Open the renderer."""
        try:
            if self.shows_workers:
                # Not at the top, as it takes some milliseconds; and not later, by the drawing thread: a child that is
                # forked while a thread imports a module can never import it itself.
                from .workers import Workers

                self._workers = Workers(self._display.wall)
            self._guard.call(self.renderer.open)
        finally:
            self._is_open = True

    @property
    def output(self) -> Output | None:
        """The stream that the renderer writes to; None if it is not known."""
        return self.renderer.output

    @property
    def must_finish(self) -> bool:
        """Whether the interpreter must delay its exit: the thread is using a device's library, a stream or a file."""
        waits = self.fetching or (self.output.flushing if self.output else not self.renderer.screen)
        return waits and not self.is_closed

    def wake(self, urgent: bool = False) -> None:
        """Have everything that is due drawn soon."""
        self.thread.start()
        self.thread.wake(urgent)

    def wait(self, seconds: float) -> None:
        """Wait for its last lines, `seconds` at most; hardly at all if the last wait was in vain."""
        self.wake(urgent=True)
        is_done = (lambda: self.is_closed) if self.closing else (lambda: self.events.are_drawn)
        output = self.output
        with _marked(output):
            self._timed_out = not self.thread.wait(is_done, min(seconds, 0.01) if self.timed_out else seconds)
        if output:
            output.timed_out |= self._timed_out

    @property
    def timed_out(self) -> bool:
        """Whether the last wait for it, or for a target with the same output, was in vain."""
        return self.output.timed_out if self.output else self._timed_out

    def step(self) -> float | None:
        """Draw what is due; return the seconds until the next call is needed, None once the target is closed."""
        if self.is_closed:
            return None
        if not self._is_open:  # another thread, which has begun a stage as well, opens it just now
            return _HELD
        began = self._display.clock()
        rest = self.schedule.rest_at(began)
        if rest and not (self.closing or self.has_unwritten_lines):
            return rest
        if self._guard.error is None:
            if not (self.closing or is_free(self.output, self._display, self)):
                return _HELD
            self._draw_what_is_due(began)
        with self._display.lock:
            self.events.in_hand = ()
            more = bool(self.events) and self._guard.error is None
            last = self._guard.error is not None or (self.closing and not more)
            paused = self._display.pauses.active
        if paused and self.output:  # the pause began after `is_free` was asked, and has hidden the frame before
            self.output.hide()
        if last:
            self.close()
            return None
        if more:
            return 0.0
        now = self._display.clock()
        with self._display.lock:
            stages = self._display.stages.all()
            ticks = self._ticks(stages, now)
            run_began = stages[0].counts.started if stages else now
        self.schedule.rest(began, now)
        wait = max(self.schedule.rest_at(now), self.schedule.seconds_until_due(ticks.values(), now, run_began))
        return min(wait, _LOOK) if self._workers else wait

    def _draw_what_is_due(self, now: float) -> None:
        ended = self._workers.look() if self._workers else ()
        with self._display.lock:
            ticks = self._ticks(self._display.stages.as_of_now(), now)
        due = [stage for stage, tick in ticks.items() if self.schedule.is_due(tick)]
        if self.renderer.live:
            snapshot = self._frame(list(ticks), now, ended) if due or self.events or ended else None
        else:
            snapshot = self._lines(due, ended)
        if snapshot:
            self._draw(snapshot)

    def _ticks(self, stages: list[Stage], now: float) -> dict[Stage, Tick]:
        """What the throttle is asked, for each of `stages` that a draw may be due for."""
        return {stage: self.schedule.tick(stage, now) for stage in stages if self._is_innermost(stage)}

    def _is_innermost(self, stage: Stage) -> bool:
        """Whether `stage` is running and drawn, with no such stage within."""
        inner = any(not child.outcome and self.draws(child) for child in stage.children)
        return stage.outcome is None and not inner and self.receives(stage)

    def _frame(self, leaves: list[Stage], now: float, ended: tuple[Event, ...]) -> Snapshot:
        """All stages as they are, with the ends of workers' runs and the events since the last frame."""
        with self._display.lock:
            self.schedule.note_frame(leaves, now)
            views = self.final
            if views is None:
                views = self._display.stages.views(self.draws)
                views = self._workers.beside(views) if self._workers else views
            return Snapshot(views, (*ended, *self.events.take()))

    def _lines(self, due: list[Stage], ended: tuple[Event, ...]) -> Snapshot | None:
        """The events that have a line, with one for each stage that is `due`; None if there are none."""
        with self._display.lock:
            for stage in due:
                self._display.stages.post_line(self, stage)
            events = (*ended, *self.events.take())
        for stage in due:
            self._display.stages.set_next_due(stage)
        return Snapshot((), events) if events else None

    def _draw(self, snapshot: Snapshot) -> None:
        self.fetching = True  # that may wait for a device
        try:
            snapshot = fetched(snapshot, warn)
        finally:
            self.fetching = False
        self._guard.call(lambda: self.renderer.draw(snapshot))

    def close(self) -> None:
        """Close the renderer and, if anything has failed, say so."""
        try:
            self._guard.call_in_any_case(self.renderer.close)  # it may have to give back the terminal
            if self._workers:
                self._workers.close()
        finally:
            self._display.targets.close(self)
            self.is_closed = True
            self.events.clear()  # thread and target refer to each other, and must not keep metrics or stages alive
            self.final, self._stages = (), []
        if self._guard.error:
            failure(f"{type(self.renderer).__name__} is given up", self._guard.error)


@contextlib.contextmanager
def _marked(output: Output | None) -> Iterator[None]:
    """Mark `output` as waited for, so that its lines do not wait themselves for the end of the user's line."""
    waits, key = output.waits if output else set(), object()
    waits.add(key)
    try:
        yield
    finally:
        waits.discard(key)
