"""Runs that are drawn from the lines of their logs."""

from __future__ import annotations

import contextvars
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import kbar
from kbar.__main__ import main
from kbar.display.process import current
from kbar.history.follow import Follower, records
from kbar.history.read import read
from kbar.history.watch import Viewer
from kbar.options import Options
from kbar.system.portable import host_name
from kbar.testing import FakeClock, RecordingRenderer, VirtualTerminal

from ..renderers.test_screens import RENDERERS, begin_with, life


def records_of(lines: str | bytes) -> list[Any]:
    """The records on these lines, all of which are kbar's."""
    found = [read(line) for line in lines.splitlines()]
    assert all(found)
    return found


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_watched_run_looks_as_on_its_own_terminal(
    renderer: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If its log has a line for each step, and its own bars do not glide."""
    own, other, stream = VirtualTerminal(140, 12), VirtualTerminal(140, 12), io.StringIO()
    logs: list[Any] = [kbar.RichRenderer(file=own), kbar.JsonLinesRenderer(stream, throttle=kbar.always)]
    begin_with(Options(logs, pacing=False), monkeypatch)
    viewer = Viewer(RENDERERS[renderer](file=other))
    read_so_far = 0

    def facts(terminal: VirtualTerminal) -> list[str]:
        """The screen without bars, rates, and times of this very moment, which no line has."""
        text = re.sub(r"[━╸╺█▏▎▍▌▋▊▉|]| eta ~?[\d:]+|waiting .*|  step \d.*|\d+%|[\d.]+ step/s", " ", terminal.text)
        return [" ".join(line.replace("done", "").split()) for line in text.splitlines() if line]

    for moment in life(clock):
        lines = stream.getvalue()
        for record in records_of(lines[read_so_far:]):
            viewer.take(record, "run.jsonl")
        read_so_far = len(lines)
        viewer.draw(clock())
        assert facts(other) == facts(own), moment
    assert "done" not in other.text
    viewer.close()
    assert facts(other) == facts(own)


def test_between_lines_the_bar_moves_on_and_the_count_does_not(clock: FakeClock) -> None:
    """The elapsed time goes on, too, and the remaining time counts down."""
    stream = io.StringIO()
    stage = current().begin("train", unit="step", total=1000, options=Options(kbar.JsonLinesRenderer(stream)))
    for done in range(1, 501):
        clock.advance(0.1)
        stage.advance_to(done, current().clock())
    renderer = RecordingRenderer()
    viewer = Viewer(renderer)
    for record in records_of(stream.getvalue()):
        viewer.take(record, "run.jsonl")
    for _ in range(100):
        viewer.draw(clock())
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


def test_a_single_line_shows_all_stages_around_its_own(
    clock: FakeClock, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_with(Options("none", log_file=path), monkeypatch)
    moments = life(clock)
    while next(moments) != "an evaluate within":
        pass
    renderer = RecordingRenderer()
    viewer = Viewer(renderer)
    viewer.take(records_of(path.read_text())[-1], "run.jsonl")
    viewer.draw(clock())
    assert [(view.title, view.depth) for view in renderer.snapshots[-1].stages] == [("fit", 0), ("evaluate", 1)]
    for _ in moments:
        pass


def worker_lines(clock: FakeClock, rank: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("WORLD_SIZE", "2")
    stage = current().begin("fit", unit="epoch", total=3, options=Options("none", log_file=path))
    stage.advance_to(1, current().clock())
    return stage


def test_several_workers_are_drawn_together_and_a_finished_one_leaves_a_line(
    clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / "0.jsonl", tmp_path / "1.jsonl"]
    stages = [
        contextvars.Context().run(worker_lines, clock, rank, path, monkeypatch) for rank, path in enumerate(paths)
    ]
    terminal = VirtualTerminal(80, 10)
    viewer, followers = Viewer(kbar.RichRenderer(terminal)), [Follower(str(path)) for path in paths]

    def look() -> list[str]:
        for follower in followers:
            for record in records(follower.lines(), Counter(), ""):
                viewer.take(record, follower.path)
        viewer.draw(clock())
        return [line for line in terminal.text.splitlines() if line]

    assert [line[:11] for line in look()] == ["rank 0 fit ", "rank 1 fit "]
    current().end(stages[1], "stopped")
    line, bar = look()
    assert line.startswith("rank 1 fit ")
    assert line.endswith("stopped at 1/3")
    assert bar.startswith("rank 0 fit ")
    stages[0].advance_to(3, current().clock())
    current().end(stages[0], "done")
    assert re.match(r"rank 0 fit +━+ 100% +3/3 .* done$", look()[-1])
    assert viewer.over


@pytest.mark.slow
def test_a_run_without_a_process_ends_one_elsewhere_is_silent(clock: FakeClock, path: Path) -> None:
    stage = current().begin("fit", unit="epoch", total=3, options=Options("none", log_file=path))
    here = json.loads(path.read_text())
    current().end(stage, "done")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for change, shown in (
        ({"pid": gone.pid}, r"process \d+ is gone\n\n\nfit .* interrupted at 0/3"),
        ({"host": "elsewhere"}, r"fit .* 0/3 +2:30 +silent for 3:20"),
        ({}, r"fit .* 0/3 +2:30 +silent for 3:20"),
    ):
        terminal = VirtualTerminal(80, 10)
        viewer = Viewer(kbar.RichRenderer(terminal))
        viewer.take(records_of(json.dumps({**here, **change}))[0], "run.jsonl")
        viewer.end_dead_runs()
        assert not viewer.over, "its last lines may not be read yet"
        viewer.end_dead_runs()
        viewer.draw(clock() + 200)
        assert re.search(shown, terminal.text), terminal.text


def test_a_run_in_the_file_of_a_silent_one_ends_that(clock: FakeClock, path: Path) -> None:
    """As after a job was killed and started again on another host."""
    for _ in range(2):
        stage = current().begin("fit", unit="epoch", total=3, options=Options("none", log_file=path))
        clock.advance(1000)
        current().end(stage, "done")
    first, second = (line for line in path.read_text().splitlines() if '"begin"' in line)
    renderer = RecordingRenderer()
    viewer = Viewer(renderer)
    for line in (first, second):
        viewer.take(records_of(line.replace(f'"host":"{host_name()}"', '"host":"elsewhere"'))[0], "run.jsonl")
    viewer.draw(clock())
    assert [len(snapshot.stages) for snapshot in renderer.snapshots] == [1, 1]
    assert renderer.snapshots[0].stages[0].outcome == "interrupted"
    assert renderer.opened == 2


def test_a_run_that_writes_again_is_not_dead(clock: FakeClock, path: Path) -> None:
    """Its process may be in a container on this host: the number then means nothing here."""
    stage = current().begin("fit", unit="epoch", total=3, options=Options("none", log_file=path))
    current().end(stage, "done")
    first, last = (line.replace(f'"pid":{os.getpid()}', '"pid":999999') for line in path.read_text().splitlines())
    viewer = Viewer(renderer := RecordingRenderer())
    viewer.take(records_of(first)[0], "run.jsonl")
    for _ in range(2):
        viewer.end_dead_runs()
    assert viewer.over
    for _ in range(2):
        viewer.take(records_of(first)[0], "run.jsonl")
        for _ in range(3):
            viewer.end_dead_runs()
        assert not viewer.over
    viewer.take(records_of(last)[0], "run.jsonl")
    viewer.draw(clock())
    assert renderer.snapshots[-1].stages[0].outcome == "done"


def test_the_wrong_clock_of_a_host_changes_no_times(clock: FakeClock, path: Path) -> None:
    stage = current().begin("fit", unit="epoch", total=3, options=Options("none", log_file=path))
    viewer = Viewer(renderer := RecordingRenderer())
    viewer.take(records_of(path.read_text())[0], "run.jsonl", heard=clock() + 500)
    viewer.draw(clock() + 501)
    (view,) = renderer.snapshots[-1].stages
    assert (view.note, view.elapsed) == ("", pytest.approx(1.0))
    current().end(stage, "done")


def test_a_run_that_begins_twice_starts_anew(clock: FakeClock, path: Path) -> None:
    with kbar.stage("run", total=2, renderer=kbar.JsonLinesRenderer(path)) as stage:
        stage.advance()
    begin, *_, end = (json.loads(line) for line in path.read_bytes().splitlines())
    lines = [json.dumps(line).encode() for line in (begin, {**begin, "id": begin["id"] + 7}, end)]
    viewer = Viewer(RecordingRenderer())
    for record in records(lines, Counter(), "run.jsonl"):
        viewer.take(record, "run.jsonl")
    viewer.draw(0.0)
    assert viewer.over


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
def test_hostile_lines_raise_no_exception(change: dict[str, Any], clock: FakeClock, path: Path) -> None:
    stage = current().begin("fit", unit="epoch", total=3, options=Options("none", log_file=path))
    line = json.loads(path.read_text().splitlines()[0])
    current().end(stage, "done")
    above = [{**line, "id": key} for key in change.pop("above", [])]
    hostile = json.dumps({**line, "above": above, **change})
    viewer = Viewer(kbar.RichRenderer(VirtualTerminal(80, 10)))
    for record in records([hostile.encode()] * 2, Counter(), "run.jsonl"):
        viewer.take(record, "run.jsonl")
        viewer.draw(clock())
    viewer.close()
    path.write_text(hostile + "\n")
    assert main(["show", str(path)]) in (0, 1)


def test_a_chain_of_stages_does_not_grow_from_line_to_line(clock: FakeClock, path: Path) -> None:
    """It would become deeper than Python's recursion limit."""
    stage = current().begin("fit", unit="epoch", total=3, options=Options("none", log_file=path))
    line = json.loads(path.read_text().splitlines()[0])
    current().end(stage, "done")
    viewer = Viewer(RecordingRenderer())
    for first in range(0, 3000, 40):
        above = [{**line, "id": key} for key in range(first, first + 40)]
        (record,) = records_of(json.dumps({**line, "above": above, "id": first + 40}))
        viewer.take(record, "run.jsonl")
    viewer.draw(clock())


def test_a_phase_whose_end_is_missing_leaves_with_its_epoch(
    clock: FakeClock, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_with(Options("none", log_file=path), monkeypatch)
    for _ in life(clock):
        pass
    viewer = Viewer(renderer := RecordingRenderer())
    for line in path.read_text().splitlines():
        (record,) = records_of(line)
        if record.kind != "end" or not record.stage.phase:
            viewer.take(record, "run.jsonl")
            viewer.draw(record.time)
    assert [view.title for view in renderer.snapshots[-1].stages] == ["fit"]


def test_a_failure_within_a_phase_leaves_when_the_phase_is_done(clock: FakeClock, path: Path) -> None:
    run = current().begin("fit", unit="epoch", total=1, options=Options("none", log_file=path))
    current().start_epoch(run)
    train = current().begin("train", unit="step", total=1, parent=run, phase=True)
    current().end(current().begin("export", unit="file", total=2), "error")
    viewer = Viewer(renderer := RecordingRenderer())

    def shown() -> list[str]:
        for record in records_of(path.read_text()):
            viewer.take(record, "run.jsonl")
        path.write_text("")
        viewer.draw(clock())
        return [view.label for view in renderer.snapshots[-1].stages]

    assert shown() == ["fit", "train", "export"]
    train.advance_to(1, clock())
    current().end(train, "done")
    assert shown() == ["fit", "train"]
