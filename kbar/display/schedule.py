"""When one target is to draw: its throttle, and what it has drawn when."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.stage import Stage
from ..core.throttle import Due, Throttle, Tick
from .guard import Guard

_FRAME = 0.1  # seconds between two frames, unless the throttle wants it otherwise
_FASTEST = 0.02  # and where it wants them as fast as possible
_LONGEST = 0.5  # seconds after which a target looks for stages that have lost their owner, at the latest
_EARLY = 0.01  # seconds by which a frame may come too early, as timers have it, but not be missed


class Schedule:
    """Asks the throttle of one target. It may be the user's, so no lock is held then.

    Args:
        throttle: what says when a draw is due.
        live: whether frames are drawn of all stages at once, or lines written for single ones.
        guard: makes the calls.
    """

    def __init__(self, throttle: Throttle, live: bool, guard: Guard) -> None:
        self._throttle, self._live, self._guard = throttle, live, guard
        self._drawn: dict[int, tuple[float, int]] = {}  # by stage, when (s) and at which position

    def tick(self, stage: Stage, now: float) -> Tick:
        """What the throttle may know of `stage` at time `now` (s)."""
        drawn_at, drawn_done = self._drawn.get(stage.key, (stage.started, stage.initial))
        ahead = _EARLY if self._live else 0.0
        return Tick(now + ahead, stage.done, stage.total, stage.started, drawn_at, drawn_done)

    def mark(self, stage: Stage, now: float) -> None:
        """Take note that `stage` is drawn as of time `now` (s)."""
        self._drawn[stage.key] = now, stage.done

    def mark_all(self, stages: Iterable[Stage], now: float) -> None:
        """Take note that these stages are drawn, and no others run."""
        self._drawn = {stage.key: (now, stage.done) for stage in stages}

    def forget(self, stage: Stage) -> None:
        """Take note that `stage` is over."""
        self._drawn.pop(stage.key, None)

    def is_due(self, tick: Tick) -> bool:
        """Whether a draw is due.

        No line says the same again but because of the time, and none is for the last step: the stage's end says it.
        """
        if not self._live:
            again = tick.done == tick.drawn_done and tick.now < self.next_due(tick).time
            if again or (tick.total is not None and tick.done >= tick.total):
                return False
        return bool(self._guard.call(lambda: self._throttle(tick)))

    def next_due(self, tick: Tick) -> Due:
        """From when on a draw may be due."""
        return self._guard.call(lambda: self._throttle.next_due(tick)) or Due()

    def seconds_until_due(self, ticks: Iterable[Tick], now: float, began: float) -> float:
        """Seconds from `now` until something may be due, in a run that began at `began` (s)."""
        dues = [(tick, self.next_due(tick).time) for tick in ticks]
        if not self._live:
            return min([_LONGEST, *(max(_FRAME, time - now) for _, time in dues)])
        period = max(_FASTEST, min([_FRAME, *(time - tick.drawn_at for tick, time in dues)]))
        late = (now - began) % period  # in step with the seconds of the run's clock, so that none is shown late
        return period - late + (period if late > period / 2 else 0.0)
