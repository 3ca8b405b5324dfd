"""One output of a run: a renderer, its throttle, its queue and its thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.metrics import fetched
from ..core.snapshot import Event, Message, Snapshot, StageView
from ..core.stage import Stage
from ..core.throttle import Throttle
from ..renderers import Renderer
from ..system.output import Output
from ..system.terminal import Terminal
from ..system.warnings import failure, warn
from .guard import Guard
from .schedule import Schedule
from .thread import DrawingThread

if TYPE_CHECKING:
    from .display import Display

_MOST_IN_A_FRAME = 1_000  # events
_MOST = 100_000  # events that are kept while an output takes none
_HELD = 0.1  # seconds until a target looks again whether it may draw
_REST = 4  # after a frame that took t seconds to draw, a screen rests for _REST * t


class Target:
    """Draws some stages on a thread of its own, when its throttle says so.

    The display's lock is held while a snapshot is taken, but not while the throttle is asked or a frame is drawn. If
    the renderer or the throttle raises an exception, the target closes the renderer and draws no more.

    Args:
        display: the display whose stages are drawn.
        scopes: the stages to draw, each with all within it; empty for all stages of the display.

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
        scopes: list[Stage],
        thread: Callable[[Callable[[], float | None]], DrawingThread] = DrawingThread,
    ) -> None:
        self._display = display
        self.renderer, self._scopes = renderer, scopes
        self.events: deque[Event | Message] = deque(maxlen=_MOST)
        self._guard = Guard()
        self.schedule = Schedule(throttle, renderer.live, self._guard)
        self.final: tuple[StageView, ...] | None = None
        self.is_closed = self.captures = self.fetching = self._timed_out = self._draws = self._is_open = False
        self.thread = thread(self.step)
        self._rest = 0.0, 0.0  # since when (s) the screen rests, and for how many seconds

    # What it draws. The display's lock is held.

    @property
    def closing(self) -> bool:
        """Whether only the last state is left to draw."""
        return self.final is not None

    @property
    def is_over(self) -> bool:
        """Whether its stages are over; False for a target that draws all stages."""
        return bool(self._scopes) and all(stage.outcome for stage in self._scopes)

    @property
    def is_drained(self) -> bool:
        """Whether nothing is left to draw."""
        return self.is_closed or not (self.events or self._draws)

    @property
    def has_unwritten_lines(self) -> bool:
        """Whether it has yet to write the line of a finished epoch or stage to the stream that the user prints to."""
        if not self.events or self.is_closed or not self.renderer.screen:  # asked before each print
            return False
        posted = [event for event in self.events.copy() if isinstance(event, Event)]
        return any(e.line if self.renderer.live else e.kind in ("epoch", "end") for e in posted)

    def shares_place_with(self, renderer: Renderer) -> bool:
        """Whether `renderer` is its renderer, or writes to the same file."""
        own = self.renderer
        return own is renderer or (own.place is not None and own.place == renderer.place)

    def include(self, stage: Stage) -> None:
        """Draw `stage` as well."""
        if not self.draws(stage):
            self._scopes.append(stage)

    def draws(self, stage: Stage) -> bool:
        """Whether `stage` is on its pictures, being one of its stages or within one."""
        return not self._scopes or any(stage.within(scope) for scope in self._scopes)

    def receives(self, stage: Stage) -> bool:
        """Whether it still receives the events of `stage`: it draws it, and more than the last state."""
        return not self.closing and self.draws(stage)

    def post(self, event: Event | Message) -> None:
        """Draw this with the next frame."""
        self.events.append(event)

    # Its life.

    def open(self) -> None:
        """Open the renderer."""
        try:
            self._guard.call(self.renderer.open)
        finally:
            self._is_open = True

    @property
    def output(self) -> Output | None:
        """The stream that the renderer writes to; None if it is not known."""
        return self.renderer.output

    @property
    def must_finish(self) -> bool:
        """Whether the interpreter has to wait with its exit: for a device's library, a stream or a file."""
        waits = self.fetching or (self.output.flushing if self.output else not self.renderer.screen)
        return waits and not self.is_closed

    def wake(self, urgent: bool = False) -> None:
        """Have everything that is due drawn soon."""
        self.thread.start()
        self.thread.wake(urgent)

    def wait(self, seconds: float) -> None:
        """Wait for its last lines, so many seconds at most; hardly at all if the last wait was in vain."""
        self.wake(urgent=True)
        is_done = (lambda: self.is_closed) if self.closing else (lambda: self.is_drained)
        output = self.output
        if output:
            output.awaited = True
        self._timed_out = not self.thread.wait(is_done, min(seconds, 0.01) if self.timed_out else seconds)
        if output:
            output.awaited = False
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
        drawn_at, rest = self._rest
        if 0 <= began - drawn_at < rest and not (self.closing or self.has_unwritten_lines):
            return drawn_at + rest - began
        if self._guard.error is None and not self._may_draw():
            return _HELD
        snapshot = self._guard.error is None and self._due_snapshot(began)
        if snapshot:
            self._draw(snapshot)
        with self._display.lock:
            self._draws = False
            more = bool(self.events) and self._guard.error is None
            last = self._guard.error is not None or (self.closing and not more)
        if last:
            self._close()
            return None
        if more:
            return 0.0
        now = self._display.clock()
        rest = _REST * (now - began) if self.renderer.live and not self.closing else 0.0
        self._rest = now, rest
        with self._display.lock:
            stages = self._display.stages.all()
            ticks = [self.schedule.tick(stage, now) for stage in stages if stage.is_leaf and self.receives(stage)]
            run_began = stages[0].started if stages else now
        return max(rest, self.schedule.seconds_until_due(ticks, now, run_began))

    def _may_draw(self) -> bool:
        """Whether a frame may be drawn: nothing is asked on the terminal. The last state is drawn all the same."""
        output, pauses = self.output, self._display.pauses
        if self.closing or not isinstance(output, Terminal):
            return True
        in_background = output.is_in_background
        asks = not in_background and output.asks
        with self._display.lock:
            if asks and pauses.steps_go_on:
                output.adopt_mode()
            (pauses.begin if asks else pauses.end)(self)
            pauses.look()
            return not in_background and not pauses.active

    def _due_snapshot(self, now: float) -> Snapshot | None:
        """What there is to draw now; None if nothing is due."""
        with self._display.lock:
            leaves = [stage for stage in self._display.stages.as_of_now() if stage.is_leaf and self.receives(stage)]
            ticks = [self.schedule.tick(stage, now) for stage in leaves]
        due = [stage for stage, tick in zip(leaves, ticks, strict=True) if self.schedule.is_due(tick)]
        with self._display.lock:
            if not self.renderer.live:
                for stage in due:
                    if self.receives(stage) and not stage.outcome:
                        self._display.stages.post_line(self, stage)
            elif not due and not self.events:
                return None
            self._draws = True
            events = tuple(self.events.popleft() for _ in range(min(len(self.events), _MOST_IN_A_FRAME)))
            if self.renderer.live:
                self.schedule.note_frame(leaves, now)
                return Snapshot(
                    self.final if self.final is not None else self._display.stages.views(self.draws), events
                )
        for stage in due:
            self._display.stages.set_next_due(stage)
        return Snapshot((), events) if events else None

    def _draw(self, snapshot: Snapshot) -> None:
        self.fetching = True  # that may wait for a device
        try:
            snapshot = fetched(snapshot, {}, warn)
        finally:
            self.fetching = False
        self._guard.call(lambda: self.renderer.draw(snapshot))

    def _close(self) -> None:
        """Close the renderer and, if anything has failed, say so."""
        try:
            self._guard.call_in_any_case(self.renderer.close)  # it may have to give back the terminal
        finally:
            self._display.targets.close(self)
            self.is_closed = True
            self.events.clear()  # thread and target refer to each other, and must not keep metrics or stages alive
            self.final, self._scopes = (), []
        if self._guard.error:
            failure(f"{type(self.renderer).__name__} is given up", self._guard.error)
