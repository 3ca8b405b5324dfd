"""Owns the way of text to a stream: whole pieces, without waiting for who reads it."""

from __future__ import annotations

import codecs
import contextlib
import io
import math
import os
import select
import stat
import sys
import threading
import time
from typing import IO, Any

from .descriptor import Descriptor
from .environment import Surface, place, surface

_this_thread = threading.local()


def within_write() -> bool:
    """Whether this thread is within a write of kbar's own, which is nothing that somebody prints."""
    return getattr(_this_thread, "writes", False)


class StandIn:
    """What is in a stream's place, and tells bars what others print: no bar is drawn through it.

    Attributes:
        stream: the real one.
    """

    stream: IO[str]


class Shared:
    """A stream that copies of its owner share, and that does not go with it to another process."""

    def __init__(self, stream: IO[str] | None) -> None:
        self.stream = stream

    def or_stdout(self) -> IO[str] | None:
        """The stream; `sys.stdout` as it is now if there is none, what stands in for it left aside."""
        stream = sys.stdout if self.stream is None else self.stream
        return stream.stream if isinstance(stream, StandIn) else stream

    def __deepcopy__(self, memo: dict[int, Any]) -> Shared:
        return self

    def __reduce__(self) -> tuple[type[Shared], tuple[None]]:
        return Shared, (None,)


