"""Keeps what others print apart from bars and log lines, without holding it back."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

from ..core.snapshot import StreamName
from ..system.output import Output, is_own_write
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
        self._shared: dict[Output, list[_SharedStream]] = {}
        self._listeners: list[_Listener] = []

    def share(self, output: Output) -> None:
        """From now on, keep prints to the place of `output` apart from what is drawn there."""
        if output in self._shared:
            return
        streams = [sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__]
        lowest = {id(low): low for low in (_lowest(stream) for stream in streams if output.leads_to(stream))}
        self._shared[output] = []
        for stream in lowest.values():
            with contextlib.suppress(AttributeError, TypeError):  # an object whose attributes cannot be set
                self._shared[output].append(_SharedStream(stream, output, self._settle))

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
        for output in [output for output in self._shared if output not in outputs]:
            for stream in self._shared.pop(output):
                stream.remove()
        while self._listeners and not listening:
            self._listeners.pop().remove()


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
        self._unflushed: int | None = None  # the frame in which it made room for text that may not be flushed yet
        super().__init__(stream)

    def write(self, data: Any) -> Any:
        """Take the bars away, and write `data`."""
        shown = data if isinstance(data, (str, bytes)) else _bytes(data)
        if not self.active or not shown:
            return self._write(data)
        if is_own_write():
            return self._write_own(data)
        output = self._output
        if output.waiting:  # they come behind the last line that ends here
            end = shown.rfind("\n" if isinstance(shown, str) else b"\n") + 1  # type: ignore[arg-type]  # of its own type
            if 0 < end < len(shown):
                taken = [self.write(shown[:end]), self.write(shown[end:])]
                return None if None in taken else sum(taken)  # some streams do not say how much they take
        self._settle()
        with output.lock:
            output.make_room(shown)
            taken = self._write(data)
            self._unflushed = output.frame
            output.printed(shown)
        return taken

    def _write_own(self, data: Any) -> Any:
        """Write lines of kbar's own, which the user's stand-in for the stream passes on, at the beginning of a line."""
        with self._output.lock:
            if self._output.column and not self._output.is_terminal:
                self._write("\n" if isinstance(data, str) else b"\n")
                self._output.column = 0
            return self._write(data)

    def flush(self) -> None:
        """Flush the stream; there is room for the text, unless another frame was drawn since it was written."""
        if self._unflushed is None or not self.active or is_own_write():
            self._flush()
            return
        with self._output.lock:
            if self._unflushed != self._output.frame:
                self._output.hide()
            self._unflushed = None
            self._flush()


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
