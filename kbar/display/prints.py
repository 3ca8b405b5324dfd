"""Owns what others print while bars are up: whole lines, handed on to go above them."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import IO, Any

from ..core.snapshot import Message, StreamName
from ..system.environment import place, surface
from ..system.terminal import StandIn, put, within_write

_LONGEST = 1 << 20  # characters that are held of a line that is not finished
_OFTEN = 1 << 10  # pieces after which they are joined
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
        self._given_back: deque[_Proxy] = deque(maxlen=20)

    def hold(self, where: object) -> None:
        """From now on what is printed on terminals is held; where `where` is not None, on those of that `place`."""

        def wanted(stream: IO[str]) -> bool:
            there = place(stream)
            unsaid = isinstance(there, int) and not isinstance(where, int)
            return surface(stream) == "terminal" and (where is None or unsaid or there in (None, where))

        self._stand_in(wanted, holds=True)

    def listen(self) -> None:
        """From now on whatever is printed is told."""
        self._stand_in(lambda _: True, holds=False)

    def let_go(self, rest: Callable[[], Iterable[Message]], patience: float) -> None:
        """From now on nothing is held; `rest`, what was held and not drawn, is written before what follows.

        Args:
            rest: called once nobody can print any more.
            patience: seconds for which a stream may take nothing before that is given up.
        """
        proxies = [proxy for proxy in self._proxies.values() if proxy.holds]
        with ExitStack() as stack:
            for proxy in proxies:
                stack.enter_context(proxy.lock)
            texts: dict[str, str] = {}
            for message in rest():
                texts[message.stream] = texts.get(message.stream, "") + message.text + "\n"
            for proxy in proxies:
                put(proxy.stream, texts.get(proxy.which, "") + proxy.begun, patience)
                proxy.holds = False

    def stop(self) -> None:
        """Gives the places back, but for one that somebody else has taken."""
        for name, proxy in self._proxies.items():
            if getattr(sys, name, None) is proxy:
                setattr(sys, name, proxy.stream)
            proxy.say = None
        for handler, proxy in self._handlers(lambda proxy: proxy):
            with contextlib.suppress(Exception):
                handler.stream = proxy.stream
        # print() of some Pythons has no reference of its own to the stream it writes to, and may be amid a line.
        self._given_back.extend(self._proxies.values())
        self._proxies = {}

    def forget(self) -> None:
        """Gives the places back in a forked process."""
        for proxy in self._proxies.values():
            proxy.forget()
        self.stop()

    def _stand_in(self, wanted: Callable[[IO[str]], bool], holds: bool) -> None:
        for name in _STREAMS:
            proxy = self._proxies.get(name)
            stream = proxy.stream if proxy else getattr(sys, name, None)
            while isinstance(stream, _Proxy) and stream.say is None:  # put back by who took it in an earlier run
                stream = stream.stream
            if stream is None or not wanted(stream):
                continue
            if proxy:
                proxy.holds = proxy.holds or holds
            else:  # holds at once: another thread may print at any moment
                self._proxies[name] = _Proxy(name, stream, holds, self._say)
                setattr(sys, name, self._proxies[name])
        for handler, proxy in self._handlers(lambda proxy: proxy.stream):  # those that were made before
            with contextlib.suppress(Exception):  # whatever somebody's handler makes of that
                handler.stream = proxy

    def _handlers(self, stream_of: Callable[[_Proxy], object]) -> Iterator[tuple[Any, _Proxy]]:
        """The handlers of `logging` that write to one of these streams, each with whose that is."""
        logging = sys.modules.get("logging")
        loggers = [logging.root, *list(logging.root.manager.loggerDict.values())] if logging else []
        for handler in [handler for logger in loggers for handler in getattr(logger, "handlers", ())]:
            for each in (handler, getattr(handler, "python_handler", None)):  # absl's, and so TensorFlow's, has another
                with contextlib.suppress(Exception):
                    stream = getattr(each, "stream", self)
                    yield from ((each, proxy) for proxy in self._proxies.values() if stream is stream_of(proxy))


class _Proxy(StandIn):
    """A stream's stand-in.

    Attributes:
        stream: the real one.
        holds: whether lines are held.
        say: is told each finished line, as `Capture` says; None once the place is given back.
    """

    def __init__(
        self, name: StreamName, stream: IO[str], holds: bool, say: Callable[[StreamName, str, bool], None]
    ) -> None:
        self.which: StreamName = name
        self.stream = stream
        self.holds = self._held = holds
        self.say: Callable[[StreamName, str, bool], None] | None = say
        self._begun: list[str] = []  # the pieces of the line that is not finished yet
        # Re-entrant: a signal handler may print between two lines of a print.
        self.lock = threading.RLock()

    def write(self, text: str) -> int:
        """Tells the lines that `text` finishes, and writes it through if it is not held."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        size = len(text)
        with self.lock:
            own = within_write()  # of a stream that prints what it is given, as to a log
            holds, held, self._held = self.holds and not own, self._held, self.holds
            if holds and not text.isascii() and getattr(self.stream, "errors", None) == "backslashreplace":
                encoding = str(self.encoding)  # as stderr shows what it cannot encode, wherever it is drawn
                text = text.encode(encoding, "backslashreplace").decode(encoding)
            if not holds:
                self.stream.write(text)
            elif not held:
                self._begun = []  # that is on the stream already
            if self.say and not own:
                self._begun.append(text)
                if "\n" in text or "\r" in text or len(self._begun) % _OFTEN == 0 or size > _LONGEST:
                    self._tell(self.say, holds)
            return size

    def _tell(self, say: Callable[[StreamName, str, bool], None], held: bool) -> None:
        pieces, self._begun = self._begun, []  # at once, lest a signal handler's print finds them too
        *lines, rest = "".join(pieces).split("\n")
        for line in lines:
            say(self.which, line, held)
        if "\r" in rest[:-1]:  # a line that is rewritten, of which the latest counts
            rest = rest[rest.rindex("\r", 0, -1) + 1 :]
        if len(rest) > _LONGEST:
            say(self.which, rest, held)
            rest = ""
        self._begun[:0] = [rest] if rest else []

    @property
    def begun(self) -> str:
        """The line that is not finished yet."""
        return "".join(self._begun)

    def forget(self) -> None:
        """Owns nothing in a forked process: what is held is the other's to write, and the lock is too."""
        self.lock, self.holds, self._begun = threading.RLock(), False, []

    def flush(self) -> None:
        """What is held is drawn soon; what is not is the stream's to flush."""
        if not self.holds:
            self.stream.flush()

    def __enter__(self) -> _Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def writelines(self, lines: Iterable[str]) -> None:
        """Writes each of them."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
