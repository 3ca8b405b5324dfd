"""How many columns of a terminal text takes."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable

# Escape sequences: control sequences, those with a text (a title, a link), and those of two characters.
_ESCAPE = re.compile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|[\\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[ -/]*[0-~])")
_COLOUR = re.compile("\x1b\\[[0-9;:]*m")
_PLAIN = re.compile("[^\x00-\x06\x0b\x0c\x0e-\x1f\x7f-\x9f]*")  # moves the cursor no way but by what is counted
_TAB = 8


def without_escapes(text: str) -> str:
    """Return `text` without colours and other escape sequences."""
    return _ESCAPE.sub("", text) if "\x1b" in text else text


def cells(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    return len(text) if text.isascii() else _rich_width()(text)


@functools.cache
def _rich_width() -> Callable[[str], int]:
    """The measure of rich, which knows which marks take no column; most text is ASCII and does not need it."""
    from rich.cells import cell_len

    return cell_len


def column_after(text: str, column: int) -> int:
    """Return the column in which a line ends that is continued by `text` from `column` on, as if it never wrapped."""
    _, newline, line = text.rpartition("\n")
    _, start, line = line.rpartition("\r")
    column = 0 if newline or start else column
    first, *rest = without_escapes(line).split("\t")
    column += cells(first)
    for piece in rest:
        column += _TAB - column % _TAB + cells(piece)
    return column


def rows_taken(text: str, column: int, columns: int) -> float:
    """Return how many rows down the cursor is after `text`, printed from `column` on; infinity if it is not known."""
    text = _COLOUR.sub("", text)
    if not _PLAIN.fullmatch(text):
        return math.inf
    rows = -(max(0, column - 1) // columns)
    lines = text.split("\n")
    for line in lines:
        ends = [column_after(piece, 0 if i else column) for i, piece in enumerate(line.split("\r"))]
        rows += max(0, max(ends) - 1) // columns
        column = 0
    return rows + len(lines) - 1
