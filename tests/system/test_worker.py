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
from kbar.system import worker
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
        ({"MV2_COMM_WORLD_RANK": "1", "MV2_COMM_WORLD_SIZE": "2"}, 1),
        ({"MV2_COMM_WORLD_RANK": "1"}, 0),
        ({"FLUX_TASK_RANK": "3", "FLUX_JOB_SIZE": "4"}, 3),
        ({"FLUX_TASK_RANK": "0", "FLUX_JOB_SIZE": "1"}, 0),
        ({"PMIX_RANK": "3"}, 3),  # PMIx has no variable for the count
        ({"PMIX_RANK": "3", "PMIX_SIZE": "4"}, 3),
        ({"PMIX_RANK": "3", "PMIX_SIZE": "1"}, 0),
        ({"PMIX_RANK": "1", "SLURM_NTASKS": "2"}, 1),
        ({"PMIX_RANK": "1", "SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "2"}, 0),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "2"}, 0),
        ({"RANK": "9" * 5000, "WORLD_SIZE": "9" * 5000}, 0),
        # One launcher starts another: what the inner one says counts.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "2", "RANK": "3", "WORLD_SIZE": "8"}, 3),
        # What users say beats them all.
        ({"KBAR_RANK": "0", "SLURM_PROCID": "2", "SLURM_NTASKS": "4"}, 0),
        ({"KBAR_RANK": " 7 "}, 7),
        ({"KBAR_RANK": "0", **task("worker", 1)}, 0),
        ({"KBAR_RANK": "", "RANK": "3", "WORLD_SIZE": "8"}, 3),
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
        ("jax._src.distributed", {"global_state": types.SimpleNamespace(client=object(), process_id=2)}),
        ("horovod.keras", {"is_initialized": lambda: True, "rank": lambda: 2}),
        (
            "mpi4py.MPI",
            {
                "Is_initialized": lambda: True,
                "Is_finalized": lambda: False,
                "COMM_WORLD": types.SimpleNamespace(Get_rank=lambda: 2, Get_size=lambda: 4),
            },
        ),
    ],
)
def test_an_initialised_framework_is_asked_before_the_environment(
    name: str, module: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(**module))  # type: ignore[arg-type]  # stands in
    assert (this_worker().rank, this_worker().variable) == (2, "")
    monkeypatch.setitem(sys.modules, name, types.SimpleNamespace())  # type: ignore[arg-type]  # half imported
    assert (this_worker().rank, this_worker().variable) == (1, "RANK")


CHIEF, WORKERS = types.SimpleNamespace(name="chief", tasks=[1]), types.SimpleNamespace(name="worker", tasks=[1, 2])


@pytest.mark.parametrize(
    ("jobs", "kind", "index", "rank"),
    [
        ([WORKERS], "worker", 1, 1),
        ([WORKERS, CHIEF], "worker", 1, 2),
        ([WORKERS, CHIEF], "chief", 0, 0),
        ([WORKERS, types.SimpleNamespace(name="localhost", tasks=[1])], "localhost", 0, 0),
    ],
)
@pytest.mark.parametrize("collective", [False, True])
def test_tensorflow_knows_its_cluster_without_the_environment(
    jobs: list[Any], kind: str, index: int, rank: int, collective: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of workers that train alike, or from a program that has others compute, which is the first of all."""
    cluster = types.SimpleNamespace(job=jobs)
    server = types.SimpleNamespace(cluster=cluster, job_name=kind, task_index=index)
    context = types.SimpleNamespace(
        get_server_def=lambda: None if collective else server,
        _collective_ops_server_def=server if collective else None,
    )
    module: Any = types.SimpleNamespace(context_safe=lambda: context)
    monkeypatch.setitem(sys.modules, "tensorflow.python.eager.context", module)
    assert this_worker().rank == rank


@pytest.mark.parametrize("text", ["-1", "1.5", "one", "9" * 5000, "\x1b[31m"])
def test_a_rank_that_is_no_whole_number_is_ignored_with_a_warning(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KBAR_RANK", text)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.warns(kbar.KbarWarning, match=r"^KBAR_RANK must be a whole number from 0 on; got '[^\x1b]*'") as found:
        assert this_worker().rank == 1
        assert this_worker().rank == 1
    assert len(found) == 1


def run_on_a_screen(**options: Any) -> RecordingRenderer:
    """A run that would be drawn on the screen."""
    screen = RecordingRenderer(screen=True)
    current().end(current().begin("fit", unit="epoch", total=1, options=Options(screen, **options)), "done")
    return screen


@pytest.mark.usefixtures("clock")
def test_a_task_of_a_launcher_that_is_not_shown_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `srun` also starts processes that have nothing to do with each other."""
    monkeypatch.setattr(worker, "_has_explained", False)
    monkeypatch.setenv("SLURM_PROCID", "3")
    monkeypatch.setenv("SLURM_NTASKS", "4")
    with pytest.warns(kbar.KbarWarning, match=r"shows nothing.* SLURM_PROCID=3 .*set KBAR_RANK=0\.$") as found:
        assert run_on_a_screen().opened == 0
        assert run_on_a_screen().opened == 0
    assert len(found) == 1
    monkeypatch.setenv("KBAR_RANK", "0")
    assert run_on_a_screen().opened == 1


@pytest.mark.usefixtures("clock")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("environment", "options"),
    [
        (task("worker", 1), {}),
        ({"KBAR_RANK": "1"}, {}),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, {}),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "4"}, {"disable": True}),
    ],
    ids=["a framework says it", "the user says it", "it is the first", "nothing would be shown"],
)
def test_nothing_is_said_of_ranks(
    environment: dict[str, str],
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(worker, "_has_explained", False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    run_on_a_screen(**options)
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("clock")
def test_only_the_first_worker_draws_on_the_screen_but_all_write_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_has_explained", True)
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


@pytest.mark.usefixtures("clock")
def test_the_rank_that_users_say_is_in_names_of_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.setenv("KBAR_RANK", "5")
    run_on_a_screen(log_file=tmp_path / "{rank}.jsonl")
    assert {json.loads(line)["rank"] for line in (tmp_path / "5.jsonl").read_text().splitlines()} == {5}
