"""One output of a run: a renderer, its throttle, its queue and its thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ..core.metrics import fetched
from ..core.snapshot import Event, Message, Snapshot, StageView
from ..core.stage import Stage
from ..core.throttle import Due, Throttle, Tick
from ..renderers import Renderer
from ..system.output import Output
from ..system.terminal import Terminal
from ..system.warnings import failure, warn
from .thread import DrawingThread

if TYPE_CHECKING:
    from .display import Display

_T = TypeVar("_T")
_MOST_IN_A_FRAME = 1_000  # events
_MOST = 100_000  # events that are kept while an output takes none
_FRAME = 0.1  # seconds between two frames, unless the throttle wants it otherwise
_FASTEST = 0.02
_LOOK = 0.5  # seconds between two looks for stages whose owner has ended, at most
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
        marks: by stage, when (s) and at which position it was last drawn.
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
        self.renderer, self._throttle, self._scopes = renderer, throttle, scopes
        self.events: deque[Event | Message] = deque(maxlen=_MOST)
        self.marks: dict[int, tuple[float, int]] = {}
        self.final: tuple[StageView, ...] | None = None
        self.is_closed = self.captures = self.fetching = self._late = self._draws = False
        self.thread = thread(self.step)
        self._error: BaseException | None = None

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
    def owes_lines(self) -> bool:
        """Whether a line of an epoch or a stage that is over is yet to be drawn where the user prints."""
        posted = [event for event in self.events.copy() if isinstance(event, Event)]
        lines = [e for e in posted if (e.line if self.renderer.live else e.kind in ("epoch", "end"))]
        return self.renderer.screen and bool(lines) and not self.is_closed

    def draws_as(self, renderer: Renderer) -> bool:
        """Whether `renderer` is its renderer, or writes to the same file."""
        own = self.renderer
        return own is renderer or (own.place is not None and own.place == renderer.place)

    def include(self, stage: Stage) -> None:
        """Draw `stage` as well."""
        if not self.includes(stage):
            self._scopes.append(stage)

    def includes(self, stage: Stage) -> bool:
        """Whether `stage` is one of its stages, or within one."""
        return not self._scopes or any(stage.within(scope) for scope in self._scopes)

    def covers(self, stage: Stage) -> bool:
        """Whether the events of `stage` go to this target."""
        return not self.closing and self.includes(stage)

    def post(self, event: Event | Message) -> None:
        """Draw this with the next frame."""
        self.events.append(event)

    def tick(self, stage: Stage, now: float) -> Tick:
        """The facts about `stage` at time `now` (s), for the throttle."""
        drawn_at, drawn_done = self.marks.get(stage.key, (stage.started, stage.initial))
        return Tick(now, stage.done, stage.total, stage.started, drawn_at, drawn_done)

    def mark(self, stage: Stage, now: float) -> None:
        """Take note that `stage` is drawn as of time `now` (s)."""
        self.marks[stage.key] = now, stage.done

    # What is due. The lock is not held, as the throttle may be the user's.

    def is_due(self, tick: Tick) -> bool:
        """Whether a draw is due.

        A log repeats a position only if the time demands a line, and has no line for the last step, as the line of the
        stage's end says the same.
        """
        if not self.renderer.live:
            again = tick.done == tick.drawn_done and tick.now < self.next_due(tick).time
            if again or (tick.total is not None and tick.done >= tick.total):
                return False
        return bool(self._guarded(lambda: self._throttle(tick)))

    def next_due(self, tick: Tick) -> Due:
        """From when on a draw may be due."""
        return self._guarded(lambda: self._throttle.next_due(tick)) or Due()

    # Its life.

    def open(self) -> None:
        """Open the renderer."""
        self._guarded(self.renderer.open)

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
        self._late = not self.thread.wait(is_done, min(seconds, 0.01) if self.late else seconds)
        if self.output and self._late:
            self.output.late = True

    @property
    def late(self) -> bool:
        """Whether the last wait for it, or for a target with the same output, was in vain."""
        return self.output.late if self.output else self._late

    def step(self) -> float | None:
        """Draw what is due; return the seconds until the next call is needed, None once the target is closed."""
        if self.is_closed:
            return None
        began = self._display.clock()
        if self._error is None and not self._may_draw():
            return _FRAME
        snapshot = self._error is None and self._due_snapshot(began)
        if snapshot:
            self._draw(snapshot)
        with self._display.lock:
            self._draws = False
            more = bool(self.events) and self._error is None
            last = self._error is not None or (self.closing and not more)
        if last:
            self._close()
            return None
        if more:
            return 0.0
        took = self._display.clock() - began
        rest = _REST * took if self.renderer.live and not self.closing else 0.0
        return max(self._until_next(), rest)

    def _may_draw(self) -> bool:
        """Whether the terminal is free: nobody is asked anything there; what is over is drawn all the same."""
        output, pauses = self.output, self._display.pauses
        if self.closing or not isinstance(output, Terminal):
            return True
        in_background = output.is_in_background
        asks = not in_background and output.asks
        with self._display.lock:
            if asks and pauses.is_ordinary:
                output.adopt_mode()
            (pauses.begin if asks else pauses.end)(self)
            pauses.look()
            return not in_background and not pauses.active

    def _due_snapshot(self, now: float) -> Snapshot | None:
        """What there is to draw now; None if nothing is due."""
        # Timers are not exact: a frame may rather come a little early than be missed.
        ahead = 0.01 if self.renderer.live else 0.0
        with self._display.lock:
            leaves = [stage for stage in self._display.stages.as_of_now() if stage.is_leaf and self.covers(stage)]
            ticks = [self.tick(stage, now + ahead) for stage in leaves]
        due = [stage for stage, tick in zip(leaves, ticks, strict=True) if self.is_due(tick)]
        with self._display.lock:
            if not self.renderer.live:
                for stage in due:
                    if self.covers(stage) and not stage.outcome:
                        self._display.stages.post_line(self, stage)
            elif not due and not self.events:
                return None
            self._draws = True
            events = tuple(self.events.popleft() for _ in range(min(len(self.events), _MOST_IN_A_FRAME)))
            if self.renderer.live:
                self.marks = {leaf.key: (now, leaf.done) for leaf in leaves}
                return Snapshot(self.final if self.final is not None else self.stages(now), events)
        for stage in due:
            self._display.stages.set_next_due(stage)
        return Snapshot((), events) if events else None

    def stages(self, now: float) -> tuple[StageView, ...]:
        """The stages to show at time `now` (s). The lock must be held."""
        shown = [
            stage
            for stage in self._display.stages.all()
            if self.includes(stage) and not stage.stale and not (stage.root.outcome and stage.leave == "none")
        ]
        # Metrics of epochs are in the lines of the epochs; without these lines they are in the bar.
        return tuple(s.view(now, with_metrics=not s.has_epochs or s.leave != "epochs", paced=True) for s in shown)

    def _draw(self, snapshot: Snapshot) -> None:
        self.fetching = True  # that may wait for a device
        try:
            snapshot = fetched(snapshot, {}, warn)
        finally:
            self.fetching = False
        self._guarded(lambda: self.renderer.draw(snapshot))

    def _until_next(self) -> float:
        """Seconds until something may be due."""
        with self._display.lock:
            now, stages = self._display.clock(), self._display.stages.all()
            ticks = [self.tick(stage, now) for stage in stages if stage.is_leaf and self.covers(stage)]
            began = stages[0].started if stages else now
        dues = [(tick, self.next_due(tick).time) for tick in ticks]
        if not self.renderer.live:
            return min([_LOOK, *(max(_FRAME, time - now) for _, time in dues)])
        period = max(_FASTEST, min([_FRAME, *(time - tick.drawn_at for tick, time in dues)]))
        late = (now - began) % period  # frames fall on the full seconds of the run: its clock shows each in time
        return period - late + (period if late > period / 2 else 0.0)

    def _close(self) -> None:
        """Close the renderer and, if anything has failed, say so."""
        try:  # also after a failure, as it may have to give back the terminal
            self.renderer.close()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._error = self._error or error
        finally:
            self._display.targets.close(self)
            self.is_closed = True
            self.events.clear()  # thread and target refer to each other, and must not keep metrics or stages alive
            self.final, self._scopes = (), []
        if self._error:
            failure(f"{type(self.renderer).__name__} is given up", self._error)

    def _guarded(self, call: Callable[[], _T]) -> _T | None:
        """What `call` returns; None if it fails, or if this target has failed before."""
        if self._error:
            return None
        try:
            return call()
        except KeyboardInterrupt:  # Ctrl-C, on the thread of a step
            raise
        except BaseException as error:  # also SystemExit, as no output is a reason to end the process
            self._error = error
            return None
