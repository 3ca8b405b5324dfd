"""Detects which of several workers this process is: its rank, its host, whether it serves a pool."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .portable import host_name
from .warnings import warn

OVERRIDE = "KBAR_RANK"
"""The environment variable by which users say what the rank of a process is."""

# The variables of launchers for the rank, and for the number of processes, of which the first that is set counts: those
# of launchers that others start come first (srun starts torchrun and mpirun, which start the workers). PMIx defines no
# variable for the number.
_VARIABLES = {
    "HOROVOD_RANK": ("HOROVOD_SIZE",),
    "RANK": ("WORLD_SIZE",),  # torchrun, and others that start processes for PyTorch
    "OMPI_COMM_WORLD_RANK": ("OMPI_COMM_WORLD_SIZE",),
    "MV2_COMM_WORLD_RANK": ("MV2_COMM_WORLD_SIZE",),
    "FLUX_TASK_RANK": ("FLUX_JOB_SIZE",),
    "PMI_RANK": ("PMI_SIZE",),
    "PMIX_RANK": ("PMIX_SIZE", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"),
    "SLURM_PROCID": ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"),
}
_NEEDS_NO_COUNT = ("PMIX_RANK",)
_MOST_DIGITS = 9
_POOLS = {  # the function that a pool's process runs, and how the name of its module ends
    "worker": ("multiprocessing.pool",),
    "_process_worker": ("concurrent.futures.process", "loky.process_executor"),
    "_worker_loop": ("torch.utils.data._utils.worker",),
    "_run": ("distributed.nanny",),  # Dask's
}


@dataclass(frozen=True)
class Worker:
    """One of the processes that train together; ranks count from 0.

    Attributes:
        variable: the variable of a launcher that the rank is from; "" if it is not from one.
            Processes that a launcher starts together need not train together.
    """

    rank: int
    pid: int
    host: str
    variable: str = ""


def this_worker() -> Worker:
    """This process, as the loaded frameworks and the environment describe it now; its rank is 0 if it is alone.

    As this may issue a warning, the caller must hold no lock.
    """
    found = (ask() for ask in (_override, _torch, _jax, _horovod, _tensorflow, _mpi))
    rank, variable = next((rank for rank in found if rank is not None), None), ""
    if rank is None:
        rank, variable = _launcher()
    return Worker(rank, os.getpid(), host_name(), variable)


def may_use_the_screen() -> bool:
    """Whether this process is the first worker. If others may be alone, they say once what keeps them silent.

    As this may issue a warning, the caller must hold no lock.
    """
    global _has_explained
    worker = this_worker()
    if worker.rank and worker.variable and not _has_explained:
        _has_explained = True
        warn(
            f"this process shows nothing, as by {worker.variable}={worker.rank} it is not the first of its run. "
            f"If it trains by itself, set {OVERRIDE}=0."
        )
    return not worker.rank


_has_explained = False  # once in each process: a job array of a thousand fits needs no thousand lines


def serves_a_pool() -> bool:
    """Whether this process belongs to a pool: of multiprocessing, an executor, joblib, Dask, or a PyTorch data loader.

    The screen is then the business of the pool's owner. A plain `multiprocessing.Process`, which may be started to
    train in, belongs to none.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is None or process.parent_process() is None:
        return False
    main = sys._current_frames().get(threading.main_thread().ident or 0)
    return main is not None and any(
        str(frame.f_globals.get("__name__")).endswith(_POOLS.get(frame.f_code.co_name, ()))
        for frame, _ in traceback.walk_stack(main)
    )


def imports_main() -> bool:
    """Whether this process imports the program's file only to have its functions.

    On Windows and macOS, each process that multiprocessing starts does so first, and runs again all that stands in the
    file outside of functions and of ``if __name__ == "__main__"``.
    """
    process = sys.modules.get("multiprocessing.process")
    # By this attribute multiprocessing itself knows that it must not start processes yet.
    return process is not None and getattr(process.current_process(), "_inheriting", False) is True


def _override() -> int | None:
    text = os.environ.get(OVERRIDE, "").strip()
    rank = _whole(text)
    if text and rank is None:
        shown = "".join(c if c.isprintable() else " " for c in text[:50])
        warn(f"{OVERRIDE} must be a whole number from 0 on; got {shown!r}, which is ignored")
    return rank


# Frameworks are asked only after they were set up for several workers: to ask earlier would load them, or start them
# with a single device. What they raise does not matter: they are half imported, shut down, or of another version.


def _torch() -> int | None:
    distributed = sys.modules.get("torch.distributed")
    with contextlib.suppress(Exception):
        if distributed and distributed.is_available() and distributed.is_initialized():
            return int(distributed.get_rank())
    return None


def _jax() -> int | None:
    # Not jax.process_index(): where nothing was computed yet, that would wait until all workers want to compute.
    with contextlib.suppress(Exception):
        state: Any = sys.modules["jax._src.distributed"].global_state
        return None if state.client is None else int(state.process_id)
    return None


def _horovod() -> int | None:
    for name in ("keras", "tensorflow.keras", "tensorflow", "torch"):
        horovod: Any = sys.modules.get(f"horovod.{name}")
        with contextlib.suppress(Exception):
            if horovod and horovod.is_initialized():
                return int(horovod.rank())
    return None


def _mpi() -> int | None:
    """The rank by mpi4py; None also where it knows of this process only, as if MPI is not what has started it."""
    mpi: Any = sys.modules.get("mpi4py.MPI")
    with contextlib.suppress(Exception):
        if mpi and mpi.Is_initialized() and not mpi.Is_finalized() and mpi.COMM_WORLD.Get_size() > 1:
            return int(mpi.COMM_WORLD.Get_rank())
    return None


def _tensorflow() -> int | None:
    """The rank that `TF_CONFIG` means or, without it, the cluster that TensorFlow was connected to."""
    with contextlib.suppress(Exception):  # not set, or not as TensorFlow documents it
        config = json.loads(os.environ["TF_CONFIG"])
        sizes = {kind: len(tasks) for kind, tasks in config["cluster"].items()}
        return _place(sizes, config["task"]["type"], int(config["task"]["index"]))
    with contextlib.suppress(Exception):
        context: Any = sys.modules["tensorflow.python.eager.context"].context_safe()
        # The first is of a process that has others compute, the second of workers that compute the same.
        server = context.get_server_def() or context._collective_ops_server_def
        return _place({job.name: len(job.tasks) for job in server.cluster.job}, server.job_name, server.task_index)
    return None


_TASKS = ("chief", "master", "worker", "ps", "evaluator")  # the types of TensorFlow's tasks, in the order of ranks


def _place(sizes: Mapping[str, int], kind: str, index: int) -> int:
    """The rank of a task: the chief (or worker 0, if there is none) comes first, evaluators come last.

    A task of another type, which TensorFlow calls localhost or coordinator, has the others compute for it. So it comes
    first as well.
    """
    before = _TASKS[: _TASKS.index(kind)] if kind in _TASKS else ()
    return sum(sizes.get(each, 0) for each in before) + index


def _launcher() -> tuple[int, str]:
    """The rank by the variables of launchers, and its variable; 0 and "" without them."""
    for name, counts in _VARIABLES.items():
        rank = _whole(os.environ.get(name, ""))
        known = (_whole(os.environ.get(each, "")) for each in counts)
        count = next((each for each in known if each is not None), None)
        if rank is not None and (count > 1 if count is not None else rank and name in _NEEDS_NO_COUNT):
            return rank, name
    return 0, ""


def _whole(text: str) -> int | None:
    """The text as a whole number from 0 on; None if it is none."""
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None
