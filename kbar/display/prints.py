"""Keeps what others print apart from bars and log lines, without holding it back."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

from ..core.snapshot import StreamName
from ..system.output import Output
from ..system.passing import is_own_write
from ..system.replaced import Shadow

_LONGEST = 1 << 20  # characters that are kept of a line that has not ended


class Prints:
    """Replaces `write` of the standard streams while kbar draws on the same terminal or file.

    Args:
        settle: called before each print, on the thread that prints; has all that is over drawn first.
        report: called with the name of the stream and each printed line, if a log wants them.
    """

    def __init__(self, settle: Callable[[], None], report: Callable[[StreamName, str], None]) -> None:
        self._settle, self._report = settle, report
        self._shared: dict[Output, list[Shadow]] = {}
        self._listeners: list[_Listener] = []

    def attach(self, output: Output) -> None:
        """Replace `write` of the standard streams that lead to the same terminal or file as `output`."""
        if output in self._shared:
            return
        streams = {id(s): s for s in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__) if output.leads_to(s)}
        lowest = {id(s): s for s in map(_lowest, streams.values())}
        self._shared[output] = []
        for stream in lowest.values():
            with contextlib.suppress(AttributeError, TypeError):  # an object whose attributes cannot be set
                self._shared[output].append(_SharedStream(stream, output, self._settle))
        kind = _ReplacedText if output.is_replaced else _BufferedText
        for stream in streams.values() if output.is_replaced or not output.is_terminal else ():
            with contextlib.suppress(AttributeError, TypeError):  # likewise
                self._shared[output].append(kind(stream, output, self._settle))

    def listen(self) -> None:
        """From now on, pass each line that is printed to `sys.stdout` or `sys.stderr` to `report`."""
        if self._listeners:
            return
        names: tuple[StreamName, StreamName] = ("stdout", "stderr")
        for name in names:
            with contextlib.suppress(AttributeError, TypeError):  # likewise
                self._listeners.append(_Listener(getattr(sys, name), name, self._report))

    def release(self, outputs: set[Output], listening: bool) -> None:
        """Give back the streams that lead to none of `outputs`; also those for `report`, unless `listening`."""
        while self._listeners and not listening:
            self._listeners.pop().remove()
        for output in [output for output in self._shared if output not in outputs]:
            for stream in reversed(self._shared.pop(output)):
                stream.remove()


def _lowest(stream: Any) -> Any:
    """The object that all text and bytes for `stream` pass through: its buffer, or else itself."""
    return getattr(stream, "buffer", stream)


def _bytes(array: Any) -> bytes:
    """The bytes of an array that is written to a stream's buffer; none if the stream is going to refuse it."""
    with contextlib.suppress(TypeError, ValueError):
        return memoryview(array).tobytes()
    return b""


class _SharedStream(Shadow):
    """A stream that leads to a place where kbar draws bars or log lines."""

    def __init__(self, stream: Any, output: Output, settle: Callable[[], None]) -> None:
        self._output, self._settle = output, settle
        self._unflushed: int | None = None  # `Output.frames_drawn` when text was written that may not be flushed yet
        super().__init__(stream)

    def write(self, data: Any) -> Any:
        """Take the bars away, and write `data`."""
        shown = data if isinstance(data, (str, bytes)) else _bytes(data)
        if not self.active or not shown:
            return self._write(data)
        if is_own_write():
            return self._write_own(data)
        output = self._output
        if output.waiting:  # lines of kbar's go after the last line that `data` ends
            end = shown.rfind("\n" if isinstance(shown, str) else b"\n") + 1  # type: ignore[arg-type]  # of its own type
            if 0 < end < len(shown):
                taken = [self.write(shown[:end]), self.write(shown[end:])]
                return None if None in taken else sum(taken)  # some streams do not say how much they take
        # In a file, a line that has begun must not be broken; nor one that others have recorded the beginning of.
        if (output.is_terminal or not output.column) and not output.turn.is_this_threads:
            self._settle()
        with output.lock:
            output.make_room(shown)
            taken = self._write(data)
            self._unflushed = output.frames_drawn
            output.printed(shown)
        return taken

    def _write_own(self, data: Any) -> Any:
        """Write kbar's own lines, which the user's replacement for the stream passes on, at the beginning of a line."""
        with self._output.lock:
            if self._output.begin_lines():
                self._write("\n" if isinstance(data, str) else b"\n")
            return self._write(data)

    def flush(self) -> None:
        """Flush the stream, and hide the bars first if a frame was drawn since the text was written."""
        if self._unflushed is None or not self.active or is_own_write():
            self._flush()
            return
        with self._output.lock:
            if self._unflushed != self._output.frames_drawn:
                self._output.hide()
            self._unflushed = None
            self._flush()


class _BufferedText(Shadow):
    """A text stream that leads to a file or pipe, and may keep what is printed until much later.

    Lines of kbar's have to be written before, so that they stand in front of what is printed after them; but not
    between two pieces of one line, unless the user has flushed the first, as dots are printed one by one.
    """

    def __init__(self, stream: Any, output: Output, settle: Callable[[], None]) -> None:
        self._output, self._settle = output, settle
        super().__init__(stream)

    def write(self, data: Any) -> Any:
        """Have all that is over written, and write `data`."""
        if not self.active or not data or is_own_write():
            return self._write(data)
        if self not in self._output.turn.begun:
            self._settle()
        return self._write_piece(data)

    def _write_piece(self, data: Any) -> Any:
        taken = self._write(data)
        (self._output.turn.begun.discard if data.endswith("\n") else self._output.turn.begun.add)(self)
        return taken

    def flush(self) -> None:
        """Flush the stream."""
        if not self._output.flushing:
            self._output.turn.begun.discard(self)
        self._flush()

    def remove(self) -> None:
        """Restore `write` and `flush`."""
        self._output.turn.begun.discard(self)
        super().remove()


class _ReplacedText(_BufferedText):
    """A text stream whose `write` others have replaced, as trackers do that record what is printed.

    They see each piece of a line after it is written. Lines of kbar's must come between two lines there as well.
    """

    def _write_piece(self, data: Any) -> Any:
        with self._output.turn.taken():
            return super()._write_piece(data)


class _Listener(Shadow):
    """A stream whose lines are passed on to logs."""

    def __init__(self, stream: Any, name: StreamName, report: Callable[[StreamName, str], None]) -> None:
        self._name, self._report = name, report
        self._pieces: list[str] = []  # the pieces of a line that has not ended yet
        super().__init__(stream)

    def write(self, data: Any) -> Any:
        """Write `data`, and pass on the lines that it ends."""
        taken = self._write(data)
        if self.active and not is_own_write() and isinstance(data, str):
            self._pieces.append(data)
            if "\n" in data or "\r" in data or len(self._pieces) > 1000:
                self._report_lines()
        return taken

    def _report_lines(self) -> None:
        # By one statement, so that a signal handler that prints does not pass the same pieces on.
        pieces, self._pieces = self._pieces, []
        *lines, rest = "".join(pieces).split("\n")
        for line in lines:
            self._report(self._name, line)
        rest = rest[rest.rfind("\r", 0, -1) + 1 :]  # after a carriage return, only the new text counts
        self._pieces[:0] = [rest[-_LONGEST:]] if rest else []
