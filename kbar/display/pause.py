"""Pauses: while somebody is asked something, bars keep still and time does not count."""

from __future__ import annotations

import builtins
import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from . import scope

if TYPE_CHECKING:
    from .display import Display

_ORDINARY = 2.0  # seconds for which steps go on until it is no question that holds up the run


class Pauses:
    """The pauses of a display, by whoever asks. All methods are called with the display's lock held.

    As long as no step lands, a pause takes its time out of the display's clock, so that it counts into no rate, no
    remaining time and no stall.

    Args:
        clock: gives the display's time, in seconds.
        position: gives a number that changes with each step that lands.
        skip: takes so many seconds out of the display's clock.
    """

    def __init__(self, clock: Callable[[], float], position: Callable[[], int], skip: Callable[[float], None]) -> None:
        self._clock, self._position, self._skip = clock, position, skip
        self._by: dict[object, bool] = {}  # and whether it was asked for in so many words
        self._since, self._at = 0.0, 0  # until when time is taken out, and the position where the pause began

    def begin(self, by: object, *, explicit: bool = False) -> None:
        """`by` asks something, if it did not already."""
        if by not in self._by:
            self.look()
            self._by[by] = explicit
            self._since, self._at = self._clock(), self._position()

    def end(self, by: object) -> None:
        """`by` asks nothing any more, if it did."""
        if by in self._by:
            self.look()
            del self._by[by]

    def look(self) -> None:
        """Take the time since the last look out of the clock, unless steps have landed in this pause."""
        if self._by and self._position() == self._at:
            self._skip(self._clock() - self._since)
            self._since = self._clock()

    @property
    def active(self) -> bool:
        """Whether bars are to keep still."""
        return any(self._by.values()) or (bool(self._by) and not self.is_ordinary)

    @property
    def is_ordinary(self) -> bool:
        """Whether steps go on meanwhile, as in a program that reads keys all the time."""
        return bool(self._by) and self._position() != self._at and self._clock() - self._since > _ORDINARY


class InputPauses:
    """`input` and `sys.stdin.readline` pause the bars, as long as they are replaced.

    Args:
        pause: makes the pause.
        answered: called once an answer was typed, whose end begins a new line.
    """

    def __init__(
        self, pause: Callable[[], contextlib.AbstractContextManager[None]], answered: Callable[[], None]
    ) -> None:
        self._pause, self._answered = pause, answered
        self._replaced: list[tuple[Any, str, Any, Any]] = []  # object, name, its own attribute before, and now

    def install(self) -> None:
        """Put calls that pause in place of them."""
        if not self._replaced:
            self._replace(builtins, "input")
            with contextlib.suppress(AttributeError, TypeError):  # there is no stdin, or it takes no attributes
                self._replace(sys.stdin, "readline")

    def _replace(self, owner: Any, name: str) -> None:
        before, original = vars(owner).get(name), getattr(owner, name)

        @functools.wraps(original)
        def ask(*args: Any) -> Any:
            typed = _is_typed()
            if not (_holds_up_a_run() and (typed or name == "input")):
                return original(*args)
            with self._pause():
                answer = original(*args)
            if typed and (answer or name == "input"):  # else it is the end of the file
                self._answered()
            return answer

        setattr(owner, name, ask)
        self._replaced.append((owner, name, before, ask))

    def remove(self) -> None:
        """Give them back, unless somebody has replaced them since."""
        while self._replaced:
            owner, name, before, ask = self._replaced.pop()
            if vars(owner).get(name) is ask:
                if before is None:
                    delattr(owner, name)
                else:
                    setattr(owner, name, before)


def _is_typed() -> bool:
    """Whether what is read from `sys.stdin` is typed."""
    with contextlib.suppress(Exception):  # it may be closed, or anything
        return sys.stdin.isatty()
    return False


def _holds_up_a_run() -> bool:
    """Whether a run waits for this thread, and not only for example for a key that stops it."""
    return threading.current_thread() is threading.main_thread() or scope.innermost() is not None


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
