"""What others print while bars are up."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import kbar
from kbar.display.display import current
from kbar.options import Options
from kbar.testing import FakeClock, VirtualTerminal

RENDERERS = {"rich": kbar.RichRenderer, "tqdm": kbar.TqdmRenderer}


def standard_output(monkeypatch: pytest.MonkeyPatch) -> VirtualTerminal:
    """A terminal that is this process's standard output; a fixture's would be pytest's again by the test."""
    terminal = VirtualTerminal(60, 20)
    monkeypatch.setattr(sys, "stdout", terminal)
    return terminal


def begin(renderer: Any, **options: Any) -> kbar.StageView | Any:
    return current().begin("evaluate", unit="step", total=10, options=Options(renderer, **options))


@pytest.mark.parametrize("renderer", RENDERERS)
def test_whole_lines_go_above_the_bars_unchanged_and_in_order(
    renderer: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = standard_output(monkeypatch)
    stage = begin(RENDERERS[renderer]())
    print("one")
    print("[bold]two[/] {x}", end="")
    clock.advance(0.1)
    assert terminal.text.splitlines()[0] == "one"
    assert "two" not in terminal.text
    print(" three\n" + "x" * 70)
    stage.advance_to(5, current().clock())
    clock.advance(0.1)
    lines = terminal.text.splitlines()
    assert lines[:4] == ["one", "[bold]two[/] {x} three", "x" * 60, "x" * 10]
    assert lines[4].startswith("evaluate")
    print("unfinished", end="")
    current().end(stage, "done")
    print(", and after")
    lines = terminal.text.splitlines()
    assert lines[4].startswith("evaluate")
    assert lines[5:] == ["unfinished, and after"]
    assert sys.stdout is terminal


def test_a_place_that_somebody_has_taken_is_not_given_back(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    standard_output(monkeypatch)
    stage = begin(kbar.RichRenderer())
    other = VirtualTerminal(60, 20)
    monkeypatch.setattr(sys, "stdout", other)
    current().end(stage, "done")
    assert sys.stdout is other


@pytest.mark.parametrize("renderer", ["none", kbar.LogRenderer()], ids=["none", "log"])
def test_prints_are_left_alone_where_nobody_puts_them_above_bars(
    renderer: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = standard_output(monkeypatch)
    stage = begin(renderer)
    assert sys.stdout is terminal
    print("here")
    assert "here" in terminal.text
    current().end(stage, "done")


def test_capture_can_be_left_out(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = standard_output(monkeypatch)
    stage = begin("rich", capture=False)
    assert sys.stdout is terminal
    current().end(stage, "done")


def test_the_stand_in_behaves_as_the_stream_does(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = standard_output(monkeypatch)
    stage = begin("rich")
    assert sys.stdout is not terminal
    assert sys.stdout.isatty()
    assert sys.stdout.fileno() == terminal.fileno()
    assert sys.stdout.encoding == "utf-8"
    assert sys.stdout.write("five\n") == 5
    current().end(stage, "done")


@pytest.mark.parametrize("renderer", RENDERERS)
def test_bars_begin_on_a_line_of_their_own(renderer: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = standard_output(monkeypatch)
    print("training… ", end="")
    current().end(begin(RENDERERS[renderer]()), "done")
    first, second = terminal.text.splitlines()
    assert first == "training…"
    assert second.startswith("evaluate")


def test_a_renderer_that_fails_gives_the_streams_back_at_once(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is printed from then on is no longer touched."""

    terminal = standard_output(monkeypatch)

    def fails(tick: kbar.Tick) -> bool:
        raise RuntimeError("no")

    with pytest.warns(kbar.KbarWarning, match="RichRenderer is given up: RuntimeError: no"):
        stage = begin("rich", throttle=fails)
    assert sys.stdout is terminal
    print("mine")
    before = terminal.text
    clock.advance(1.0)
    current().end(stage, "done")
    assert terminal.text == before


def test_a_line_that_is_rewritten_is_its_latest_and_costs_no_more_with_time(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = standard_output(monkeypatch)
    stage = begin("rich")
    for percent in range(100):
        print(f"\rdownloading {percent}%", end="")
    assert len(sys.stdout.begun) < 20  # type: ignore[attr-defined]  # the stand-in's own
    print("\r\nafter\r\n", end="")
    monkeypatch.setattr("kbar.display.prints._LONGEST", 60_000)
    print("x" * 100_000, end="")
    assert sys.stdout.begun == ""  # type: ignore[attr-defined]  # likewise
    current().end(stage, "done")
    assert "downloading 99%" in terminal.text or terminal.screen.history.top
