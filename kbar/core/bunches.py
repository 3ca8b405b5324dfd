"""The pace of steps that may land in bunches, as the results of several workers do."""

from __future__ import annotations

from collections import deque
from statistics import fmean

from .pace import Pace


class BunchPace:
    """The pace of a stage's steps: of each or, where they land in bunches, of the bunches.

    Four workers that take equally long finish four steps within milliseconds, and then none for half a minute. The
    steps within a bunch say nothing of the speed; so a bunch is taken for one execution. There are bunches if there
    were two gaps of about the same length, after the latter of which several steps landed within a short time, and
    then none. If steps go on landing instead, the two gaps were compilations.

    Args:
        started: when the stage began, in seconds of any clock.
        initial: the position it began at.
    """

    _LEAST = 0.4  # seconds that a gap takes at least
    _GAP = 1 / 3  # a gap is longer than the usual one times this
    _BUNCH = 1 / 6  # a bunch is shorter than the usual gap times this, until there are bunches for certain
    _SILENCE = 3.0  # silence is longer than the time between two steps of a bunch, times this
    _SILENT = 0.25  # and longer than this, in seconds

    def __init__(self, started: float, initial: int) -> None:
        self._steps = Pace(started, initial)
        self._bunches = Pace(started, initial, compiles=False)
        self._gaps: deque[float] = deque(maxlen=4)  # seconds of the latest
        self._bunch = 0.0  # seconds that the latest bunch has taken
        self._between: float | None = None  # the longest time between two steps of a bunch; None if a bunch is one step
        self._is_bunched, self._has_basis = False, True

    def restart(self, started: float, initial: int) -> None:
        """Begin again with the next epoch's stage of the same kind; what is known of its speed still holds."""
        self._steps.restart(started, initial)
        self._bunches.restart(started, initial)

    def sample(self, at: float, done: int) -> None:
        """Record that the latest step landed at time `at` (s) and led to the position `done`."""
        seconds, units, since, before = at - self.at, done - self.done, self.at, self.done
        self._steps.sample(at, done)
        if units <= 0 or seconds < 0:
            return
        usual = fmean(self._gaps) if self._gaps else 0.0
        if seconds > max(self._LEAST, self._GAP * usual):
            self._bunches.sample(since, before)
            if self._GAP * seconds > usual:  # all that was before is short in comparison
                self._forget()
                self._bunches = Pace(since, before, compiles=False)
            self._gaps.append(seconds)
            self._bunch = 0.0
        elif self._gaps:
            self._bunch += seconds
            self._between = max(self._between or 0.0, seconds)
            if self._bunch > (1.0 if self._is_bunched else self._BUNCH) * usual:
                self._forget()

    def _forget(self) -> None:
        self._gaps.clear()
        self._between, self._is_bunched = None, False

    def look(self, now: float) -> None:
        """Notice at time `now` (s), at which a frame is drawn, whether a bunch is over."""
        bunched = self._between is not None and len(self._gaps) > 1
        if bunched and now - self.at > max(self._SILENT, self._SILENCE * (self._between or 0.0)):
            self._bunches.sample(self.at, self.done)
            self._is_bunched = True
        self._has_basis = self._pace.has_basis(now)

    @property
    def _pace(self) -> Pace:
        return self._bunches if self._is_bunched else self._steps

    def remaining(self, now: float, units: float, running: bool = True) -> float | None:
        """Seconds until `units` more are done, as of time `now` (s) or, if none is `running`, as of the latest step.

        None if unknown.
        """
        return self._pace.remaining(now if running else self._pace.at, units + self.done - self._pace.done)

    def stalls(self, seconds: float) -> bool:
        """Whether an interval of `seconds` is a stall."""
        return self._pace.stalls(seconds)

    @property
    def interval(self) -> float:
        """Seconds between two landings, or two bunches, typically; 0 before anything is known."""
        return self._pace.interval

    @property
    def rate(self) -> float | None:
        """Units per second; None if unknown."""
        return self._pace.rate

    @property
    def shown_rate(self) -> float | None:
        """The rate to show: that of the whole where the latest steps say too little; None if unknown."""
        return self.rate and (self.rate if self._has_basis else self._pace.mean_rate)

    @property
    def error(self) -> float:
        """The share by which the rate may be off."""
        return self._pace.error

    @property
    def at(self) -> float:
        """When the latest step landed."""
        return self._steps.at

    @property
    def done(self) -> int:
        """The position it led to."""
        return self._steps.done

    @property
    def first(self) -> tuple[float, int] | None:
        """Seconds and units of the first execution; None until it is over."""
        return self._steps.first

    @property
    def first_execution(self) -> float | None:
        """Seconds that the first execution took; None until it is over, or if it was in an earlier epoch."""
        return self.first[0] if self.first and not self._steps.again else None

    @property
    def excess(self) -> tuple[float, float]:
        """Extra seconds at the stage's beginning: those that occur only once, and those that occur in each epoch."""
        return (0.0, self._steps.opening) if self._steps.again else (self._pace.first_excess, 0.0)
