"""Runs of worker processes, which the process with the screen shows as rows."""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import kbar
from kbar.display.workers import Workers
from kbar.system import owner
from kbar.testing import FakeClock, VirtualTerminal

from ..helpers import has


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where such folders are made, as long as the test runs."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    owner.withdraw()


def run_of_a_worker(clock: FakeClock, log: Path, *, epochs: int, of: int) -> None:
    """Write the log of a fit, of which `epochs` are over; it is gone or, if that is all of them, done."""
    with kbar.loop(of, label="fit 3", renderer="none", log_file=log) as loop:
        for epoch in loop.epochs():
            for _ in epoch.steps(range(20)):
                clock.advance(0.5)
                epoch.log(loss=0.25)
                if (epoch.index, epoch.index < of) == (epochs, True):
                    clock.advance(1.0)
                    lines = log.read_text()
                    break
            else:
                continue
            break
    if epochs < of:
        log.write_text(lines)


def test_a_worker_has_a_row_and_then_a_line(clock: FakeClock, folder: Path) -> None:
    workers = Workers(time.time)
    (made,) = folder.iterdir()
    assert made.stat().st_mode & 0o777 == 0o700 or not has("getuid")
    workers._since = 0.0
    run_of_a_worker(clock, made / "1.jsonl", epochs=2, of=4)
    assert workers.look() == ()
    (row,) = workers.beside(())
    assert (row.title, row.done, row.total, row.metrics) == ("worker 1 fit 3", 2, 4, (("loss", 0.25),))
    assert row.note.startswith("train")
    run_of_a_worker(clock, made / "1.jsonl", epochs=4, of=4)
    run_of_a_worker(clock, made / "2.jsonl", epochs=4, of=4)
    lines = [event.line for event in workers.look()]
    assert [(line.path, line.done, line.outcome) for line in lines if line][-1] == ("worker 1 fit 3", 4, "done")
    workers.close()
    assert not [*folder.iterdir()]


def test_what_was_over_before_is_not_shown(clock: FakeClock, folder: Path) -> None:
    workers = Workers(lambda: time.time() + 1e6)
    run_of_a_worker(clock, next(folder.iterdir()) / "1.jsonl", epochs=4, of=4)
    assert workers.look() == ()
    assert workers.beside(()) == ()


@pytest.mark.needs("getuid")
def test_only_a_private_folder_of_the_parent_is_used(folder: Path) -> None:
    assert owner.offered() is None
    parents = folder / f"kbar-{os.getuid()}-{os.getppid()}"
    parents.mkdir()
    for mode, expected in [(0o777, None), (0o700, parents)]:
        parents.chmod(mode)
        assert owner.offered() == expected
    assert owner.offer() is None, "this process is a worker itself"


@pytest.mark.needs("getuid")
def test_what_a_killed_process_left_is_removed_and_its_number_used_again(folder: Path) -> None:
    orphan, other, own = (folder / f"kbar-{os.getuid()}-{pid}" for pid in (2**22 + 1, 1, os.getpid()))
    for path in (orphan, other, own):
        path.mkdir(0o700)
    owner.remove_orphans()
    assert (orphan.exists(), other.exists()) == (False, True)
    assert owner.offer() == own
    own.chmod(0o777)
    assert owner.offer() is None


def test_a_run_goes_on_where_no_folder_can_be_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "missing"))
    workers = Workers(time.time)
    assert workers.look() == ()
    workers.close()


PROGRAM = """
import glob, os, signal, sys, tempfile, time
import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor
import kbar

def train(n):
    with kbar.loop(3, label=f"trial {n}") as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(20)):
                time.sleep(0.02)
                epoch.log(loss=1 / (1 + i))

if __name__ == "__main__":
    with kbar.stage("search", total=4, unit="trial") as search:
        %s
    print("left:", glob.glob(tempfile.gettempdir() + "/kbar-*"))
"""
POOLS = {
    "spawn": "for _ in ProcessPoolExecutor(2, mp.get_context('spawn')).map(train, range(4)): search.advance()",
    "fork": "for _ in mp.get_context('fork').Pool(2).imap(train, range(4)): search.advance()",
    "processes": """
        for n in 0, 2:
            both = [mp.get_context("spawn").Process(target=train, args=(n + i,)) for i in range(2)]
            [each.start() for each in both]
            [each.join() for each in both]
            search.advance(2)
""",
    "joblib": """
        from joblib import Parallel, delayed
        for _ in Parallel(2, return_as="generator")(delayed(train)(n) for n in range(4)): search.advance()
""",
    "dask": """
        from dask.distributed import Client, LocalCluster
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            for each in Client(cluster).map(train, range(4)): each.result(); search.advance()
""",
}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    return tmp_path / "program.py"


@pytest.mark.slow
@pytest.mark.parametrize("renderer", ["rich", "tqdm"])
@pytest.mark.parametrize("pool", [*POOLS])
def test_each_worker_of_a_pool_has_a_row(
    pool: str, renderer: str, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pool in ("joblib", "dask"):
        pytest.importorskip(pool, reason=f"{pool} is missing: pip install joblib distributed")
    monkeypatch.setenv("KBAR_RENDERER", renderer)
    program.write_text(PROGRAM % POOLS[pool].strip())
    terminal = VirtualTerminal(columns=120, lines=20)
    assert terminal.run([sys.executable, str(program)]) == 0, terminal.text
    assert "left: []" in terminal.text
    assert re.search(r"^search .*100%.*4/4", terminal.text, re.MULTILINE)
    lines = [line for line in terminal.text.splitlines() if line.startswith("worker")]
    assert sorted(line.split()[3] for line in lines) == ["0", "1", "2", "3"]  # each as "worker 1 trial 0   1.2s …"
    assert {line.split()[1] for line in lines} == {"1", "2"}
    shown = "".join(terminal.received)
    assert "train" in shown, "while it ran"
    assert "3/3" not in terminal.text


@pytest.mark.slow
def test_the_line_of_a_killed_worker_says_so_and_no_files_are_left_by_killed_processes(program: Path) -> None:
    kill = """
        both = [mp.get_context("spawn").Process(target=train, args=(n,)) for n in range(2)]
        [each.start() for each in both]
        while len(glob.glob(tempfile.gettempdir() + "/kbar-*/*")) < 2: time.sleep(0.05)
        time.sleep(0.4)
        os.kill(both[0].pid, signal.SIGKILL)
        [each.join() for each in both]
        search.advance()
        %s
"""
    terminal = VirtualTerminal(columns=120, lines=20)
    program.write_text(PROGRAM % (kill % "").strip())
    assert terminal.run([sys.executable, str(program)]) == 0
    assert sorted("interrupted at" in line for line in terminal.text.splitlines() if "worker" in line) == [False, True]
    assert "left: []" in terminal.text
    program.write_text(PROGRAM % (kill % "").replace("both[0].pid", "os.getpid()").strip())
    assert terminal.run([sys.executable, str(program)]) == -signal.SIGKILL
    until = time.monotonic() + 30
    while [*Path(os.environ["TMPDIR"]).glob("kbar-*")]:  # the last worker removes it
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.slow
def test_workers_have_lines_where_there_is_no_terminal(program: Path) -> None:
    import subprocess

    program.write_text(PROGRAM % POOLS["spawn"])
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    ends = [line.split(" ", 1)[1] for line in done.stdout.splitlines() if "worker" in line]
    assert sorted(end.split()[3] for end in ends) == ["0", "1", "2", "3"]
    assert all(" done 3/3 100% loss=0.0500" in end for end in ends)
