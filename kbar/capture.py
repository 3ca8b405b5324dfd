"""Owns what others print while bars are up: whole lines, handed on to go above them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import IO, Any

from .environment import surface
from .snapshot import Message, StreamName

_STREAMS: tuple[StreamName, ...] = ("stdout", "stderr")


class Capture:
    """Stands in for `sys.stdout` and `sys.stderr`.

    Args:
        say: is given the stream, each finished line, and whether that is held for whoever draws on
            the terminal; else it went where it was meant to. Called on the thread that printed it.
    """

    def __init__(self, say: Callable[[StreamName, str, bool], None]) -> None:
        self._say = say
        self._proxies: dict[StreamName, _Proxy] = {}

    def hold(self) -> None:
        """From now on what is printed on terminals is held."""
        self._stand_in(terminals_only=True)
        for proxy in self._proxies.values():
            proxy.holds = proxy.terminal

    def listen(self) -> None:
        """From now on whatever is printed is told."""
        self._stand_in(terminals_only=False)

    def let_go(self, rest: Callable[[], Iterable[Message]]) -> None:
        """From now on nothing is held; `rest`, what was held and not drawn, is written before what follows."""
        with ExitStack() as stack:
            for proxy in self._proxies.values():
                stack.enter_context(proxy.lock)
            for message in rest():
                taken = self._proxies.get(message.stream)
                (taken.stream if taken else getattr(sys, message.stream)).write(message.text + "\n")
            for proxy in self._proxies.values():
                proxy.let_go()

    def stop(self) -> None:
        """Gives the places back, but for one that somebody else has taken."""
        for name, proxy in self._proxies.items():
            if getattr(sys, name) is proxy:
                setattr(sys, name, proxy.stream)
            proxy.say = None
        self._proxies = {}

    def forget(self) -> None:
        """Gives the places back in a forked process: what is held is the other's to write, and its locks are too."""
        for proxy in self._proxies.values():
            proxy.lock, proxy.holds, proxy.begun = threading.RLock(), False, ""
        self.stop()

    def _stand_in(self, terminals_only: bool) -> None:
        for name in _STREAMS:
            stream = getattr(sys, name)
            terminal = surface(stream) == "terminal"
            if name not in self._proxies and stream is not None and (terminal or not terminals_only):
                self._proxies[name] = _Proxy(name, stream, terminal, self._say)
                setattr(sys, name, self._proxies[name])


class _Proxy:
    """A stream's stand-in.

    Attributes:
        stream: the real one.
        terminal: whether that is a terminal.
        say: is told each finished line, as `Capture` says; None once the place is given back.
        holds: whether lines are held.
        begun: the line that is not finished yet.
    """

    def __init__(
        self, name: StreamName, stream: IO[str], terminal: bool, say: Callable[[StreamName, str, bool], None]
    ) -> None:
        self._name: StreamName = name
        self.stream = stream
        self.terminal = terminal
        self.say: Callable[[StreamName, str, bool], None] | None = say
        self.holds = False
        self.begun = ""
        # Re-entrant: a signal handler may print between two lines of a print.
        self.lock = threading.RLock()

    def write(self, text: str) -> int:
        """Tells the lines that `text` finishes, and writes it through if it is not held."""
        with self.lock:
            if not self.holds:
                self.stream.write(text)
            if self.say:
                *lines, self.begun = (self.begun + text).split("\n")
                for line in lines:
                    self.say(self._name, line, self.holds)
            return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Writes each of them."""
        for line in lines:
            self.write(line)

    def let_go(self) -> None:
        """From now on writes through, first what is held."""
        if self.holds and self.begun:
            self.stream.write(self.begun)
        self.holds = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
