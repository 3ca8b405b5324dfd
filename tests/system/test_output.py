"""Where text goes: real streams, replacements, and terminals with bars below what is printed."""

from __future__ import annotations

import io
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyte
import pytest

from kbar.system.terminal import Terminal, output_of
from kbar.testing import VirtualTerminal

from ..helpers import has


def test_what_a_stream_cannot_encode_is_written_as_question_marks() -> None:
    written: list[str] = []
    stream: Any = SimpleNamespace(write=written.append, flush=lambda: None, encoding="ascii")
    output = output_of(stream)
    output.write("a█b")
    assert written == ["a?b"]
    assert output.ascii
    assert not output_of(VirtualTerminal()).ascii


def test_the_size_is_the_terminals_of_this_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = VirtualTerminal(100, 30)
    output = output_of(terminal)
    assert output.size == (100, 30)
    terminal.resize(0, 0)
    assert output.size == (80, 24)
    monkeypatch.setenv("COLUMNS", "132")
    assert output_of(io.StringIO()).size == (132, 24)


def test_streams_that_lead_to_one_place_share_one_output() -> None:
    terminal = VirtualTerminal()
    output = output_of(terminal)
    assert output_of(terminal) is output
    assert output_of(VirtualTerminal()) is not output


def test_a_new_terminal_is_not_taken_for_a_closed_one() -> None:
    """The system gives the new one the number of the old one."""
    before = VirtualTerminal()
    closed = output_of(before)
    before.close()
    terminal = VirtualTerminal()
    output = output_of(terminal)
    output.write_lines(["here"])
    assert closed.place == output.place or not has("openpty")
    assert terminal.text == "here"


@pytest.mark.parametrize("column", [0, 1, 2, 39, 40])
def test_bars_lie_below_the_text_where_the_cursor_stays(column: int) -> None:
    terminal = VirtualTerminal(40, 10)
    output = output_of(terminal)
    terminal.write("." * column)
    if column:
        output.printed("." * column)
    output.draw([], ["first", "second"])
    lines = terminal.text.split("\n")
    assert lines == ["." * column, *[""] * (column == 40), "", "first", "second"]
    terminal.write("x")
    output.hide()
    assert terminal.text.replace("\n", "") == "." * column + "x"


@pytest.mark.parametrize("column", [0, 1, 2, 39, 40])
def test_lines_to_stay_begin_a_line_and_overwrite_nothing(column: int) -> None:
    terminal = VirtualTerminal(40, 10)
    output = output_of(terminal)
    terminal.write("." * column)
    if column:
        output.printed("." * column)
    output.draw([], ["bar"])
    output.draw(["line"], ["bar"])
    assert [line for line in terminal.text.split("\n") if line] == [*["." * column] * bool(column), "line", "bar"]
    output.keep_bars()
    terminal.write("after")
    assert [line for line in terminal.text.split("\n") if line][-2:] == ["bar", "after"]


def test_at_the_end_of_the_screen_nothing_is_lost() -> None:
    terminal = VirtualTerminal(40, 6)
    output = output_of(terminal)
    for n in range(9):
        terminal.write(f"{n}\n")
    terminal.write("unfinished")
    output.draw([], ["first", "second"])
    terminal.write(" line")
    assert terminal.text.split("\n")[-5:] == ["8", "unfinished line", "", "first", "second"][-5:]
    output.draw([], ["only"])
    assert "second" not in terminal.text


def test_more_bars_than_rows_show_the_outer_ones_and_say_how_many_more() -> None:
    terminal = VirtualTerminal(40, 6)
    output_of(terminal).draw([], [f"bar {n}" for n in range(9)])
    assert terminal.text.split("\n") == ["", "", "bar 0", "bar 1", "bar 2", "… 6 more"]


def test_lines_wait_for_a_line_that_is_begun_to_end() -> None:
    stream = io.StringIO()
    output = output_of(stream)
    assert not isinstance(output, Terminal)
    stream.write("loading ... ")
    output.printed("loading ... ")
    output.write_lines(["a line"])
    assert stream.getvalue() == "loading ... \na line\n"


def test_lines_of_two_logs_that_wait_for_the_end_of_a_line_are_all_written(tmp_path: Path) -> None:
    with open(tmp_path / "prints.txt", "w", encoding="utf-8") as stream:
        output = output_of(stream)
        output.waiting = "of one log\n"  # as its thread has left them while it waits
        output.write_lines(["of another"])
    assert (tmp_path / "prints.txt").read_text() == "of one log\nof another\n"


@pytest.mark.needs("openpty")
@pytest.mark.parametrize("by_print", [True, False])
def test_lines_that_waited_are_written_over_no_bars(by_print: bool) -> None:
    """Though a frame was drawn meanwhile, or the print that ends the line has room for itself above the bars."""
    master, slave = os.openpty()
    with open(slave, "w", encoding="utf-8") as stream:
        output = output_of(stream)
        output.column = 3
        output.draw([], ["bar"])
        output.waiting = "a line\n"
        if by_print:
            output.make_room("\n")
            output.printed("\n")
        else:
            with output.lock:
                output._write_waiting()
        written = ""
        while "a line" not in written:  # a pseudo-terminal may pass on what was written piece by piece
            written += os.read(master, 65536).decode()
    os.close(master)
    screen = pyte.Screen(80, 24)
    pyte.Stream(screen).feed(written)
    assert [line.strip() for line in screen.display if line.strip()] == ["a line"]
