"""Bars from logs: a run watched while it is written, played back, summed up."""

from __future__ import annotations

import contextvars
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import kbar
from kbar.__main__ import main
from kbar.display.display import current
from kbar.history.follow import Follower, records
from kbar.history.read import read
from kbar.history.watch import Viewer
from kbar.options import Options
from kbar.testing import FakeClock, RecordingRenderer, VirtualTerminal

from ..renderers.test_screens import RENDERERS, begin_with, life


def told(lines: str | bytes) -> list[Any]:
    """The records on these lines, all of which make sense."""
    found = [read(line) for line in lines.splitlines()]
    assert all(found)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_watched_run_looks_as_on_its_own_terminal(
    renderer: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each of its moments, if there is a line for each of its steps and bars do not glide."""
    own, other, stream = VirtualTerminal(140, 12), VirtualTerminal(140, 12), io.StringIO()
    logs: list[Any] = [kbar.RichRenderer(file=own), kbar.JsonLinesRenderer(stream, throttle=kbar.always)]
    begin_with(Options(logs, pacing=False), monkeypatch)
    watched = Viewer(RENDERERS[renderer](file=other))
    read_so_far = 0

    def facts(terminal: VirtualTerminal) -> list[str]:
        """Without bars, rates, and times remaining and of the step that runs, which no line tells for this moment."""
        text = re.sub(r"[━╸╺█▏▎▍▌▋▊▉|]| eta ~?[\d:]+|waiting .*|  step \d.*|\d+%|[\d.]+ step/s", " ", terminal.text)
        return [" ".join(line.replace("done", "").split()) for line in text.splitlines()]

    for moment in life(clock):
        lines = stream.getvalue()
        for record in told(lines[read_so_far:]):
            watched.take(record, "run.jsonl")
        read_so_far = len(lines)
        watched.draw(clock())
        assert facts(other) == facts(own), moment
    assert "done" not in other.text
    watched.close()
    assert facts(other) == facts(own)


def test_the_count_is_the_latest_line_and_the_bar_moves_on(clock: FakeClock) -> None:
    """Where lines are far apart, the bar moves within, the clock ticks, the remaining time counts down."""
    stream = io.StringIO()
    stage = current().begin("train", unit="step", total=1000, options=Options(kbar.JsonLinesRenderer(stream)))
    for done in range(1, 501):
        clock.advance(0.1)
        stage.advance_to(done)
    renderer = RecordingRenderer()
    watched = Viewer(renderer)
    for record in told(stream.getvalue()):
        watched.take(record, "run.jsonl")
    for _ in range(100):
        watched.draw(clock())
        clock.now += 0.1
    views = [snapshot.stages[0] for snapshot in renderer.snapshots]
    assert {view.done for view in views} == {500}
    positions = [view.position or 0 for view in views]
    assert positions == sorted(positions)
    assert 570 < positions[-1] < 600
    assert views[-1].elapsed - views[0].elapsed == pytest.approx(9.9, abs=0.01)
    assert views[0].remaining == pytest.approx(50, abs=2)
    assert views[0].remaining - views[-1].remaining == pytest.approx(9.9, abs=0.1)  # type: ignore[operator]  # known
    current().end(stage, "done")


def worker_lines(clock: FakeClock, rank: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("WORLD_SIZE", "2")
    stage = current().begin("fit", unit="epoch", total=3, options=Options("none", log_file=path))
    stage.advance_to(1)
    return stage


def test_several_workers_are_stacked_and_a_finished_one_leaves_a_line(
    clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / "0.jsonl", tmp_path / "1.jsonl"]
    stages = [
        contextvars.Context().run(worker_lines, clock, rank, path, monkeypatch) for rank, path in enumerate(paths)
    ]
    terminal = VirtualTerminal(80, 10)
    watched, followers = Viewer(kbar.RichRenderer(terminal)), [Follower(str(path)) for path in paths]

    def look() -> list[str]:
        for follower in followers:
            for record in records(follower.lines(), Counter(), ""):
                watched.take(record, follower.path)
        watched.draw(clock())
        return terminal.text.splitlines()

    assert [line[:11] for line in look()] == ["rank 0 fit ", "rank 1 fit "]
    current().end(stages[1], "stopped")
    line, bar = look()
    assert line.startswith("rank 1 fit ")
    assert line.endswith("stopped at 1/3")
    assert bar.startswith("rank 0 fit ")
    stages[0].advance_to(3)
    current().end(stages[0], "done")
    assert re.match(r"rank 0 fit +━+ 100% +3/3 .* done$", look()[-1])
    assert watched.over


def test_a_run_whose_process_is_gone_is_said_to_be_and_one_of_another_host_to_be_silent(
    clock: FakeClock, path: Path
) -> None:
    stage = current().begin("fit", unit="epoch", total=3, options=Options("none", log_file=path))
    here = json.loads(path.read_text())
    current().end(stage, "done")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for change, shown in (
        ({"pid": gone.pid}, r"process \d+ is gone\nfit .* interrupted at 0/3"),
        ({"host": "elsewhere"}, r"fit .* 0/3 +2:30 +silent for 3:20"),
        ({}, r"fit .* 0/3 +2:30 +silent for 3:20"),
    ):
        terminal = VirtualTerminal(80, 10)
        watched = Viewer(kbar.RichRenderer(terminal))
        watched.take(told(json.dumps({**here, **change}))[0], "run.jsonl")
        watched.end_dead_runs()
        assert not watched.over, "it is given the time of one more look"
        watched.end_dead_runs()
        watched.draw(clock() + 200)
        assert re.search(shown, terminal.text), terminal.text


def test_a_run_that_takes_the_place_of_a_silent_one_ends_that(clock: FakeClock, path: Path) -> None:
    """The job was killed and begun again elsewhere, and goes on in the same file."""
    for _index in range(2):
        stage = current().begin("fit", unit="epoch", total=3, options=Options("none", log_file=path))
        clock.advance(1000)
        current().end(stage, "done")
    first, second = (line for line in path.read_text().splitlines() if '"begin"' in line)
    renderer = RecordingRenderer()
    watched = Viewer(renderer)
    for line in (first, second):
        watched.take(told(line.replace(f'"host":"{os.uname().nodename}"', '"host":"elsewhere"'))[0], "run.jsonl")
    watched.draw(clock())
    assert [len(snapshot.stages) for snapshot in renderer.snapshots] == [1, 1]
    assert renderer.snapshots[0].stages[0].outcome == "interrupted"
    assert renderer.opened == 2


@pytest.mark.parametrize(
    "rotate",
    [lambda path: path.rename(path.with_suffix(".1")), lambda path: path.unlink(), lambda path: os.truncate(path, 0)],
    ids=["moved", "deleted", "cut"],
)
def test_a_file_is_followed_before_there_is_one_and_through_rotation(path: Path, rotate: Any) -> None:
    follower = Follower(str(path))
    assert list(follower.lines()) == []
    path.write_bytes(b"one\ntw")
    assert list(follower.lines()) == [b"one"]
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
        file.flush()
        assert list(follower.lines()) == [b"two", b"three"]
        file.write(b"four\n")
    if not rotate(path):  # cut: what was not read is gone
        list(follower.lines())
    rotate_again = path.exists() and path.stat().st_size
    assert not rotate_again
    path.write_bytes(b"5\n")
    assert list(follower.lines()) in ([b"5"], [b"four", b"5"])
    follower.close()


def test_of_a_long_file_only_the_end_is_read(path: Path) -> None:
    path.write_bytes(b"".join(b"%d\n" % i for i in range(1_000_000)))
    follower = Follower(str(path))
    lines = list(follower.lines())
    assert 30_000 < len(lines) < 40_000
    assert lines[-1] == b"999999"
    assert all(len(line) == 6 for line in lines)
    follower.close()


def test_a_run_is_watched_from_the_midst_of_its_file(
    clock: FakeClock, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line tells of the stages around its own."""
    begin_with(Options("none", log_file=path), monkeypatch)
    moments = life(clock)
    while next(moments) != "an evaluate within":
        pass
    renderer = RecordingRenderer()
    watched = Viewer(renderer)
    watched.take(told(path.read_text())[-1], "run.jsonl")
    watched.draw(clock())
    assert [(view.title, view.depth) for view in renderer.snapshots[-1].stages] == [("fit", 0), ("evaluate", 1)]
    for _ in moments:
        pass


def recorded(path: Path) -> None:
    """A run of about half a second."""
    log = kbar.JsonLinesRenderer(path, throttle=kbar.always)
    with kbar.loop(2, renderer=log, label="fit \x1b[31m[bold]") as loop:
        for epoch in loop.epochs():
            for step in epoch.steps(range(20)):
                time.sleep(0.01)
                epoch.log(loss=1.0 / (1 + step + 20 * epoch.index), accuracy=0.5 + epoch.index / 4, nan=float("nan"))


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_run_is_played_back(renderer: str, path: Path) -> None:
    recorded(path)
    terminal = VirtualTerminal(80, 10)
    seen: list[str] = []
    command = [sys.executable, "-m", "kbar", "replay", str(path), "--speed", "0.3", "--renderer", renderer]
    assert terminal.run(command, on_change=lambda _: seen.append(terminal.text)) == 0
    assert len(set(seen)) > 5
    lines = terminal.text.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2", "fit"]
    assert "[31m[bold]" in lines[-1]
    assert not terminal.screen.cursor.hidden


def test_a_run_is_summed_up(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(path)
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


def test_lines_that_make_no_sense_are_skipped_and_counted(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(path)
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
def test_mistakes_are_told_in_one_line(
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


def test_a_run_without_a_terminal_is_watched_from_one_while_it_lasts(path: Path) -> None:
    """The whole way, begun before the run: bars that move, and the end."""
    terminal = VirtualTerminal(90, 10)
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


def test_ctrl_c_ends_the_watching_and_leaves_a_clean_terminal(path: Path) -> None:
    recorded(path)
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


def test_a_run_that_speaks_again_is_not_dead(clock: FakeClock, path: Path) -> None:
    """Its process may be one of another namespace on this host, whose number means nothing here."""
    stage = current().begin("fit", unit="epoch", total=3, options=Options("none", log_file=path))
    current().end(stage, "done")
    first, last = (line.replace(f'"pid":{os.getpid()}', '"pid":999999') for line in path.read_text().splitlines())
    watched = Viewer(renderer := RecordingRenderer())
    watched.take(told(first)[0], "run.jsonl")
    for _ in range(2):
        watched.end_dead_runs()
    assert watched.over
    for _ in range(2):
        watched.take(told(first)[0], "run.jsonl")
        for _ in range(3):
            watched.end_dead_runs()
        assert not watched.over
    watched.take(told(last)[0], "run.jsonl")
    watched.draw(clock())
    assert renderer.snapshots[-1].stages[0].outcome == "done"


def test_a_host_whose_clock_is_wrong_is_neither_silent_nor_old(clock: FakeClock, path: Path) -> None:
    stage = current().begin("fit", unit="epoch", total=3, options=Options("none", log_file=path))
    watched = Viewer(renderer := RecordingRenderer())
    watched.take(told(path.read_text())[0], "run.jsonl", heard=clock() + 500)
    watched.draw(clock() + 501)
    (view,) = renderer.snapshots[-1].stages
    assert (view.note, view.elapsed) == ("", pytest.approx(1.0))
    current().end(stage, "done")


def test_half_a_line_is_forgotten_when_the_file_is_cut(path: Path) -> None:
    follower = Follower(str(path))
    path.write_bytes(b"one\ntw")
    assert list(follower.lines()) == [b"one"]
    path.write_bytes(b"a\n")
    assert list(follower.lines()) == [b"a"]
    follower.close()


@pytest.mark.parametrize(
    "change",
    [
        {"rate": 5e-324},
        {"metrics": {"loss": 10**400}},
        {"time": "9999-12-31T23:59:59-12:00"},
        {"time": "1900-01-01T00:00:00+00:00"},
        {"outcome": "done", "above": [1, 2]},
        {"total": 10**15, "done": 10**15 - 1},
    ],
    ids=str,
)
def test_hostile_lines_end_nothing(change: dict[str, Any], clock: FakeClock, path: Path) -> None:
    stage = current().begin("fit", unit="epoch", total=3, options=Options("none", log_file=path))
    line = json.loads(path.read_text().splitlines()[0])
    current().end(stage, "done")
    above = [{**line, "id": key} for key in change.pop("above", [])]
    hostile = json.dumps({**line, "above": above, **change})
    watched = Viewer(kbar.RichRenderer(VirtualTerminal(80, 10)))
    for record in records([hostile.encode()] * 2, Counter(), "run.jsonl"):
        watched.take(record, "run.jsonl")
        watched.draw(clock())
    watched.close()
    path.write_text(hostile + "\n")
    assert main(["show", str(path)]) in (0, 1)


def test_stages_that_move_are_no_stages(clock: FakeClock, path: Path) -> None:
    """Chains that grow from line to line would be deeper than Python goes."""
    stage = current().begin("fit", unit="epoch", total=3, options=Options("none", log_file=path))
    line = json.loads(path.read_text().splitlines()[0])
    current().end(stage, "done")
    watched = Viewer(RecordingRenderer())
    for first in range(0, 3000, 40):
        above = [{**line, "id": key} for key in range(first, first + 40)]
        (record,) = told(json.dumps({**line, "above": above, "id": first + 40}))
        watched.take(record, "run.jsonl")
    watched.draw(clock())


def test_a_run_that_begins_twice_is_another_one(clock: FakeClock, path: Path) -> None:
    with kbar.stage("run", total=2, renderer=kbar.JsonLinesRenderer(path)) as stage:
        stage.advance()
    begin, *_, end = (json.loads(line) for line in path.read_bytes().splitlines())
    lines = [json.dumps(line).encode() for line in (begin, {**begin, "id": begin["id"] + 7}, end)]
    watched = Viewer(RecordingRenderer())
    for record in records(lines, Counter(), "run.jsonl"):
        watched.take(record, "run.jsonl")
    watched.draw(0.0)
    assert watched.over


def test_a_reader_that_has_had_enough_is_no_failure(path: Path) -> None:
    recorded(path)
    command = f"{sys.executable} -m kbar show {path} | head -c 1; exit ${{PIPESTATUS[0]}}"
    shown = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True)
    assert shown.stderr == ""
