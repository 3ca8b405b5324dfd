"""The commands that read logs: watch, replay and show."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import kbar
from kbar.__main__ import main
from kbar.testing import VirtualTerminal, fake_clock

from ..helpers import RENDERERS


def record_run(path: Path) -> None:
    """Write the log of a run of about half a second."""
    log = kbar.JsonLinesRenderer(path, throttle=kbar.always)
    with fake_clock() as clock, kbar.loop(2, renderer=log, label="fit \x1b[31m[bold]") as loop:
        for epoch in loop.epochs():
            for step in epoch.steps(range(20)):
                clock.advance(0.01)
                epoch.log(loss=1.0 / (1 + step + 20 * epoch.index), accuracy=0.5 + epoch.index / 4, nan=float("nan"))


@pytest.mark.slow
def test_a_run_is_watched_in_a_terminal_while_it_lasts(path: Path) -> None:
    """It has no terminal of its own, and begins after the watching."""
    terminal = VirtualTerminal(250, 10)
    demo = [sys.executable, "-m", "kbar", "demo", "--epochs", "2", "--seconds", "2.5", "--log-file", str(path)]
    run: list[subprocess.Popen[bytes]] = []
    seen: list[str] = []

    def on_change(_: float) -> None:
        seen.append(terminal.text)
        if not run:
            run.append(subprocess.Popen(demo, stdout=subprocess.DEVNULL))

    command = [sys.executable, "-m", "kbar", "watch", "--until-end", str(path), "--renderer", "rich"]
    assert terminal.run(command, on_change) == 0
    assert run[0].wait() == 0
    assert "waiting for " in seen[0]
    assert len({text for text in seen if "epoch 2 " in text and "accuracy=" in text}) > 5
    lines = [line for line in terminal.text.splitlines() if "waiting" not in line]
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2", "fit"]


@pytest.mark.slow
def test_ctrl_c_ends_the_watching_and_leaves_the_bars(path: Path) -> None:
    record_run(path)
    terminal = VirtualTerminal(80, 10)
    code = f"""
