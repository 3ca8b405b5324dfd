"""Programs on a terminal of their own that a person types at."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator

import pyte
import pytest

PATIENCE = 60.0  # seconds, for machines that do a lot besides


class Session:
    """A program with a controlling terminal, its screen, and what is typed there.

    Args:
        code: a Python program.
        env: what to add to the environment.
    """

    def __init__(self, code: str, env: dict[str, str] | None = None, size: tuple[int, int] = (80, 24)) -> None:
        self._screen = pyte.Screen(*size)
        self._stream = pyte.Stream(self._screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.received: list[str] = []
        self.code: int | None = None
        self._process, self._terminal = pty.fork()
        if not self._process:
            plain = {"TERM": "xterm-256color", "PYTHONUNBUFFERED": "", "INPUTRC": "/dev/null"}
            os.execve(sys.executable, [sys.executable, "-c", code], {**os.environ, **plain, **(env or {})})
        columns, lines = size
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    @property
    def text(self) -> str:
        """The screen as a person sees it, without blanks behind lines and below the last."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def lines(self) -> list[str]:
        """The lines of the screen that are not blank."""
        return [line for line in self.text.splitlines() if line]

    def type(self, keys: str) -> None:
        """Type `keys`."""
        os.write(self._terminal, keys.encode())

    def read(self, seconds: float) -> str:
        """Show what the program writes within so many seconds, and return it."""
        until, begun = time.monotonic() + seconds, len(self.received)
        while self.code is None and (left := until - time.monotonic()) > 0:
            self._read(left)
        return "".join(self.received[begun:])

    def wait_for(self, condition: str | Callable[[], bool]) -> None:
        """Go on until a text is on the screen, or a condition holds."""
        until = time.monotonic() + PATIENCE
        while not (condition in self.text if isinstance(condition, str) else condition()):
            assert time.monotonic() < until, f"no {condition} on\n{self.text}"
            assert self.code is None, f"ended without {condition}:\n{self.text}"
            self._read(0.02)

    def end(self) -> int:
        """Go on until the program ends; return its exit code."""
        until = time.monotonic() + PATIENCE
        while self.code is None:
            assert time.monotonic() < until, f"still running:\n{self.text}"
            self._read(0.1)
        return self.code

    def _read(self, seconds: float) -> None:
        if not select.select([self._terminal], [], [], seconds)[0]:
            return
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # it has ended
            data = b""
        if data:
            text = self._decoder.decode(data)
            self.received.append(text)
            self._stream.feed(text)
        else:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])

    def close(self) -> None:
        """End the program if it runs, and give the terminal back."""
        if self.code is None:
            os.kill(self._process, 9)
            os.waitpid(self._process, 0)
        os.close(self._terminal)


@pytest.fixture
def sessions() -> Iterator[Callable[..., Session]]:
    """Starts sessions, and closes them at the end of the test."""
    begun: list[Session] = []

    def start(code: str, **options: object) -> Session:
        begun.append(Session(code, **options))  # type: ignore[arg-type]
        return begun[-1]

    yield start
    for session in begun:
        session.close()
