"""Pauses: while somebody is asked something, bars keep still and time does not count."""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

_ORDINARY = 2.0  # seconds after which a terminal's mode in which steps go on is the ordinary one


class Pauses:
    """The pauses of a display, by whoever asks.

    Time in which no step has landed is taken out of the display's clock when the last pause ends, so that it
    counts into no rate, no remaining time and no stall.

    Args:
        clock: gives the display's time, in seconds.
        position: gives a number that changes with each step that lands.
        skip: takes so many seconds out of the display's clock.
    """

    def __init__(self, clock: Callable[[], float], position: Callable[[], int], skip: Callable[[float], None]) -> None:
        self._clock, self._position, self._skip = clock, position, skip
        self._by: set[object] = set()
        self._since = 0.0, 0

    @property
    def active(self) -> bool:
        """Whether somebody is asked something."""
        return bool(self._by)

    def begin(self, by: object) -> None:
        """`by` asks something, if it did not already."""
        if not self._by:
            self._since = self._clock(), self._position()
        self._by.add(by)

    def end(self, by: object) -> None:
        """`by` asks nothing any more, if it did."""
        if by in self._by:
            self._by.discard(by)
            began, position = self._since
            if not self._by and self._position() == position:
                self._skip(self._clock() - began)

    @property
    def is_ordinary(self) -> bool:
        """Whether steps have gone on so long that it is no pause at all, but for example a program that reads keys."""
        began, position = self._since
        return self.active and self._position() != position and self._clock() - began > _ORDINARY


class InputPauses:
    """`builtins.input` pauses the bars, as long as it is replaced.

    Args:
        pause: makes the pause.
    """

    def __init__(self, pause: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        self._pause = pause
        self._original: Callable[..., str] | None = None

    def __call__(self, *prompt: Any) -> str:
        """Ask as `input` does."""
        original = self._original or builtins.input
        with self._pause():
            return original(*prompt)

    def install(self) -> None:
        """Put this in place of `input`."""
        if self._original is None:
            self._original, builtins.input = builtins.input, self

    def remove(self) -> None:
        """Give `input` back, unless somebody has replaced it since."""
        if builtins.input is self and self._original:
            builtins.input, self._original = self._original, None


@contextlib.contextmanager
def paused(pauses: Pauses, hide: Callable[[], None]) -> Iterator[None]:
    """Take the bars away and keep still until the block is left."""
    key = object()
    pauses.begin(key)
    try:
        hide()
        yield
    finally:
        pauses.end(key)