import os, signal, sys, threading
from kbar.__main__ import main
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
sys.exit(main(["watch", {str(path)!r}]))
"""
    assert terminal.run([sys.executable, "-c", code]) == 128 + signal.SIGINT
    assert terminal.text.splitlines()[-1].startswith("fit")
    assert not terminal.screen.cursor.hidden


@pytest.mark.slow
@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_finished_run_is_drawn_again(renderer: str, path: Path) -> None:
    record_run(path)
    terminal = VirtualTerminal(80, 10)
    seen: list[str] = []
    command = [sys.executable, "-m", "kbar", "replay", str(path), "--speed", "0.3", "--renderer", renderer]
    assert terminal.run(command, on_change=lambda _: seen.append(terminal.text)) == 0
    assert len(set(seen)) > 5
    lines = terminal.text.splitlines()
    assert [line.split("  ")[2] for line in lines[:2]] == ["epoch 1/2", "epoch 2/2"]
    assert all(line.startswith("fit") for line in lines)
    assert "[31m[bold]" in lines[-1]
    assert not terminal.screen.cursor.hidden


def test_a_run_is_summed_up(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record_run(path)
    assert main(["show", str(path)]) == 0
    shown = capsys.readouterr()
    lines = [line.rstrip() for line in shown.out.splitlines()]
    assert lines[0] == "fit  [31m[bold]  2/2 100%  done"
    assert re.fullmatch(rf"  run \w+, process {os.getpid()} on .+", lines[1])
    assert re.match(r"  stages: 2 × train 0\.\d\ds, 1 × fit", lines[3])
    assert [line.split() for line in lines[-4:-1]] == [
        ["took", "loss", "accuracy", "nan"],
        ["epoch", "1/2", lines[-3].split()[2], "0.0500", "0.5000", "nan"],
        ["epoch", "2/2", lines[-2].split()[2], "0.0250*", "0.7500*", "nan"],
    ]
    assert not any(ord(c) < 32 and c != "\n" for c in shown.out)
    assert main(["show", "--json", str(path)]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert (run["outcome"], run["done"], run["total"]) == ("done", 2, 2)
    assert [epoch["metrics"]["accuracy"] for epoch in run["epochs"]] == [0.5, 0.75]
    assert run["epochs"][0]["metrics"]["nan"] == "NaN"
    assert run["best"] == {"loss": run["epochs"][1]["path"], "accuracy": run["epochs"][1]["path"]}
    assert run["higher_is_better"] == {"loss": False, "accuracy": True}


def test_the_lowest_of_losses_that_are_named_after_scores_is_the_best(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with kbar.loop(2, renderer=kbar.JsonLinesRenderer(path)) as loop:
        for epoch, value in zip(loop.epochs(), (0.25, 0.75), strict=True):
            epoch.log(dice_loss=value, iou_loss=value, f1_loss=value, dice=value)
    assert main(["show", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[3:] for line in lines[-3:-1]] == [
        ["0.2500*", "0.2500*", "0.2500*", "0.2500"],
        ["0.7500", "0.7500", "0.7500", "0.7500*"],
    ]
    assert main(["show", "--json", str(path)]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert run["higher_is_better"] == {"dice_loss": False, "iou_loss": False, "f1_loss": False, "dice": True}


@pytest.mark.slow
def test_a_reader_that_closes_the_pipe_early_is_no_failure(path: Path) -> None:
    record_run(path)
    command = f"{sys.executable} -m kbar show {path} | head -c 1; exit ${{PIPESTATUS[0]}}"
    shown = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True)
    assert shown.stderr == ""


def test_lines_that_are_not_kbars_are_skipped_and_counted(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record_run(path)
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([lines[0], lines[1][:40], '{"v": 2}', "[" * 100_000, "\x1b]0;title\x07", *lines[2:], '{"v":1,'])
    )
    assert main(["show", str(path)]) == 0
    shown = capsys.readouterr()
    assert shown.err == f"kbar: {path}: skipped 5 lines that kbar did not write\n"
    assert "\x1b" not in shown.out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["show", "{missing}"], 1, "missing: No such file or directory"),
        (["show", "{foreign}"], 1, "there is no run in it"),
        (["show", "{folder}"], 1, "Is a directory"),
        (["watch", "--until-end", "{folder}"], 1, "not a regular file, whose end can be watched"),
        (["replay", "{missing}"], 1, "missing: No such file or directory"),
        (["replay", "{foreign}"], 1, "there is no run in it"),
        (["replay", "{foreign}", "--speed", "0"], 2, "must be above 0; got 0"),
        (["watch", "{foreign}", "--renderer", "nonsense"], 2, "got 'nonsense'"),
        (["watch"], 2, "FILE"),
    ],
)
def test_a_mistake_gives_one_line_and_an_exit_code(
    arguments: list[str], code: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "foreign").write_text("epoch,loss\n0,\x1b[31m0.5\n")
    names = {"missing": tmp_path / "missing", "foreign": tmp_path / "foreign", "folder": tmp_path}
    try:
        found = main([argument.format(**names) for argument in arguments])
    except SystemExit as error:
        found = int(error.code or 0)
    assert found == code
    shown = capsys.readouterr()
    assert says in shown.err
    assert "\x1b" not in shown.err + shown.out


def test_runs_within_something_else_are_summed_up_each(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is around them has no line of its own in their log, so nothing is said of how it ended."""
    with fake_clock() as clock, kbar.stage("search", total=3, renderer="none") as search:
        for trial in range(3):
            with kbar.loop(2, label="fit", log_file=path) as loop:
                for epoch in loop.epochs():
                    for _ in epoch.steps(range(5)):
                        clock.advance(0.1)
                    epoch.log(loss=1.0 / (1 + trial))
            search.advance()
    assert main(["show", str(path)]) == 0
    shown = capsys.readouterr().out
    headings = [line for line in shown.splitlines() if line.endswith("done")]
    assert headings == [f"search {n}/3 fit  2/2 100%  done" for n in (1, 2, 3)]
    assert "not over" not in shown
    assert shown.count("epoch 2/2 ") == 3
    assert main(["show", "--json", str(path)]) == 0
    runs = json.loads(capsys.readouterr().out)
    assert [(run["path"], run["outcome"], run["stages"]["train"]["number"]) for run in runs] == [
        (f"search {n}/3 fit", "done", 2) for n in (1, 2, 3)
    ]


def test_a_log_without_its_first_lines_is_summed_up_from_the_outermost_stage(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with kbar.stage("search", total=2, renderer=kbar.JsonLinesRenderer(path)) as search:
        for _ in range(2):
            assert list(kbar.track(range(3), "inner")) == [0, 1, 2]
            search.advance()
    lines = path.read_text().splitlines()
    for missing in range(3):
        path.write_text("\n".join(lines[missing:]) + "\n")
        assert main(["show", str(path)]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert [line for line in shown if line.startswith("search")] == ["search  2/2 100%  done"], missing
