"""A terminal whose bars lie below what others print."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import threading
import weakref
from collections.abc import Sequence
from typing import IO, Any

from .cells import rows_taken
from .descriptor import file_behind
from .environment import place, surface
from .output import Output
from .passing import wrapped
from .portable import cursor_column, has_index, input_mode, is_in_background

# Escape sequences; n is a number of rows.
_SAVE, _RESTORE = "\x1b7", "\x1b8"  # the cursor's position, and its colours
_TO_END_OF_LINE, _WHOLE_LINE, _TO_END_OF_SCREEN = "\x1b[K", "\x1b[2K", "\x1b[J"
_DOWN, _BACK_UP = "\x1bD", "\x1bM"  # the cursor one row down or up; at the edge of the screen this scrolls
_UP, _NEXT_ROW, _COLUMN = "\x1b[{n}A", "\r\x1b[B", "\x1b[{n}G"
# Erase all behind the cursor. To do so from the top left corner makes tmux keep the screen as it was in its history.
_ERASE = _TO_END_OF_LINE + _DOWN + _WHOLE_LINE + _TO_END_OF_SCREEN + _BACK_UP

_READ = {"x86_64": 0, "aarch64": 63}  # the number of the system call `read` on Linux, by machine

_outputs: weakref.WeakValueDictionary[object, Output] = weakref.WeakValueDictionary()


def output_of(stream: IO[str] | None) -> Output:
    """The output for `stream`; streams that lead to the same place have the same output."""
    is_terminal = surface(stream) == "terminal"
    name = next((name for name in ("stdout", "stderr") if getattr(sys, name) is stream), "")
    if is_terminal:
        stream = _real(stream)
    output = Terminal(stream, name) if is_terminal else Output(stream, name)
    if stream is None:
        return output
    known = _outputs.setdefault((is_terminal, output.place), output)
    if _is_closed(known.stream):  # places are used again, such as the numbers of pseudo-terminals
        known = _outputs[is_terminal, output.place] = output
    return known


def _is_closed(stream: Any) -> bool:
    try:
        return bool(stream.closed)
    except Exception:  # whatever it is
        return False


def forget_outputs() -> None:
    """Make new outputs from now on, in a forked child: no thread there releases the locks of the old ones."""
    _outputs.clear()


def _real(stream: Any) -> Any:
    """The real stream of the terminal if `stream` is an object in place of it, such as a tee; else `stream`."""
    standard: Any = sys.__stderr__ if stream is sys.stderr else sys.__stdout__
    if not file_behind(standard):  # a tracker has replaced this one as well
        standard = next(filter(file_behind, wrapped(standard)), standard)
    if isinstance(place(stream), tuple):  # it has a descriptor
        return standard if place(standard) == place(stream) else stream
    return standard if stream in (sys.stdout, sys.stderr) and surface(standard) == "terminal" else stream


def _reads_terminal(thread: threading.Thread) -> bool:
    """Whether `thread` is reading from a terminal by a plain system call; always False but on Linux."""
    with contextlib.suppress(OSError, ValueError):  # no such system, or it is not waiting
        with open(f"/proc/self/task/{thread.native_id}/syscall", encoding="ascii") as file:
            call, argument = file.read().split()[:2]
        return int(call) == _READ.get(platform.machine()) and os.isatty(int(argument, 16))
    return False


def _gap(rows: int) -> int:
    """How many blank rows there are above the bars."""
    return 1 if rows > 3 else 0


def _visible(bars: Sequence[str], room: int) -> Sequence[str]:
    """The bars that can be seen, and a line that says how many more there are."""
    if len(bars) <= room or room == 1:
        return bars[:room]
    return [*bars[: room - 1], f"… {len(bars) - room + 1} more"]


class Terminal(Output):
    """A terminal: the cursor stays at the end of the printed text, and bars lie below it.

    A frame scrolls to make room below the cursor, draws there, and puts the cursor back, all by one write. The next
    print then appears where it would without bars: an unfinished line goes on. Native code prints without a call of
    Python's that takes the bars away; a blank row keeps its text apart from the bars until the next frame.
    """

    is_terminal = True

    def __init__(self, stream: IO[str] | None, name: str = "") -> None:
        super().__init__(stream, name)
        self._shows_bars = self._left_prompt = False
        self._has_index = has_index(self._number)
        self._erase = _ERASE if self._has_index else _TO_END_OF_SCREEN
        self._gap = 0  # blank rows between the cursor and the bars
        self._mode: object = None  # the usual one, once it was seen while this process had the terminal

    def draw(self, above: Sequence[str], bars: Sequence[str]) -> None:
        """Draw a frame: the lines `above`, which stay, and the bars, which the next frame replaces.

        Raises:
            OSError, ValueError: as the stream does.
        """
        if self.is_in_background:
            if above and not self._left_prompt:  # the shell's prompt stands in this row
                self.column, self._left_prompt = max(1, self.column), True
            super().draw(above, bars)
            return
        if above and self.is_replaced:  # to those who have replaced `write`, as in a file
            self.write_lines(above)
            above = ()
        self._wait()
        with self.lock:
            self._last = bars
            columns, rows = self.size
            self._gap = gap = _gap(rows)
            shown = _visible(bars, self.room)
            room = gap + len(shown)
            frame = [self._permanent(above)]
            if above:
                self.column = 0
            elif self.column and self.column % columns == 0:
                frame.append("\r\n")  # the line is full, and would go on in the next row
                self.column = 0
            if shown:
                frame += [self._space_below(room), _SAVE, _TO_END_OF_LINE]
                frame += [f"{_NEXT_ROW}{line}{_TO_END_OF_LINE}" for line in ([""] * gap + list(shown))]
                frame += [_TO_END_OF_SCREEN, _RESTORE]
            elif self._shows_bars and not above:
                frame.append(self._erase)
            self.write("".join(frame))
            self._shows_bars = bool(shown)
            self.frames_drawn += 1

    @property
    def room(self) -> int:
        """How many lines of bars can be seen."""
        rows = self.size[1]
        return max(1, rows - 1 - _gap(rows))

    def write(self, text: str) -> None:
        """Write a frame: to the descriptor, also if other code has replaced `write`, which wants lines, not frames.

        Raises:
            OSError, ValueError: as the stream does.
        """
        if self._descriptor:
            self._write_direct(text)
        else:
            super().write(text)

    def write_lines(self, lines: Sequence[str]) -> None:
        """Write whole lines as they are; the bars come back below them with the next frame."""
        self.hide()
        super().write_lines(lines)

    def begin_lines(self) -> bool:
        """Take the bars away; return whether the cursor is within a line."""
        if not self._descriptor:  # frames are written by the stream as well
            return False
        self.hide()
        return super().begin_lines()

    def _write_waiting(self) -> None:
        self.hide()  # a frame may have been drawn meanwhile, or a print have made room for its own text only
        super()._write_waiting()

    def _space_below(self, rows: int) -> str:
        """Scroll until there are so many rows below the cursor, which stays where it is."""
        if self._has_index:
            return _DOWN * rows + _UP.format(n=rows)
        return "\n" * rows + _UP.format(n=rows) + _COLUMN.format(n=cursor_column(self._number) + 1)

    def _permanent(self, lines: Sequence[str]) -> str:
        if not lines:
            return ""
        # A row of blanks wraps only if the cursor is within a line; a terminal cannot be asked for its cursor.
        fresh = " " * self.size[0] + "\r"
        return fresh + "".join(f"{line}{_TO_END_OF_LINE}\n" for line in lines) + _TO_END_OF_SCREEN

    def hide(self) -> None:
        """Take the bars away, so that text can be printed. If that fails, so will the print, which says why."""
        if self._shows_bars:
            with self.lock, contextlib.suppress(OSError, ValueError):
                self._shows_bars = False
                if not self.is_in_background:
                    self.write(self._erase)

    def make_room(self, data: Any) -> None:
        """Take the bars away, unless there is room for `data` above them, so that single lines do not flicker."""
        if self._shows_bars and data:
            taken = rows_taken(self._decoded(data), self.column, self.size[0])
            if taken > self._gap:
                self.hide()
            elif not self.column:
                self.write(_TO_END_OF_LINE)  # native code may have left the cursor on a bar
            self._gap -= int(min(taken, self._gap))

    def asks(self) -> bool:
        """Whether a program asks something: it has changed the terminal's mode, or the main thread reads from it."""
        mode = input_mode(self._number)
        self._mode = self._mode or mode
        return mode != self._mode or _reads_terminal(threading.main_thread())

    def adopt_mode(self) -> None:
        """From now on, take the present mode for the one in which nothing is asked."""
        self._mode = input_mode(self._number)

    @property
    def is_in_background(self) -> bool:
        """Whether the terminal belongs to another program for now, as after Ctrl-Z and `bg`."""
        return is_in_background(self._number)
