"""Owns what the output can do: terminal, notebook or neither, its size and encoding, whole frames."""

from __future__ import annotations

import os
import sys
from typing import IO, Literal

Surface = Literal["terminal", "notebook", "plain"]


def surface(stream: IO[str] | None) -> Surface:
    """What `stream` leads to: bars can be redrawn on a terminal and in a notebook, nowhere else."""
    if _in_notebook():
        return "notebook"
    if os.environ.get("TERM") in ("dumb", "unknown"):
        return "plain"
    try:
        return "terminal" if stream is not None and stream.isatty() else "plain"
    except (AttributeError, ValueError):  # only has write(), or is closed
        return "plain"


def _in_notebook() -> bool:
    # A kernel has imported IPython long before; importing it here would only cost time.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


class Frame:
    """A stream's stand-in that gathers a frame and writes it in one go.

    tqdm and rich write a frame in many pieces; a terminal that shows them one by one flickers,
    and one that fails between two is left in the middle of an escape. What the stream cannot
    encode is written as ``?``.

    Args:
        stream: where frames go; `sys.stdout` of this moment if None.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._parts: list[str] = []
        self.encoding = getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Adds to the frame."""
        self._parts.append(text)
        return len(text)

    def fresh_line(self) -> None:
        """Goes to a new line if the cursor of a terminal is within one, which nobody can ask it.

        Blanks up to the last column but one wrap just then; the return leads to where they end.
        """
        if self.surface == "terminal":
            self.write(" " * (self.size[0] - 1) + "\r")

    def flush(self) -> None:
        """Does nothing: a frame is written whole, by `commit`."""

    def commit(self) -> None:
        """Writes the frame, if there is one.

        Raises:
            OSError, ValueError: as the stream does; the frame is gone all the same.
        """
        text, self._parts = "".join(self._parts), []
        if text and self._stream is not None:
            self._stream.write(text.encode(self.encoding, "replace").decode(self.encoding))
            self._stream.flush()

    @property
    def surface(self) -> Surface:
        """What frames go to."""
        return surface(self._stream)

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
        try:
            columns, lines = os.get_terminal_size(self._stream.fileno())
        except (AttributeError, ValueError, OSError):
            columns, lines = (_natural(os.environ.get(name)) for name in ("COLUMNS", "LINES"))
        return columns or 80, lines or 24


def _natural(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