class Output:
    """Writes to where a stream leads.

    Real files, pipes and terminals are written to by a descriptor of its own: of what is written
    so, nothing stays in Python's buffers, which it would be the interpreter's to fail with at its
    end; and whatever becomes of the stream, no other file that gets its number is hit. Terminals
    and pipes are opened anew, so that not to wait for them changes nothing for others. Any other
    stream has its `write` called.

    Args:
        stream: None for nowhere.

    Attributes:
        moved: when something was last taken, in seconds of `time.monotonic`.
    """

    _PIECE = 512  # bytes of which there is space where a blocking descriptor is ready, as good as always
    _PAUSE = 0.05  # seconds for which one who reads may pause within a piece, so that it need not be taken up again
    _LONGEST = 0.3  # and the seconds that a piece takes at most

    def __init__(self, stream: IO[str] | None) -> None:
        self._stream = stream
        self.encoding = _known(getattr(stream, "encoding", None))
        self._errors = _errors(stream)
        self._waits = True
        self._descriptor = self._open(stream)
        self._rest: Any = b"" if self._descriptor else ""  # streams take text, descriptors bytes
        self._polled = self._descriptor.number if self._descriptor else _behind(stream)
        self.moved = -math.inf
        if self._descriptor and self._writable():
            self._flush()

    def _open(self, stream: IO[str] | None) -> Descriptor | None:
        raw = getattr(getattr(stream, "buffer", None), "raw", getattr(stream, "buffer", None))
        if os.name != "posix" or type(stream) is not io.TextIOWrapper or not isinstance(raw, io.FileIO):
            return None
        try:
            given = stream.fileno()
            mode = os.fstat(given).st_mode
        except (OSError, ValueError):  # closed
            return None
        if stat.S_ISCHR(mode) or stat.S_ISFIFO(mode):
            with contextlib.suppress(OSError):  # no such system, somebody else's terminal, nobody at a pipe's other end
                path = f"/proc/self/fd/{given}" if os.path.exists("/proc/self/fd") else os.ttyname(given)
                opened = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
                self._waits = False
                return Descriptor(opened)
        self._waits = os.get_blocking(given) and not stat.S_ISREG(mode)
        return Descriptor(os.dup(given))

    @property
    def ready(self) -> bool:
        """Whether all that was written has gone, and there is space for more.

        Raises:
            OSError: if nothing can be written any more.
        """
        return not self.begun and self._writable()

    @property
    def begun(self) -> bool:
        """Whether of what was written a rest is yet to go.

        Raises:
            OSError: if nothing can be written any more.
        """
        self._push()
        return bool(self._rest)

    def write(self, text: str) -> None:
        """Writes `text`, as much of it as there is space for; the rest follows it, if it is asked how things are.

        Raises:
            OSError, ValueError: if that fails; the text is gone all the same.
        """
        if self._stream is None or not text:
            return
        # What a stream holds that is flushed at each line's end is the beginning of somebody's line.
        if self._descriptor and not getattr(self._stream, "line_buffering", False) and self.ready:
            self._flush()
        self._rest += self._encoded(text) if self._descriptor else self._encodable(text)
        began = time.monotonic()
        while self.begun and self.moved >= began and self._writable(self._PAUSE):
            if time.monotonic() > began + self._LONGEST:
                break

    def _flush(self) -> None:
        """What others have written comes first."""
        with contextlib.suppress(AttributeError, OSError, ValueError):  # whatever is wrong is its owner's affair
            self._stream.flush()  # type: ignore[union-attr]  # None is what suppress is for

    def _push(self) -> None:
        pieces = self._waits and self._polled is not None
        try:
            while self._rest and (not pieces or self._writable()):
                self._rest = self._rest[self._give(self._rest[: self._PIECE] if pieces else self._rest) :]
                self.moved = time.monotonic()
        except BlockingIOError:
            pass
        except BaseException:
            self._rest = self._rest[:0]
            raise

    def _give(self, piece: Any) -> int:
        """Returns how much of `piece` was taken."""
        if self._descriptor:
            return self._descriptor.write(piece)
        assert self._stream is not None
        _this_thread.writes = True
        try:
            self._stream.write(piece)
            if hasattr(self._stream, "flush"):
                self._stream.flush()
        except BlockingIOError:  # its buffer has it
            pass
        finally:
            _this_thread.writes = False
        return len(piece)

    def _writable(self, seconds: float = 0.0) -> bool:
        """Whether there is space, within so many seconds; an error counts, for to write will tell which."""
        if self._polled is None or (self._descriptor and not self._descriptor.ours):
            return True
        poll = select.poll()
        poll.register(self._polled, select.POLLOUT)
        return bool(poll.poll(int(1000 * seconds)))

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines at this moment, 0 where there is no terminal or it does not say."""
        try:
            return os.get_terminal_size(self._descriptor.number if self._descriptor else self._stream.fileno())  # type: ignore[union-attr]  # None is what except is for
        except (AttributeError, ValueError, OSError):
            return 0, 0

    def close(self, seconds: float = 0.2, since: float = -math.inf) -> None:
        """Gives the descriptor back, once the rest is written, or nothing was taken for so many seconds.

        They count from the last that was, or from `since`, a time of `time.monotonic`.
        """
        with contextlib.suppress(OSError):
            while self.begun and time.monotonic() < max(since, self.moved) + seconds:
                time.sleep(0.01)
        with contextlib.suppress(OSError):
            if self._descriptor:
                self._descriptor.close()
        self._descriptor = self._stream = None

    def _encodable(self, text: str) -> str:
        try:
            text.encode(self.encoding, self._errors)
        except UnicodeError:
            return text.encode(self.encoding, "replace").decode(self.encoding)
        return text

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode(self.encoding, self._errors)
        except UnicodeError:
            return text.encode(self.encoding, "replace")


def put(stream: IO[str], text: str, patience: float) -> None:
    """Writes what somebody has printed, as far as the stream takes any of it within so many seconds."""
    if not text:
        return
    with contextlib.suppress(Exception):
        output = Output(stream)
        with contextlib.suppress(Exception):
            output.write(text)
        output.close(patience, time.monotonic())


class Frame:
    """A stream's stand-in that gathers a frame and writes it in one go.

    tqdm and rich write a frame in many pieces; a terminal that shows them one by one flickers,
    and one that fails between two is left in the middle of an escape. What the stream cannot
    encode is written as ``?``.

    Between two frames the cursor of a terminal stands where the bars begin: what native code
    writes there, past Python, is overwritten by no frame; the next one is drawn below it.

    Args:
        stream: where frames go; None for nowhere.
    """

    def __init__(self, stream: IO[str] | None) -> None:
        self._output = Output(stream)
        self._phases: list[str] = []
        self._above = self._columns = 0  # lines by which the cursor was put up, and the width then
        self.surface: Surface = surface(stream)
        self.place = place(stream)
        self.encoding = self._output.encoding

    @property
    def ready(self) -> bool:
        """Whether a frame could be written now without waiting."""
        return self._output.ready

    @property
    def moved(self) -> float:
        """When something of a frame was last taken, in seconds of `time.monotonic`."""
        return self._output.moved

    def write(self, text: str) -> int:
        """Adds to the frame."""
        self._phases.append(text)
        return len(text)

    def fresh_line(self) -> None:
        """Goes to a new line if the cursor of a terminal is within one, which nobody can ask it.

        Blanks up to the last column but one wrap just then; the return leads to where they end.
        """
        if self.surface == "terminal":
            self.write(" " * (self.size[0] - 1) + "\r")

    def flush(self) -> None:
        """Does nothing: a frame is written whole, by `commit`."""

    def commit(self, above: int = 0) -> None:
        """Writes the frame, if there is one, and leaves the cursor so many lines above where it ends.

        Raises:
            OSError, ValueError: as the stream does; the frame is gone all the same.
        """
        text, self._phases = "".join(self._phases), []
        if not text:
            return
        if self.surface == "terminal":
            columns, _ = self.size
            begin = "\n" * self._above
            if self._columns not in (0, columns):  # the terminal has wrapped what was there
                begin = "\r\x1b[J" + begin
            text = begin + text + "\r" + (f"\x1b[{above}A" if above else "")
            self._above, self._columns = above, columns
        self._output.write(text)

    def close(self) -> None:
        """There are no more frames."""
        self._output.close()

    def isatty(self) -> bool:
        """Whether frames go to a terminal."""
        return self.surface == "terminal"

    @property
    def ascii(self) -> bool:
        """Whether the stream cannot encode the characters that bars are drawn with."""
        try:
            "━█╸".encode(self.encoding)
        except (UnicodeError, LookupError):
            return True
        return False

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows at this moment; 80 and 24 where the terminal says 0 or nothing.

        `COLUMNS` and `LINES` in the environment count where the stream is no terminal.
        """
        columns, lines = self._output.size
        if self.surface != "terminal":
            columns = columns or _natural(os.environ.get("COLUMNS"))
            lines = lines or _natural(os.environ.get("LINES"))
        return columns or 80, lines or 24


def _behind(stream: IO[str] | None) -> int | None:
    """What a wrapper of a terminal or a pipe, such as a tee, waits for, even if it does not say so."""
    there = surface(stream)
    if there == "notebook":  # its streams have a descriptor that leads elsewhere
        return None
    for each in (stream, sys.__stdout__ if there == "terminal" == surface(sys.__stdout__) else None):
        with contextlib.suppress(Exception):  # whatever it is, it does not say
            descriptor = each.fileno()  # type: ignore[union-attr]  # so is None
            mode = os.fstat(descriptor).st_mode
            if hasattr(select, "poll") and (stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)):
                return descriptor
    return None


def _errors(stream: IO[str] | None) -> str:
    errors = getattr(stream, "errors", None)
    return errors if isinstance(errors, str) else "strict"


def _known(encoding: object) -> str:
    try:
        return codecs.lookup(str(encoding)).name.removesuffix("-sig")  # what marks the beginning of a file
    except LookupError:
        return "utf-8"


def _natural(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
