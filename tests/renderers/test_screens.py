"""What a person sees: real output in a terminal emulator, over the life of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kbar
from kbar.display.process import current
from kbar.options import Options
from kbar.testing import FakeClock, VirtualTerminal

from ..helpers import RENDERERS

SCREENS = Path(__file__).parent / "screens"


def life(clock: FakeClock) -> Iterator[str]:
    """A fit of three epochs that stops early, with an evaluate within, as its moments."""
    display = current()
    run = display.begin("fit", unit="epoch", total=4)
    yield "fit begins"
    for epoch in range(3):
        display.start_epoch(run)
        train = display.begin("train", title=f"epoch {epoch + 1}", unit="step", total=500, parent=run, phase=True)
        if epoch == 0:
            clock.advance(2.0)
            yield "the first step compiles"
        for done in range(10, 501, 10):
            clock.advance(0.1)
            train.advance_to(
                done, current().clock(), {"loss": 1 / (1 + epoch + done / 500), "accuracy": 0.9, "a_long_name": 123456}
            )
            if (epoch, done) == (0, 250):
                clock.advance(0.1)
                yield "in the middle of epoch 1"
            if (epoch, done) == (2, 110):
                break
        display.end(train, train.own_end)
        if epoch == 1:
            nested = display.begin("evaluate", unit="step", total=20)
            clock.advance(0.1)
            nested.advance_to(5, current().clock())
            clock.advance(0.1)
            yield "an evaluate within"
            display.end(nested, "done")
        if epoch < 2:
            validation = display.begin("validation", unit="step", total=100 if epoch else None, parent=run, phase=True)
            clock.advance(0.5)
            validation.advance_to(40, current().clock(), {"loss": 0.5, "accuracy": 0.8})
            clock.advance(0.5)
            yield "validation" if epoch else "validation of unknown length"
            validation.advance_to(100, current().clock(), {"loss": 0.5, "accuracy": 0.8})
            display.end(validation, "done")
        display.finish_epoch(run, {"loss": 0.4, "val_loss": 0.5, "accuracy": 0.9, "val_accuracy": 0.8})
    display.end(run, "stopped")
    yield "stopped in epoch 3"


def open_on(terminal: VirtualTerminal, renderer: str, **options: object) -> Options:
    """Options that draw on this terminal."""
    return Options(RENDERERS[renderer](file=terminal), **options)  # type: ignore[arg-type]  # any options


def begin_with(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the next outermost stage draw with these options."""
    begin = current().begin

    def begin_once(label: str, **arguments: object) -> object:
        monkeypatch.undo()
        return begin(label, **arguments, options=options)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(current(), "begin", begin_once)


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("renderer", RENDERERS)
def test_the_life_of_a_run(
    renderer: str, columns: int, clock: FakeClock, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = VirtualTerminal(columns, 12)
    begin_with(open_on(terminal, renderer), monkeypatch)
    seen = []
    for moment in life(clock):
        seen.append(f"--- {moment}\n{terminal.text}\n")
        assert all(len(line.rstrip()) < columns for line in terminal.screen.display)
        assert not terminal.screen.cursor.hidden
    golden = SCREENS / f"{renderer}-{columns}.txt"
    if request.config.getoption("--update-screens"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text("\n".join(seen), encoding="utf-8")
    assert "\n".join(seen) == golden.read_text(encoding="utf-8")


def test_rich_and_tqdm_show_the_same_facts_in_the_same_order() -> None:
    """But for the bar itself."""

    def facts(renderer: str, columns: int) -> str:
        text = (SCREENS / f"{renderer}-{columns}.txt").read_text(encoding="utf-8")
        for mark in "━╸╺█▏▎▍▌▋▊▉|":
            text = text.replace(mark, " ")
        return "\n".join(" ".join(line.split()) for line in text.splitlines())

    for columns in (40, 80, 120):
        assert facts("rich", columns) == facts("tqdm", columns)


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_that_cannot_encode_bars_gets_ascii(
    renderer: str, encoding: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = VirtualTerminal(80, 24, encoding=encoding)
    begin_with(open_on(terminal, renderer), monkeypatch)
    for _ in life(clock):
        assert terminal.text.isascii()
    assert "stopped at 3/4" in terminal.text
    assert "-----" in terminal.text if renderer == "rich" else "###" in terminal.text


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_width_of_0_counts_as_80(renderer: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = VirtualTerminal(0, 24)
    begin_with(open_on(terminal, renderer), monkeypatch)
    moments = {moment: terminal.text for moment in life(clock)}  # noqa: C420  # the text changes
    assert moments["in the middle of epoch 1"] in (SCREENS / f"{renderer}-80.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("renderer", RENDERERS)
def test_after_a_resize_lines_fit_again(renderer: str, clock: FakeClock) -> None:
    terminal = VirtualTerminal(100, 24)
    run = current().begin("evaluate", unit="step", total=1000, options=open_on(terminal, renderer))
    for columns in (100, 50, 30, 120, 45):
        terminal.resize(columns)
        run.advance_to(run.done + 100, current().clock(), {"loss": 0.5, "accuracy": 0.25, "precision": 0.125})
        clock.advance(0.2)
        line, *below = [text for text in terminal.text.splitlines() if text]
        assert all(len(text) < columns for text in (line, *below))
        assert line.startswith("evaluate")
        assert len(below) == (columns < 100)


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize(
    ("leave", "lines"), [("epochs", ["epoch 1/2", "epoch 2/2", "fit"]), ("run", ["fit"]), ("none", [])]
)
def test_what_is_left_is_what_was_asked_for(renderer: str, leave: str, lines: list[str], clock: FakeClock) -> None:
    terminal = VirtualTerminal(100, 24)
    display = current()
    run = display.begin("fit", unit="epoch", total=2, options=open_on(terminal, renderer, leave=leave))
    for epoch in range(2):
        display.start_epoch(run)
        train = display.begin("train", title=f"epoch {epoch + 1}", unit="step", total=5, parent=run, phase=True)
        clock.advance(1.0)
        train.advance_to(5, current().clock())
        display.end(train, "done")
        display.finish_epoch(run, {"loss": 0.5})
    display.end(run, "done")
    left = terminal.text.splitlines()
    assert [line[: len(start)] for line, start in zip(left, lines, strict=True)] == lines
    if leave == "run":
        assert "loss=0.5000" in left[-1]
    terminal.write("$ ")
    assert terminal.text.splitlines()[-1] == "$"


@pytest.mark.parametrize("renderer", RENDERERS)
def test_unknown_total_moves_without_inventing_one(renderer: str, clock: FakeClock) -> None:
    terminal = VirtualTerminal(80, 24)
    stage = current().begin("train", unit="step", total=None, options=open_on(terminal, renderer, pacing=False))
    screens = set()
    for done in range(1, 30):
        stage.advance_to(done, current().clock())
        clock.advance(0.1)
        assert "%" not in terminal.text
        assert f"{done}/?" in terminal.text
        assert "step/s" in terminal.text or done < 3
        screens.add(repr(terminal.screen.buffer[2]) if renderer == "rich" else terminal.text.split("|")[1])
    assert len(screens) > 5  # rich pulses by colour, tqdm's block wanders
    current().end(stage, "done")
    assert "29/29" in terminal.text
    assert "100%" in terminal.text


@pytest.mark.parametrize("renderer", RENDERERS)
def test_text_that_looks_like_markup_or_escapes_is_shown_as_text(renderer: str, clock: FakeClock) -> None:
    terminal = VirtualTerminal(200, 24)
    hostile = "[bold]x[/] {bar} \x1b[2J\x1b]0;title\x07 :smile: %s"
    stage = current().begin(hostile, unit="{n}", total=10, options=open_on(terminal, renderer))
    stage.advance_to(5, current().clock(), {hostile: hostile, "[/red]": "{postfix}"})
    clock.advance(0.2)
    assert "[bold]x[/] {bar}" in terminal.text
    assert "{postfix}" in terminal.text
    assert not terminal.screen.title


@pytest.mark.parametrize("renderer", RENDERERS)
def test_more_bars_than_lines_stay_within_the_screen_and_say_so(renderer: str, clock: FakeClock) -> None:
    terminal = VirtualTerminal(80, 4)
    stages = [current().begin(f"level {n}", unit="it", total=5, options=open_on(terminal, renderer)) for n in range(8)]
    clock.advance(0.5)
    assert terminal.text.splitlines()[2].startswith("level 0")
    assert terminal.text.splitlines()[3] == "… 7 more"
    current().end(stages[0], "stopped")
    assert "stopped at 0/5" in terminal.text


@pytest.mark.parametrize("renderer", RENDERERS)
def test_an_epochs_line_comes_with_the_bars_as_they_are_then(renderer: str, clock: FakeClock) -> None:
    """Never beside a bar that has the epoch still running."""
    terminal = VirtualTerminal(80, 24)
    with kbar.loop(epochs=3, renderer=RENDERERS[renderer](file=terminal)) as loop:
        for epoch in loop.epochs():
            for _ in epoch.steps(range(10)):
                clock.advance(0.15)
    replay = VirtualTerminal(80, 24)
    for frame in terminal.received:
        replay.write(frame)
        for number in re.findall(r"^epoch (\d)/3 ", replay.text, flags=re.MULTILINE)[:2]:
            bars = re.findall(rf"^epoch {number} .*", replay.text, flags=re.MULTILINE)
            assert not bars, replay.text
