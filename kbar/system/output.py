"""Text that goes out to a stream by ordinary, blocking writes."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import select
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

from .descriptor import Descriptor
from .environment import place

_LINE_END = 0.25  # seconds for which a line that somebody has begun may be finished before it is broken
_this_thread = threading.local()


def is_own_write() -> bool:
    """Whether this thread is writing text of kbar's own, which is nothing that the user prints."""
    return getattr(_this_thread, "writes", False)


class Shadow:
    """Stands in for `write` and `flush` of one stream object, and calls on to what was there.

    Everybody who holds the object is seen, and the object stays what it is.

    Args:
        stream: any object whose attributes can be set.

    Raises:
        AttributeError, TypeError: if they cannot.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.active = True
        self._replaced = {name: vars(stream).get(name) for name in ("write", "flush")}
        self._write, self._flush = stream.write, getattr(stream, "flush", lambda: None)
        stream.write, stream.flush = self.write, self.flush

    def write(self, data: Any) -> Any:
        """Write `data` as the stream does."""
        return self._write(data)

    def flush(self) -> None:
        """Flush as the stream does."""
        self._flush()

    def remove(self) -> None:
        """Give `write` and `flush` back, unless somebody has replaced them since; then calls only pass through."""
        self.active = False
        for name, before in self._replaced.items():
            if vars(self.stream).get(name) != getattr(self, name):
                continue
            if before is None:
                delattr(self.stream, name)
            else:
                setattr(self.stream, name, before)


class Output:
    """A stream that bars or lines are written to; all who write to one place share one output.

    Real files, pipes and terminals are written to by a descriptor of its own: nothing stays in Python's
    buffers, where the interpreter would fail with it at its end, and a thread that waits for a reader holds no
    lock of Python's. If the `write` of the stream object was replaced, or it is no real stream, that is called.

    Args:
        stream: None for nowhere.

    Attributes:
        lock: held while anything is written, by the user's prints too.
        begun: columns of a line that was printed and has not ended yet.
        late: whether it was waited for in vain since it last took anything.
    """

    is_terminal: bool = False

    def __init__(self, stream: IO[str] | None) -> None:
        self.stream = stream
        self.encoding = _codec(getattr(stream, "encoding", None))
        self.lock = threading.RLock()
        self.begun = 0
        self.late = self.flushing = False
        self._errors = errors if isinstance(errors := getattr(stream, "errors", None), str) else "strict"
        self.place = place(stream)
        self._descriptor = _own_descriptor(stream)
        self._last: Sequence[str] = ()

    def draw(self, above: Sequence[str], bars: Sequence[str]) -> None:
        """Write the lines `above` the bars; the bars themselves only once they are the last."""
        self._last = bars
        self.write_lines(above)

    def leave(self) -> None:
        """Leave the bars that were drawn last as lines."""
        bars, self._last = self._last, ()
        self.write_lines(bars)

    def hide(self) -> None:
        """Take the bars away, so that something may be printed."""

    def printed(self, data: Any) -> None:
        """Take note that the user has printed `data`, text or bytes; with the lock held."""
        if not data or data[-1:] in ("\n", b"\n"):
            self.begun = 0 if data else self.begun
            return
        text = data if isinstance(data, str) else bytes(data).decode(self.encoding, "replace")
        _, newline, line = text.rpartition("\n")
        self.begun = max(1, len(line.rpartition("\r")[2]) + (0 if newline or "\r" in line else self.begun))

    def write_lines(self, lines: Sequence[str]) -> None:
        """Write whole lines, at the beginning of a line.

        Raises:
            OSError, ValueError: as the stream does.
        """
        if not lines or self.stream is None:
            return
        text = "".join(f"{line}\n" for line in lines)
        until = time.monotonic() + _LINE_END  # the user may finish a line meanwhile
        if not self._is_direct:
            while self.begun and time.monotonic() < until:
                time.sleep(0.005)
            begun, self.begun = self.begun, 0
            self.write("\n" + text if begun else text)
            return
        self._wait()
        with self.lock:
            self._flush()
            while self.begun and time.monotonic() < until:
                threading.Condition(self.lock).wait(0.005)
            self.write("\n" + text if self.begun else text)
            self.begun = 0

    def write(self, text: str) -> None:
        """Write `text`, and wait until all of it is taken.

        Raises:
            OSError, ValueError: as the stream does.
        """
        if self.stream is None or not text:
            return
        if self._descriptor and self._is_direct:
            with self.lock:
                _write_all(self._descriptor, self._encoded(text))
        else:  # without the lock, which a print that comes through the same stand-in may hold and wait for it
            self._write_by_stream(self._encoded(text).decode(self.encoding, self._errors))
        self.late = False

    @property
    def _is_direct(self) -> bool:
        """Whether text goes by the descriptor, for nobody sees what is written by a `write` of his own."""
        replaced = vars(self.stream).get("write") if self._descriptor else None
        is_shadow = isinstance(getattr(replaced, "__self__", None), Shadow)
        return self._descriptor is not None and (replaced is None or is_shadow)

    def _wait(self) -> None:
        """Wait until something is taken, before the lock is needed, which the user's prints need too."""
        _wait_until_writable(self._descriptor.number if self._descriptor else _behind(self.stream))

    def _flush(self) -> None:
        """What was printed before comes first."""
        if self._descriptor and self.stream is not None:
            self.flushing = True
            try:
                with contextlib.suppress(OSError, ValueError):  # what is wrong with it, its owner will hear
                    self.stream.flush()
            finally:
                self.flushing = False

    def _write_by_stream(self, text: str) -> None:
        stream: Any = self.stream
        # A thread that waits within Python's own stream would hold its lock, and abort the interpreter at its end.
        self._wait()
        with _own_write():
            try:
                stream.write(text)
                if hasattr(stream, "flush"):
                    stream.flush()
            except BlockingIOError:
                pass  # its buffer has it
            except OSError:
                _drop_unwritten()
                raise

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
        columns, lines = self._terminal_size()
        if not self.is_terminal:
            columns, lines = (
                found or _from_environment(name) for found, name in ((columns, "COLUMNS"), (lines, "LINES"))
            )
        return columns or 80, lines or 24

    def _terminal_size(self) -> tuple[int, int]:
        try:
            return os.get_terminal_size(self._descriptor.number if self._descriptor else self.stream.fileno())  # type: ignore[union-attr]  # None is what except is for
        except (AttributeError, ValueError, OSError):
            return 0, 0

    def leads_to(self, stream: IO[str] | None) -> bool:
        """Whether `stream` leads to the same place."""
        return stream is not None and (stream is self.stream or place(stream) == self.place)

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            if self._descriptor:
                self._descriptor.close()


