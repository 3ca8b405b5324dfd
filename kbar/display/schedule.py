"""When one target has to draw: its throttle, and when it has drawn each stage."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.stage import Stage
from ..core.throttle import FRAME, Due, Throttle, Tick
from .guard import Guard

_FASTEST = 0.02  # seconds between two frames at least
_LONGEST = 0.5  # seconds between two looks of a log for stages whose owner has ended, at most
_REST = 4  # after a frame that took t seconds to draw, a screen rests for _REST * t
_EARLY = 0.01  # seconds by which a frame may come too early: timers are not exact, and it must not be missed


class Schedule:
    """Asks the throttle of one target when a draw is due. No lock is held then, as the throttle may be the user's.

    Args:
        throttle: the throttle.
        live: as `Renderer.live`: True for frames, False for lines.
        guard: calls the throttle.
    """

    def __init__(self, throttle: Throttle, live: bool, guard: Guard) -> None:
        self._throttle, self._live, self._guard = throttle, live, guard
        self._drawn: dict[int, tuple[float, int]] = {}  # by stage, when (s) and at which position
        self._rest = 0.0, 0.0  # since when (s) the screen rests, and for how many seconds

    def tick(self, stage: Stage, now: float) -> Tick:
        """The facts about `stage` at time `now` (s), for the throttle."""
        drawn_at, drawn_done = self._drawn.get(stage.key, (stage.counts.started, stage.counts.initial))
        ahead = _EARLY if self._live else 0.0
        return Tick(now + ahead, stage.done, stage.total, stage.counts.started, drawn_at, drawn_done)

    def note_drawn(self, stage: Stage, now: float) -> None:
        """Record that `stage` is drawn as of time `now` (s)."""
        self._drawn[stage.key] = now, stage.done

    def note_frame(self, stages: Iterable[Stage], now: float) -> None:
        """Record that these stages are drawn as of time `now` (s), and that no others are running."""
        self._drawn = {stage.key: (now, stage.done) for stage in stages}

    def forget(self, stage: Stage) -> None:
        """Forget `stage`, which is over."""
        self._drawn.pop(stage.key, None)

    def rest(self, began: float, now: float) -> None:
        """Let a screen rest from `now` on, in proportion to the time that drawing took since `began`."""
        self._rest = now, _REST * (now - began) if self._live else 0.0

    def rest_at(self, now: float) -> float:
        """Seconds for which the screen still rests; 0 also if the clock has gone back, as at the end of a pause."""
        since, seconds = self._rest
        return max(0.0, since + seconds - now) if now >= since else 0.0

    def is_due(self, tick: Tick) -> bool:
        """Whether a draw is due.

        A log writes a position again only if time alone makes a line due; none for the last step, as the line of the
        stage's end says the same.
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
            return min([_LONGEST, *(max(FRAME, time - now) for _, time in dues)])
        period = max(_FASTEST, min([FRAME, *(time - tick.drawn_at for tick, time in dues)]))
        late = (now - began) % period  # frames fall on full seconds of the run, so that its clock shows each in time
        return period - late + (period if late > period / 2 else 0.0)
