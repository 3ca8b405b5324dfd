"""Where a bar stands between the steps that land, and remaining times that count down evenly."""

from __future__ import annotations

import math
from collections import deque
from statistics import fmean, median_low


class Pacer:
    """The position at which a bar is shown, so that it glides although steps land in jumps.

    It works as the jitter buffer of an audio player does: what arrives unevenly is played out evenly, a little later.
    The steps that have landed form a staircase over time. A straight line that rises at the stage's own rate is laid
    below the staircase so that it just touches it: at that delay, and at no shorter one, the bar never has to wait.
    The shown position is drawn towards this line. Whatever has landed must be shown within `DELAY` seconds; the speed
    which that takes is known in advance, so the bar also catches up smoothly.

    Where steps land more than `FAR` seconds apart, no buffer would be long enough. There the position moves on within
    the running execution, as its expected duration passes, slower and slower towards its end, which it never reaches;
    and the count beside the bar is the true one.

    Args:
        started: when the stage began, in seconds of any clock.
        initial: the position it began at.

    Attributes:
        position: where the bar stands, in units.
        count: the count beside it, never above the true one.
    """

    DELAY = 1.8
    FAR = 2.0
    MOST = 0.99  # the largest share of the running execution that is shown as done
    _WINDOW = 8.0  # seconds for which corners of the staircase are remembered
    _EASE = 1.2  # the time constant of drawing near the line, in seconds
    _EASE_FAR = 2.5  # and of drawing near the expected position, where steps are far apart
    _MARGIN = 0.25  # seconds by which the line stays below the staircase
    _KNEE = 0.85  # the share of an execution's expected duration after which the bar slows down

    def __init__(self, started: float, initial: int) -> None:
        self._gaps: deque[tuple[float, int]] = deque(maxlen=3)  # seconds and units of the latest executions
        self.restart(started, initial)

    def restart(self, started: float, initial: int) -> None:
        """Begin, or begin again with the next epoch's stage of the same kind; how its steps land is still known."""
        self.position, self.count = float(initial), initial
        self._now = self._at = started
        self._done = initial
        self._landed: deque[tuple[float, int]] = deque()  # time and position of what has landed and is not shown yet
        self._corners: deque[tuple[float, int]] = deque()  # when a step landed, and the position before it

    def sample(self, at: float, done: int) -> None:
        """Record that the latest step landed at time `at` (s) and led to the position `done`."""
        if done <= self._done or at < self._at:
            return
        if self._gaps:
            self._corners.append((at, self._done))
        while self._corners and self._corners[0][0] < at - self._WINDOW:
            self._corners.popleft()
        self._gaps.append((at - self._at, done - self._done))
        self._landed.append((at, done))
        self._at, self._done = at, done

    @property
    def _far(self) -> bool:
        return bool(self._gaps) and median_low(seconds for seconds, _ in self._gaps) > self.FAR

    def move(self, now: float, rate: float | None, total: int | None = None) -> None:
        """Move on to time `now` (s), with steps landing at `rate` a second (None: not known yet) up to `total`."""
        seconds, self._now = max(0.0, now - self._now), max(now, self._now)
        if self._gaps and seconds:
            ahead = self._within(seconds, total) if self._far else self._glide(seconds, rate)
            self.position = max(self.position, ahead)
        while self._landed and self._landed[0][1] <= self.position:
            self._landed.popleft()
        # A first execution of several steps may have been long only because it compiled: it is no proof of far steps.
        is_exact = self._far and (len(self._gaps) > 1 or self._gaps[0][1] == 1) and self._gaps[-1][0] > self.FAR
        self.count = max(self.count, self._done if is_exact else min(self._done, int(self.position + 1e-9)))

    def jump(self, done: int, share: float) -> None:
        """Move to `done` units plus `share` of the next, which the stages within the running unit determine."""
        self.position, self.count = max(self.position, done + share), max(self.count, done)
        self._landed.clear()

    def _glide(self, seconds: float, rate: float | None) -> float:
        """The position after `seconds` where steps land near each other."""
        now = self._now
        if rate is None:  # after the first execution only: show it as if it had taken `DELAY` at most
            took, units = self._gaps[0]
            speed = units / min(max(took, seconds), self.DELAY)
        else:
            below = min(done - rate * at for at, done in (*self._corners, (now, self._done)))
            line = below + rate * (now - self._MARGIN)
            speed = rate + (line - self.position) / self._EASE
        return min(float(self._done), self.position + max(speed, self._due(seconds)) * seconds)

    def _due(self, seconds: float) -> float:
        """The speed at which all that has landed is shown in time."""
        left = ((done - self.position, at + self.DELAY - self._now) for at, done in self._landed)
        return max((units / max(time, seconds) for units, time in left), default=0.0)

    def _within(self, seconds: float, total: int | None) -> float:
        """The position after `seconds` where steps are far apart: within the running execution."""
        expected, units = fmean(s for s, _ in self._gaps), min(units for _, units in self._gaps)
        if total is not None:  # the last execution may be a shorter one
            units = max(0, min(units, total - self._done))
        share = (self._now - self._at) / expected
        speed = units / expected
        if share > self._KNEE:
            slower = math.exp((self._KNEE - share) / (1 - self._KNEE))
            share, speed = min(self.MOST, 1 - (1 - self._KNEE) * slower), speed * slower
        goal = self._done + units * share
        ease = (goal - self.position) * min(1.0, seconds / self._EASE_FAR)
        return min(goal, self.position + max(speed * seconds + ease, self._due(seconds) * seconds))


class Countdown:
    """A remaining time that counts down like a clock, and is corrected without flickering."""

    _EASE = 0.6  # the time constant of corrections, in seconds
    _EASE_CLOSE = 4.0  # and of small ones
    _TOLERANCE = 0.03  # the share of the remaining time up to which a correction is small

    def __init__(self) -> None:
        self._now = 0.0
        self._end: float | None = None

    def correct(self, now: float, remaining: float | None) -> None:
        """Record that at time `now` (s) the estimate is `remaining` seconds; None if there is none."""
        seconds, self._now = max(0.0, now - self._now), now
        if remaining is None:
            self._end = None
            return
        end = now + remaining
        if self._end is None or not 0.25 < (self._end - now + 1) / (remaining + 1) < 4:  # off by far: begin anew
            self._end = end
        else:
            close = abs(end - self._end) < max(0.3, self._TOLERANCE * remaining)
            self._end += (end - self._end) * min(1.0, seconds / (self._EASE_CLOSE if close else self._EASE))

    def at(self, now: float) -> float | None:
        """Seconds remaining at time `now` (s), None if unknown."""
        return None if self._end is None else max(0.0, self._end - now)
