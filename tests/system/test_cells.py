"""How many columns of a terminal text takes."""

from __future__ import annotations

import math

import pytest

from kbar.system.cells import cells, column_after, rows_taken


def test_wide_characters_take_two_columns() -> None:
    assert cells("训练") == 4
    assert cells("e\u0301") == 1


@pytest.mark.parametrize(("text", "columns"), [("กี่", 1), ("ฝึก", 2), ("ຝຶກ", 2), ("ហ្វឹក", 3), ("ތަމްރީން", 4)])
def test_marks_above_and_below_take_none(text: str, columns: int) -> None:
    assert cells(text) == columns


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("abc", 2, 5),
        ("\x1b[32m.\x1b[0m", 2, 3),
        ("\x1b]0;a title\x07训", 1, 3),
        ("a\nbc", 7, 2),
        ("\r 10%", 7, 4),
        ("a\tb", 0, 9),
        ("\t", 8, 16),
        ("", 3, 3),
    ],
)  # fmt: skip
def test_where_an_unfinished_line_ends(text: str, before: int, after: int) -> None:
    assert column_after(text, before) == after


@pytest.mark.parametrize(
    ("text", "before", "rows"),
    [
        ("", 0, 0), (".", 5, 0), ("line\n", 0, 1), ("\n", 9, 1), ("a\nb\n", 0, 2), ("\r 10%", 30, 0),
        ("x" * 10, 0, 0), ("x" * 11, 0, 1), ("x", 10, 1), ("x", 11, 0), ("x\n" * 2, 25, 2), ("x" * 25 + "\r", 0, 2),
        ("\x1b[1;31mred\x1b[0m\n", 0, 1), ("\x1b[A", 0, math.inf), ("\x0b", 0, math.inf), ("训练训练训练", 0, 1),
    ],
)  # fmt: skip
def test_how_many_rows_down_text_moves_the_cursor_on_ten_columns(text: str, before: int, rows: float) -> None:
    assert rows_taken(text, before, 10) == rows
