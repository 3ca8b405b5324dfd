"""Owns what others print while bars are up: whole lines, handed on to go above them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import IO, Any, Literal

from .environment import surface
from .snapshot import Message

_STREAMS: tuple[Literal["stdout", "stderr"], ...] = ("stdout", "stderr")


class Capture:
    """Stands in for `sys.stdout` and `sys.stderr` where they are terminals.

    Args:
        say: is given each finished line, on the thread that printed it.
    """

    def __init__(self, say: Callable[[Message], None]) -> None:
        self._say = say
        self._proxies: dict[str, _Proxy] = {}

    def start(self) -> None:
        """Takes the streams' places."""
        for name in _STREAMS:
            stream = getattr(sys, name)
            if surface(stream) == "terminal":
                self._proxies[name] = _Proxy(name, stream, self._say)
                setattr(sys, name, self._proxies[name])

    def stop(self, forget: bool = False) -> None:
        """Gives the places back, but for one that somebody else has taken; writes or forgets unfinished lines."""
        for name, proxy in self._proxies.items():
            if getattr(sys, name) is proxy:
                setattr(sys, name, proxy.stream)
            proxy.release(forget)
        self._proxies = {}


class _Proxy:
    """A stream's stand-in: what is written is held until its line is finished, then handed on."""

    def __init__(self, name: Literal["stdout", "stderr"], stream: IO[str], say: Callable[[Message], None]) -> None:
        self._name: Literal["stdout", "stderr"] = name
        self.stream = stream
        self._say: Callable[[Message], None] | None = say
        self._held = ""
        # Re-entrant: a signal handler may print between two lines of a print.
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Hands on the lines that `text` finishes; once released, writes through."""
        with self._lock:
            if self._say is None:
                return self.stream.write(text)
            *lines, self._held = (self._held + text).split("\n")
            for line in lines:
                self._say(Message(self._name, line))
            return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Writes each of them."""
        for line in lines:
            self.write(line)

    def release(self, forget: bool) -> None:
        """From now on writes through, first what was held."""
        if forget:
            self._lock = threading.RLock()  # whoever holds it is not there any more
        with self._lock:
            self._say = None
            if self._held and not forget:
                self.stream.write(self._held)
            self._held = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
