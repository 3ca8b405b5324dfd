"""How many columns of a terminal text takes."""

from __future__ import annotations

import pytest

from kbar.system.cells import cells, column_after


def test_wide_characters_take_two_columns() -> None:
    assert cells("训练") == 4
    assert cells("e\u0301") == 1


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
