"""Writes text to a stream by ordinary, blocking writes, and sees what others write to it."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO, Any

from .cells import column_after
from .descriptor import Descriptor, file_behind
from .environment import place
from .passing import Turn, stand_in, write_by
from .portable import terminal_size, wait_until_writable
from .replaced import Shadow

_LINE_END = 0.25  # seconds for which log lines wait for the end of a line that the user has begun


class Output:
    """A stream that bars or lines are written to. All renderers that write to the same place share one output.

    Files, pipes and terminals are written to by a descriptor of its own. So nothing that cannot be written stays in
    Python's buffers, where it would change the exit code, and a thread that waits for a reader holds none of Python's
    locks. For other objects, and streams whose `write` was replaced, `write` is called.

    Args:
        stream: the stream; None to write nothing.
        name: where it is found in `sys`, behind a tee or not: ``stdout``, ``stderr``, or "" if it is not there.

    Attributes:
        lock: held while anything is written, by the user's prints too.
        column: how many columns of an unfinished line have been printed; 0 at the beginning of a line.
        turn: whose turn it is to write a line where other code has replaced `write`.
        waiting: text of kbar's own that is written when the user's unfinished line ends.
        frames_drawn: the number of frames that were drawn.
        waits: one object for each end of a run and each print that waits until lines are written.
        timed_out: whether it was waited for in vain since it last took anything.
    """

    is_terminal: bool = False

    def __init__(self, stream: IO[str] | None, name: str = "") -> None:
        self.stream = stream
        self.encoding = _codec(getattr(stream, "encoding", None))
        self.lock = threading.RLock()
        self.column = self.frames_drawn = 0
        self.timed_out = self.flushing = False
        self.waits: set[object] = set()
        self.turn = Turn()
        self.waiting = ""
        self._errors = errors if isinstance(errors := getattr(stream, "errors", None), str) else "strict"
        self.place = place(stream)
        self._descriptor = _own_descriptor(stream)
        self._name = name
        self._last: Sequence[str] = ()

    @property
    def room(self) -> int | None:
        """How many lines of bars can be seen; None if there is no limit."""
        return None

    def draw(self, above: Sequence[str], bars: Sequence[str]) -> None:
        """Write the lines `above` the bars. The bars themselves are written by `keep_bars` only."""
        self._last = bars
        self.write_lines(above)

    def keep_bars(self) -> None:
        """Leave the bars that were drawn last as lines, with the cursor below them."""
        bars, self._last = self._last, ()
        self.draw(bars, ())

    def hide(self) -> None:
        """Take the bars away, so that text can be printed; here there are none."""

    def make_room(self, data: Any) -> None:
        """Take the bars away, if they are in the way of `data`, text or bytes that the user prints."""

    def printed(self, data: Any) -> None:
        """Record that the user has printed `data`, text or bytes but not nothing. The lock must be held."""
        if data[-1:] != (b"\n" if isinstance(data, bytes) else "\n"):
            self.column = max(1, column_after(self._decoded(data), self.column))
            return
        self.column = 0
        if self.waiting:  # lines that come between this line and the next
            with contextlib.suppress(OSError, ValueError):  # the next lines will tell
                # Not the stream itself: it may hold text that is to come behind the rest of what it writes just now.
                buffer: Any = getattr(self.stream, "buffer", self.stream)
                buffer.flush()
                self._write_waiting()

    def _decoded(self, data: str | bytes) -> str:
        return data if isinstance(data, str) else data.decode(self.encoding, "replace")

    def write_lines(self, lines: Sequence[str]) -> None:
        """Write whole lines, at the beginning of a line.

        Raises:
            OSError, ValueError: as the stream does.
        """
        if not lines or self.stream is None:
            return
        text = "".join(f"{line}\n" for line in lines)
        until = time.monotonic() + _LINE_END  # until then the user may end the line
        self._wait()
        if not self._is_direct:
            while not self._write_in_turn(text, until):
                time.sleep(0.005)
            return
        with self.lock:
            self.waiting += text  # behind those of another renderer
        while self.waiting:
            with self.lock:
                self._flush()
                if not self.column or self.waits or time.monotonic() > until:
                    self._write_waiting()
                    return
            time.sleep(0.005)

    def _write_in_turn(self, text: str, until: float) -> bool:
        """Write lines by the stream if no line of the user's has begun, or in any case after the time `until`."""
        self._flush()
        with self.turn.taken():
            is_within = self.column > 0 or bool(self.turn.begun)
            if is_within and not self.waits and time.monotonic() < until:
                return False
            self.column = 0
            self._write_by_stream("\n" + text if is_within else text)
        return True

    def _write_waiting(self) -> None:
        """Write the lines that wait for the end of the user's line, behind text that is flushed. The lock is held."""
        text, self.waiting = self.waiting, ""
        self.write("\n" + text if text and self.column else text)
        self.column = 0

    def write(self, text: str) -> None:
        """Write all of `text`, and wait as long as that takes.

        Raises:
            OSError, ValueError: as the stream does.
        """
        if self.stream is None or not text:
            return
        if self._is_direct:
            self._write_direct(text)
        else:
            self._write_by_stream(text)

    def begin_lines(self) -> bool:
        """Whether the user's line has to be ended before lines of kbar's that the stream's replacement passes on."""
        column, self.column = self.column, 0
        return column > 0

    def _write_direct(self, text: str) -> None:
        assert self._descriptor is not None
        if text:
            with self.lock:
                _write_all(self._descriptor, self._encoded(text.replace("\n", os.linesep)))
            self.timed_out = False

    @property
    def is_replaced(self) -> bool:
        """Whether other code has replaced the stream of a file or terminal, or its `write`, and sees kbar's lines."""
        return self._descriptor is not None and not self._is_direct

    @property
    def _is_direct(self) -> bool:
        """Whether text goes to the descriptor, as no other code has replaced the stream or its `write`."""
        direct = self._descriptor is not None and stand_in(self.stream, self._name) is self.stream
        return direct and not Shadow.is_replaced(self.stream)

    def _wait(self) -> None:
        """Wait until the stream is ready, before the lock is taken that prints need as well."""
        wait_until_writable(self._descriptor.number if self._descriptor else _likely_descriptor(self.stream))

    def _flush(self) -> None:
        """Write out what was printed before, so that it comes first."""
        if self._descriptor and self.stream is not None:
            self.flushing = True
            try:
                with contextlib.suppress(OSError, ValueError):  # the program gets this error with its own next write
                    self.stream.flush()
            finally:
                self.flushing = False

    def _write_by_stream(self, text: str) -> None:
        # Without the lock: a print that holds it may be waiting for the replacement's own lock.
        stream, text = stand_in(self.stream, self._name), self._encoded(text).decode(self.encoding, self._errors)
        # A thread that waits inside a stream of Python's holds its lock, which aborts the interpreter at its exit.
        self._wait()
        write_by(stream, text)
        self.timed_out = False

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode(self.encoding, self._errors)
        except UnicodeError:
            return text.encode(self.encoding, "replace")

    @property
    def ascii(self) -> bool:
        """Whether the stream cannot encode the characters that bars are drawn with."""
        try:
            "━█╸".encode(self.encoding)
        except UnicodeError:
            return True
        return False

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines at this moment; 80 and 24 where the terminal or `COLUMNS` and `LINES` do not say."""
        columns, lines = getattr(self.stream, "terminal_size", (0, 0))  # that of `kbar.testing.VirtualTerminal`
        with contextlib.suppress(ValueError, OSError):  # it leads to no terminal
            columns, lines = terminal_size(self._number)
        if not self.is_terminal:
            columns, lines = columns or _from_environment("COLUMNS"), lines or _from_environment("LINES")
        return columns or 80, lines or 24

    @property
    def _number(self) -> int:
        """The number of its descriptor, or of the stream's; -1, which is no descriptor's, if there is none."""
        return self._descriptor.number if self._descriptor else _number(self.stream)

    def leads_to(self, stream: IO[str] | None) -> bool:
        """Whether `stream` leads to the same place."""
        return stream is not None and (stream is self.stream or place(stream) == self.place)

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            if self._descriptor:
                self._descriptor.close()


def _own_descriptor(stream: IO[str] | None) -> Descriptor | None:
    file = file_behind(stream)
    if file is None:
        return None
    try:
        return Descriptor(os.dup(file.fileno()))
    except (OSError, ValueError):  # closed
        return None


def _write_all(descriptor: Descriptor, data: bytes) -> None:
    while data:
        try:
            data = data[descriptor.write(data) :]
        except BlockingIOError:  # other code has made the open file non-blocking
            wait_until_writable(descriptor.number)


def _number(stream: Any) -> int:
    try:
        return int(stream.fileno())
    except Exception:  # it may be anything
        return -1


def _likely_descriptor(stream: Any) -> int:
    """The descriptor that an object in place of a stream most likely writes to; -1 if there is none."""
    if isinstance(stream, io.StringIO):
        return -1
    own = _number(stream)
    return own if own >= 0 else _number(sys.__stdout__)


def _codec(encoding: object) -> str:
    try:
        return codecs.lookup(str(encoding)).name.removesuffix("-sig")  # such codecs begin with a mark
    except LookupError:
        return "utf-8"


def _from_environment(name: str) -> int:
    text = os.environ.get(name)
    return int(text) if text and text.isdecimal() else 0