def _own_descriptor(stream: IO[str] | None) -> Descriptor | None:
    raw = getattr(getattr(stream, "buffer", None), "raw", getattr(stream, "buffer", None))
    if os.name != "posix" or type(stream) is not io.TextIOWrapper or not isinstance(raw, io.FileIO):
        return None
    try:
        return Descriptor(os.dup(stream.fileno()))
    except (OSError, ValueError):  # closed
        return None


def _write_all(descriptor: Descriptor, data: bytes) -> None:
    while data:
        try:
            data = data[descriptor.write(data) :]
        except BlockingIOError:  # somebody has made that of it for all who have it open
            _wait_until_writable(descriptor.number)


def _wait_until_writable(descriptor: int | None) -> None:
    """Wait until something can be written.

    Raises:
        BrokenPipeError: if nobody will ever read it.
    """
    if descriptor is None or not hasattr(select, "poll"):
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if any(event & select.POLLERR for _, event in poll.poll()):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def _behind(stream: Any) -> int | None:
    """The descriptor that a stand-in for a stream leads to, most likely."""
    if isinstance(stream, io.StringIO):
        return None
    candidates: tuple[Any, Any] = (stream, sys.__stdout__)
    for each in candidates:
        with contextlib.suppress(Exception):  # it may be anything
            return int(each.fileno())
    return None


def _drop_unwritten() -> None:
    """Take out of Python's buffers what could not be written, lest the interpreter fails with it at its end."""
    for stream in (sys.__stdout__, sys.__stderr__):
        raw: Any = getattr(getattr(stream, "buffer", None), "raw", None)
        with contextlib.suppress(Exception):  # no such stream
            raw.write = len
            try:
                stream.flush()  # type: ignore[union-attr]  # None has no raw
            finally:
                del raw.write


@contextlib.contextmanager
def _own_write() -> Iterator[None]:
    before, _this_thread.writes = is_own_write(), True
    try:
        yield
    finally:
        _this_thread.writes = before


def _codec(encoding: object) -> str:
    try:
        return codecs.lookup(str(encoding)).name.removesuffix("-sig")  # what marks the beginning of a file
    except LookupError:
        return "utf-8"


def _from_environment(name: str) -> int:
    text = os.environ.get(name)
    return int(text) if text and text.isdecimal() else 0


class SharedStream:
    """A stream that copies of its owner share, and that does not go with it to another process."""

    def __init__(self, stream: IO[str] | None) -> None:
        self.stream = stream

    def or_stdout(self) -> IO[str] | None:
        """The stream; `sys.stdout` as it is now if there is none."""
        return sys.stdout if self.stream is None else self.stream

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedStream:
        return self

    def __reduce__(self) -> tuple[type[SharedStream], tuple[None]]:
        return SharedStream, (None,)
