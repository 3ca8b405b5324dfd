"""Pauses: while the program asks something, bars keep still and time does not count."""

from __future__ import annotations

import builtins
import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..system.output import Output
from ..system.replaced import Replacement
from ..system.terminal import Terminal
from . import scope

if TYPE_CHECKING:
    from .display import Display

_STEPS_GO_ON = 2.0  # seconds; if steps still continue so long after a prompt began, nothing waits for the answer


class Pauses:
    """The pauses of a display. All methods are called with its lock held.

    As long as no step lands, a pause takes its time out of the display's clock, so that it counts into no rate, no
    remaining time and no stall.

    Args:
        clock: gives the display's time, in seconds.
        position: gives a number that changes with each step that lands.
        skip: takes the seconds that it is given out of the display's clock.
    """

    def __init__(self, clock: Callable[[], float], position: Callable[[], int], skip: Callable[[float], None]) -> None:
        self._clock, self._position, self._skip = clock, position, skip
        self._by: dict[object, bool] = {}  # what has begun a pause, and whether that was `kbar.pause`
        self._since, self._at = 0.0, 0  # the time up to which the clock is corrected, and the position at the beginning

    def begin(self, by: object, *, explicit: bool = False) -> None:
        """Begin a pause for `by`, unless there is one; `explicit` if it goes on whatever steps do."""
        if by not in self._by:
            self.correct_clock()
            self._by[by] = explicit
            self._since, self._at = self._clock(), self._position()

    def end(self, by: object) -> None:
        """End the pause for `by`, if there is one."""
        if by in self._by:
            self.correct_clock()
            del self._by[by]

    def correct_clock(self) -> None:
        """Take the time since the last call out of the clock, unless steps have landed in this pause."""
        if self._by and self._position() == self._at:
            self._skip(self._clock() - self._since)
            self._since = self._clock()

    @property
    def active(self) -> bool:
        """Whether bars must keep still."""
        return any(self._by.values()) or (bool(self._by) and not self.steps_go_on)

    @property
    def steps_go_on(self) -> bool:
        """Whether steps go on although something is asked, as in a program that waits for keys all the time."""
        return bool(self._by) and self._position() != self._at and self._clock() - self._since > _STEPS_GO_ON


class InputPauses:
    """Replaces `input` and `sys.stdin.readline` by functions that pause the bars.

    Args:
        pause: returns a context manager, in which the bars are paused.
        answered: called when an answer was typed, which ends the line on the screen.
    """

    def __init__(
        self, pause: Callable[[], contextlib.AbstractContextManager[None]], answered: Callable[[], None]
    ) -> None:
        self._pause, self._answered = pause, answered
        self._replaced: list[Replacement] = []

    def install(self) -> None:
        """Replace them, unless they are replaced."""
        if not self._replaced:
            self._replaced.append(self._replacement(builtins, "input"))
            with contextlib.suppress(AttributeError, TypeError):  # there is no stdin, or it takes no attributes
                self._replaced.append(self._replacement(sys.stdin, "readline"))

    def _replacement(self, owner: Any, name: str) -> Replacement:
        original = getattr(owner, name)

        @functools.wraps(original)
        def ask(*args: Any, **options: Any) -> Any:
            typed = _is_typed()
            if not (_holds_up_a_run() and (typed or name == "input")):
                return original(*args, **options)
            with self._pause():
                answer = original(*args, **options)
            if typed and (answer or name == "input"):  # an empty line is the end of the input
                self._answered()
            return answer

        return Replacement(owner, name, ask)

    def remove(self) -> None:
        """Restore them, unless other code has replaced them since."""
        while self._replaced:
            self._replaced.pop().undo()


def _is_typed() -> bool:
    """Whether a person types what is read from `sys.stdin`."""
    with contextlib.suppress(Exception):  # it may be closed, or anything
        return sys.stdin.isatty()
    return False


def _holds_up_a_run() -> bool:
    """Whether a run waits for this thread; False for a helper thread that waits for keys, such as one to stop it."""
    return threading.current_thread() is threading.main_thread() or scope.innermost() is not None


def is_free(output: Output | None, display: Display, by: object) -> bool:
    """Whether bars may be drawn on `output`: it is no terminal, or one in the foreground where nothing is asked.

    While `Terminal.asks` says that a program waits for an answer there, the display is paused for `by`.
    """
    if not isinstance(output, Terminal):
        return True
    in_background = output.is_in_background
    asks = not in_background and output.asks()
    with display.lock:
        steps_go_on = asks and display.pauses.steps_go_on
        (display.pauses.begin if asks else display.pauses.end)(by)
        display.pauses.correct_clock()
        active = display.pauses.active
    if steps_go_on:
        output.adopt_mode()
    return not in_background and not active


@contextlib.contextmanager
def paused(display: Display, *, explicit: bool) -> Iterator[None]:
    """Take the bars away and keep still until the block is left."""
    key = object()
    with display.lock:
        display.pauses.begin(key, explicit=explicit)
    try:
        display.targets.hide()
        yield
    finally:
        with display.lock:
            display.pauses.end(key)
