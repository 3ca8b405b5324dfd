"""Owns one renderer's share of a run: when it draws, what it has yet to draw, and its failures."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from ..core.snapshot import Event, Message, Snapshot, StageView
from ..core.stage import Stage
from ..core.throttle import Throttle, Tick
from ..renderers import Renderer
from ..system.warnings import failure, from_signal

_T = TypeVar("_T")
PATIENCE = 0.5  # seconds for which an output that does not read holds up the end of a run at most
_FRAME = 1_000  # events that one frame takes
_FLOOD = 20_000
_MOST = 100_000  # events that are kept for a renderer that is not ready, days of a run's
_SHARE = 4  # a screen rests for so many times as long as it took to draw


class Target:
    """A renderer with its throttle, the part of the tree it draws, and what it has yet to draw.

    Once anything of the renderer's or the throttle's has failed, nothing more is asked of them
    but to close.

    Args:
        scopes: the stages it draws, with all within; none for all there are.

    Attributes:
        events: what happened since the last draw.
        marks: by stage, when (s) and at which position it was last drawn.
        final: the last state, once the scope is over, `over_since` when (s).
        moved: when it has drawn last (s).
        closed: set once that is drawn and the streams are given back, or the target is given up.
        awaited: to be set once nothing is yet to draw.
        error: what it failed by.
        captures: whether it is told what others print.
        in_flight: whether the last frame, which holds what others have printed, may not have gone entirely.
        where: what tells its output from others', also in later runs.
    """

    def __init__(self, renderer: Renderer, throttle: Throttle, scopes: list[Stage]) -> None:
        self.renderer, self.throttle, self._scopes = renderer, throttle, scopes
        self.events: deque[Event | Message] = deque(maxlen=_MOST)
        self.marks: dict[int, tuple[float, int]] = {}
        self.final: tuple[StageView, ...] | None = None
        self.over_since = math.inf
        self.moved = -math.inf
        self.closed = threading.Event()
        self.awaited: list[threading.Event] = []
        self.error: BaseException | None = None
        self._rests_until = -math.inf
        self._left = 0
        self.in_flight = self._overflowed = False
        self.where: object = None
        self.captures = False

    @property
    def closing(self) -> bool:
        """Whether it has but to draw the last state."""
        return self.final is not None

    def finish(self, last: tuple[StageView, ...], now: float) -> None:
        """At time `now` (s) its scope is over; what others print from now on is not its to draw."""
        self.final, self.over_since, self._left = last, now, len(self.events)

    @property
    def finished(self) -> bool:
        """Whether what it has taken to draw is its last."""
        return self.closing and self._left <= 0

    @property
    def over(self) -> bool:
        """Whether all that it draws is over, if that is not simply all."""
        return bool(self._scopes) and all(s.outcome for s in self._scopes)

    def draws_as(self, renderer: Renderer) -> bool:
        """Whether `renderer` is its own, or one that writes to the same place."""
        own = self.renderer
        return own is renderer or (own.place is not None and own.place == renderer.place)

    def include(self, stage: Stage) -> None:
        """Draws `stage` as well."""
        if not self.includes(stage):
            self._scopes.append(stage)

    def includes(self, stage: Stage) -> bool:
        """Whether `stage` is among what it draws."""
        return not self._scopes or any(stage.within(s) for s in self._scopes)

    @property
    def period(self) -> float:
        """How often time alone makes a draw due, in seconds."""
        return self._guarded(lambda: self.throttle.period) or math.inf

    def covers(self, stage: Stage) -> bool:
        """Whether what happens to `stage` is still its to draw."""
        return not self.closing and self.includes(stage)

    def asks(self, stage: Stage, now: float) -> bool:
        """Whether a draw of `stage` is due.

        No line says the same again but because of the time, and none is for the last step: the
        stage's end says it.
        """
        # A frame may come a little early, as timers have it, but not be missed.
        tick = self._tick(stage, now + 0.01 if self.renderer.live else now)
        if not self.renderer.live:
            again = tick.done == tick.drawn_done and now - tick.drawn_at < self.period
            if again or (tick.total is not None and tick.done >= tick.total):
                return False
        return bool(self._guarded(lambda: self.throttle(tick)))

    def next_step(self, stage: Stage, now: float) -> float:
        """The position from which the count alone makes a draw due."""
        return self._guarded(lambda: self.throttle.next_step(self._tick(stage, now))) or math.inf

    def take_events(self, most: int = _FRAME) -> tuple[Event | Message, ...]:
        """What is yet to draw, as much as one frame takes; others may add to it meanwhile."""
        taken = tuple(self.events.popleft() for _ in range(min(len(self.events), most)))
        self._left -= len(taken)
        return taken

    def flooded(self, now: float) -> bool:
        """Whether at time `now` (s) others print faster than the output takes it, though it does take it."""
        return len(self.events) > _FLOOD and self.renderer.live and now < self.progress + PATIENCE

    def stuck(self, now: float) -> bool:
        """Whether it is over, and nothing was taken of it for longer by time `now` (s) than anybody waits."""
        return now > max(self.over_since, self.progress) + PATIENCE

    @property
    def holds_prints(self) -> bool:
        """Whether it has yet to show what others have printed, who would have waited for the output for ever."""
        mine = self.captures and self.renderer.screen and not self.error
        return mine and (self.in_flight or any(isinstance(e, Message) for e in self.events.copy()))

    def tell(self, message: Message) -> None:
        """Somebody has printed this."""
        if len(self.events) == _MOST and not self._overflowed:
            self._overflowed = True
            lost = "KbarWarning: more is printed than is kept for who does not read: the oldest lines are lost"
            self.events.append(replace(message, stream="stderr", text=lost))
        self.events.append(message)

    def put_first(self, messages: list[Message]) -> None:
        """Draws these before what else there is."""
        self.events.extendleft(reversed(messages))
        self._left += len(messages)

    @property
    def progress(self) -> float:
        """When anything was last taken of what it draws (s)."""
        return max(self.moved, self.renderer.moved)

    def open(self) -> None:
        """Opens the renderer."""
        self._guarded(self.renderer.open)
        self.where = self.renderer.place or ("screen" if self.renderer.screen else id(self.renderer))

    def ready(self, now: float) -> bool:
        """Whether it is to be asked to draw at time `now` (s): its output takes it, and leaves time for others."""
        urgent = self.closing or not self.renderer.live or len(self.events) > _FRAME
        rested = urgent or now >= self._rests_until
        if not rested or self._guarded(lambda: self.renderer.ready) is False:
            return False
        self.in_flight = False
        return True

    def behind(self, now: float) -> bool:
        """Whether at time `now` (s) it has yet to draw what nothing keeps it from."""
        if self.closed.is_set() or not self.stuck(now):
            return not self.closed.is_set()
        return not self.renderer.live and bool(self._guarded(lambda: self.renderer.ready))

    def draw(self, snapshot: Snapshot, clock: Callable[[], float]) -> None:
        """Draws."""
        started = clock()
        self.in_flight = self.renderer.screen and any(isinstance(e, Message) for e in snapshot.events)
        self._guarded(lambda: self.renderer.draw(snapshot))
        ended = clock()
        self._rests_until = ended + _SHARE * (ended - started)
        self.moved = ended

    def close(self) -> None:
        """Closes the renderer and, if anything has failed, tells of it."""
        try:  # also after a failure: what it has of the terminal it must give back
            self.renderer.close()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.error = self.error or error
        if self.error:
            failure(f"{type(self.renderer).__name__} is given up", self.error)

    def _tick(self, stage: Stage, now: float) -> Tick:
        at, done = self.marks.get(stage.key, (stage.started, stage.initial))
        return Tick(now, stage.done, stage.total, stage.started, at, done)

    def _guarded(self, call: Callable[[], _T]) -> _T | None:
        """What `call` returns; None once this target has failed."""
        if self.error:
            return None
        try:
            return call()
        except KeyboardInterrupt:  # the user's, on the thread of a step
            raise
        except BaseException as error:  # SystemExit as well: no output is a reason to end the process
            if from_signal(error):
                raise
            self.error = error
            return None
