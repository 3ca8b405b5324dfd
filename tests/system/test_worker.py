"""Which of several workers this process is."""

from __future__ import annotations

import json
import os
import sys
import types
from typing import Any

import pytest

import kbar
from kbar.display.process import current
from kbar.options import Options
from kbar.system.worker import this_worker
from kbar.testing import FakeClock, RecordingRenderer

CLUSTER = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1"]}


def task(kind: str, index: int, **cluster: list[str]) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster or CLUSTER, "task": {"type": kind, "index": index}})}


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({}, 0),
        (task("chief", 0), 0),
        (task("worker", 0), 1),
        (task("worker", 1), 2),
        (task("ps", 0), 3),
        (task("evaluator", 0), 4),
        (task("worker", 1, worker=["a:1", "b:1"]), 1),
        ({"TF_CONFIG": "{}"}, 0),
        ({"TF_CONFIG": "nonsense"}, 0),
        ({"TF_CONFIG": "[]"}, 0),
        ({"TF_CONFIG": '{"cluster": 5, "task": {"type": "worker", "index": "x"}}'}, 0),
        ({"RANK": "3", "WORLD_SIZE": "8"}, 3),
        ({"RANK": "3"}, 0),
        ({"RANK": "3", "WORLD_SIZE": "1"}, 0),
        ({"RANK": "three", "WORLD_SIZE": "8"}, 0),
        ({"SLURM_PROCID": "2", "SLURM_NTASKS": "4"}, 2),
        ({"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4"}, 2),
        ({"HOROVOD_RANK": "1", "HOROVOD_SIZE": "2"}, 1),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, 1),
        ({"PMI_RANK": "5", "PMI_SIZE": "6"}, 5),
    ],
)
def test_launchers_say_which_worker_this_is(
    environment: dict[str, str], rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (this_worker().rank, this_worker().pid) == (rank, os.getpid())


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("torch.distributed", {"is_available": lambda: True, "is_initialized": lambda: True, "get_rank": lambda: 2}),
        (
            "jax",
            {"distributed": types.SimpleNamespace(is_initialized=lambda: True), "process_index": lambda: 2},
        ),
    ],
)
def test_an_initialised_framework_is_asked_before_the_environment(
    name: str, module: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(**module))  # type: ignore[arg-type]  # stands in
    assert this_worker().rank == 2
    monkeypatch.setitem(sys.modules, name, types.SimpleNamespace())  # type: ignore[arg-type]  # half imported
    assert this_worker().rank == 1


@pytest.mark.usefixtures("clock")
def test_only_the_first_worker_draws_on_the_screen_but_all_write_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    screen, log = RecordingRenderer(screen=True), RecordingRenderer()
    stage = current().begin("fit", unit="epoch", total=1, options=Options([screen, log]))
    current().end(stage, "done")
    assert screen.opened == 0
    assert [event.kind for event in log.events] == ["begin", "end"]


def test_lines_carry_the_rank_unless_the_file_is_the_workers_own(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    logs = [kbar.LogRenderer(tmp_path / name) for name in ("all.log", "{rank}.log")]
    stage = current().begin("fit", unit="epoch", total=1, options=Options(logs))
    current().end(stage, "done")
    assert [line.endswith(" rank=1") for line in (tmp_path / "all.log").read_text().splitlines()] == [True, True]
    assert "rank=" not in (tmp_path / "1.log").read_text()
