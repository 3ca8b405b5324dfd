"""Public fakes for tests: a clock that is advanced, a renderer that remembers, a terminal to read."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .core.snapshot import Event, Snapshot
from .core.throttle import FRAME
from .display.display import Display
from .display.process import install
from .display.thread import DrawingThread
from .renderers import Renderer

__all__ = ["FakeClock", "RecordingRenderer", "VirtualTerminal", "fake_clock"]


class FakeClock:
    """A clock in seconds that moves only when told to, and draws what is due on the way."""

    def __init__(self, start: float = 1000.0) -> None:
        self.now = start
        self._draw: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        """Now, in seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`, in the steps in which a display draws."""
        until = self.now + seconds
        while self.now < until - 1e-9:
            self.now = min(until, self.now + FRAME)
            self._draw()


class _NoThread(DrawingThread):
    """Draws at once, on the thread that wakes it."""

    _draws = False

    def start(self) -> bool:
        return not self._over

    def wake(self, urgent: bool = False) -> None:
        while not (self._over or self._draws):
            self._draws = True
            try:
                seconds = self._step()
            finally:
                self._draws = False
            self._over = seconds is None
            if seconds != 0.0:
                break

    def notice(self) -> None:
        """Do nothing: the next frame is soon enough."""

    def wait(self, is_done: Callable[[], bool], seconds: float) -> bool:
        """Return True: everything is drawn already."""
        return True


@contextlib.contextmanager
def fake_clock(start: float = 1000.0) -> Iterator[FakeClock]:
    """Within the block, kbar's display runs on a `FakeClock`, without threads of its own.

    Events are drawn where they happen, frames when the clock is advanced; what is still open at the end of the
    block is closed.
    """
    clock = FakeClock(start)
    display = Display(clock=clock, wall=clock, thread=_NoThread)

    def draw() -> None:
        for target in list(display.targets):
            target.thread.wake()

    clock._draw = draw
    previous = install(display)
    try:
        yield clock
    finally:
        display.close()
        install(previous)


class RecordingRenderer(Renderer):
    """Remembers all it was given to draw.

    Attributes:
        snapshots: what was drawn, in order.
        opened, closed: how often.
    """

    def __init__(self, *, screen: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.screen = screen
        self.snapshots: list[Snapshot] = []
        self.opened = self.closed = 0

    def open(self) -> None:
        """Begin a run."""
        self.opened += 1

    def draw(self, snapshot: Snapshot) -> None:
        """Keep the snapshot."""
        self.snapshots.append(snapshot)

    def close(self) -> None:
        """End the run."""
        self.closed += 1

    @property
    def events(self) -> list[Event]:
        """All events of stages, in order."""
        return [event for snapshot in self.snapshots for event in snapshot.events if isinstance(event, Event)]


class VirtualTerminal(io.TextIOBase):
    """A terminal whose screen can be read: a stream to pass as a renderer's `file`.

    What is written goes to an emulator (``pyte``, part of the ``test`` extra). Where the system has
    pseudo-terminals, the size is that of a real one, so that it is asked for as any terminal's is.

    Args:
        columns, lines: its size in characters.
        encoding: what it claims to understand.
    """

    def __init__(self, columns: int = 80, lines: int = 24, encoding: str = "utf-8") -> None:
        import pyte

        class Screen(pyte.HistoryScreen):
            def draw(self, data: str) -> None:
                for character in data:  # of several, pyte would drop all behind a mark that takes no column
                    super().draw(character)

        self._encoding = encoding
        self._master = self._slave = -1
        if sys.platform != "win32" and hasattr(os, "openpty"):
            self._master, self._slave = os.openpty()
        self.screen = Screen(columns, lines, history=10_000, ratio=0.5)
        self._stream = pyte.Stream(self.screen)
        self.received: list[str] = []
        self.resize(columns, lines)

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only is all a stream's is meant to be
        """The encoding that it claims to understand."""
        return self._encoding

    def resize(self, columns: int, lines: int = 24) -> None:
        """Change the size; 0 columns are reported as such."""
        self.terminal_size = os.terminal_size((columns, lines))
        if sys.platform != "win32" and self._has_descriptor:
            import fcntl
            import struct
            import termios

            fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns or 80)

    @property
    def _has_descriptor(self) -> bool:
        return self._slave >= 0

    def write(self, text: str) -> int:
        """Show `text`; a newline returns the carriage as a terminal's driver makes it."""
        text.encode(self._encoding)
        self.received.append(text)
        self._stream.feed(text.replace("\n", "\r\n"))
        return len(text)

    def run(
        self,
        command: Sequence[str],
        on_change: Callable[[float], object] = lambda _: None,
        env: Mapping[str, str] | None = None,
    ) -> int:
        """Run a program on this terminal until it ends; return its exit code.

        Args:
            command: the program and its arguments.
            on_change: called with the seconds since the start whenever something was written.
            env: what to add to the environment.

        Raises:
            OSError: if the system has no pseudo-terminals, as Windows.
        """
        slave = self.fileno()
        started = time.monotonic()
        surroundings = {**os.environ, "TERM": "xterm-256color", **(env or {})}
        process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=surroundings, start_new_session=True
        )
        decoder = codecs.getincrementaldecoder(self._encoding)("replace")
        while True:
            ready, _, _ = select.select([self._master], [], [], 0.02)
            if ready:
                text = decoder.decode(os.read(self._master, 65536))
                self.received.append(text)
                self._stream.feed(text)
                on_change(time.monotonic() - started)
            elif process.poll() is not None:
                return int(process.returncode)

    def fileno(self) -> int:
        """The pseudo-terminal's descriptor.

        Raises:
            OSError: if the system has no pseudo-terminals.
        """
        if not self._has_descriptor:
            raise io.UnsupportedOperation("there are no pseudo-terminals on this system")
        return self._slave

    def isatty(self) -> bool:
        """Always."""
        return True

    @property
    def text(self) -> str:
        """The screen as a person sees it, without blanks behind lines and below the last."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def close(self) -> None:
        """Close the pseudo-terminal."""
        if self._has_descriptor and not self.closed:
            os.close(self._master)
            os.close(self._slave)
        super().close()
