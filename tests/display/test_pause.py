"""Pauses: their time counts for nothing, unless steps go on meanwhile."""

from __future__ import annotations

import sys
import threading

import pytest

import kbar
from kbar.core.snapshot import Snapshot
from kbar.display.display import Display
from kbar.display.process import current
from kbar.options import Options
from kbar.system.terminal import Terminal
from kbar.testing import FakeClock, VirtualTerminal


@pytest.fixture
def terminal() -> VirtualTerminal:
    return VirtualTerminal(60, 20)


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether somebody is asked something there, in a way that only the terminal tells."""
    asks = [False]
    monkeypatch.setattr(Terminal, "asks", lambda self: asks[0])
    return asks


def steps(display: Display, clock: FakeClock, seconds: float, stage: object) -> None:
    for _ in range(int(seconds * 10)):
        stage.advance_to(stage.done + 1, display.clock())  # type: ignore[attr-defined]
        clock.advance(0.1)


def test_a_step_that_lands_before_a_pauses_end_is_noticed_changes_nothing(
    terminal: VirtualTerminal, clock: FakeClock, asking: list[bool]
) -> None:
    display = current()
    stage = display.begin("evaluate", total=1000, options=Options(kbar.RichRenderer(terminal)))
    steps(display, clock, 2.0, stage)
    asking[0] = True
    clock.advance(60.0)
    asking[0] = False
    steps(display, clock, 2.0, stage)
    with display.lock:
        view = stage.view(display.clock())
    assert view.elapsed == pytest.approx(4.0, abs=0.25)
    assert view.rate == pytest.approx(10.0, rel=0.1)
    display.end(stage, "done")


def test_steps_that_go_on_show_that_nobody_is_waited_for(
    terminal: VirtualTerminal, clock: FakeClock, asking: list[bool]
) -> None:
    display = current()
    stage = display.begin("evaluate", total=1000, options=Options(kbar.RichRenderer(terminal)))
    steps(display, clock, 1.0, stage)
    asking[0] = True
    steps(display, clock, 5.0, stage)
    assert "0:06" in terminal.text
    with display.lock:
        assert stage.view(display.clock()).elapsed == pytest.approx(6.0, abs=0.25)
    display.end(stage, "done")


def test_a_question_of_another_thread_does_not_pause(terminal: VirtualTerminal, clock: FakeClock) -> None:
    display = current()
    stage = display.begin("evaluate", total=1000, options=Options(kbar.RichRenderer(terminal), capture=False))
    asked, answered = threading.Event(), threading.Event()

    class Keys:
        def readline(self) -> str:
            asked.set()
            answered.wait(10)
            return "\n"

    original, sys.stdin = sys.stdin, Keys()  # type: ignore[assignment]
    try:
        thread = threading.Thread(target=lambda: input("Enter stops"))
        thread.start()
        assert asked.wait(10)
        assert not display.pauses.active
    finally:
        answered.set()
        thread.join()
        sys.stdin = original
    display.end(stage, "done")


def test_a_frame_under_way_when_a_pause_began_does_not_stay(terminal: VirtualTerminal, clock: FakeClock) -> None:
    asked: list[str] = []
    pause = kbar.pause()

    class Late(kbar.RichRenderer):
        def draw(self, snapshot: Snapshot) -> None:
            if asked == ["now"]:
                asked.append("asked")
                pause.__enter__()  # as another thread does
            super().draw(snapshot)

    display = current()
    stage = display.begin("evaluate", total=1000, options=Options(Late(terminal)))
    asked.append("now")
    clock.advance(0.5)
    assert asked == ["now", "asked"]
    assert terminal.text == ""
    pause.__exit__(None, None, None)
    clock.advance(0.5)
    assert terminal.text.strip().startswith("evaluate")
    display.end(stage, "done")


@pytest.mark.usefixtures("clock")
def test_stdins_readline_takes_keywords_beside_bars(terminal: VirtualTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        def isatty(self) -> bool:
            return True

        def readline(self, size: int = -1) -> str:
            return "answer"[:size]

    monkeypatch.setattr(sys, "stdin", Stdin())
    display = current()
    stage = display.begin("evaluate", options=Options(kbar.RichRenderer(terminal)))
    assert "readline" in vars(sys.stdin)
    assert sys.stdin.readline(size=3) == "ans"  # type: ignore[call-arg]  # the real one takes it by position only
    display.end(stage, "done")
