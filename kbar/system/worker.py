"""Detects which of several workers this process is: its rank, its host, whether it serves a pool."""

from __future__ import annotations

import json
import os
import platform
import sys
import threading
import traceback
from dataclasses import dataclass

# The variables of launchers for the rank and the number of workers: Horovod's own, those of Open MPI and PMI (which
# Horovod and mpirun rely on), torchrun's, and SLURM's.
_VARIABLES = (
    ("HOROVOD_RANK", "HOROVOD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("RANK", "WORLD_SIZE"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
)
_POOLS = {  # the function that a pool's process runs, and how the name of its module ends
    "worker": ("multiprocessing.pool",),
    "_process_worker": ("concurrent.futures.process", "loky.process_executor"),
    "_worker_loop": ("torch.utils.data._utils.worker",),
}


@dataclass(frozen=True)
class Worker:
    """One of the processes that train together; ranks count from 0."""

    rank: int
    pid: int
    host: str


def this_worker() -> Worker:
    """This process, as the loaded frameworks and the environment describe it now; its rank is 0 if it is alone."""
    found = (ask() for ask in (_torch, _jax, _tensorflow, _launcher))
    rank = next((rank for rank in found if rank is not None), 0)
    return Worker(rank, os.getpid(), platform.node())


def serves_a_pool() -> bool:
    """Whether this process belongs to a pool: of multiprocessing, an executor, joblib, or a PyTorch data loader.

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


# Frameworks are asked only after they were set up for several workers: to ask earlier would load them, or start them
# with a single device.


def _torch() -> int | None:
    distributed = sys.modules.get("torch.distributed")
    try:
        if distributed and distributed.is_available() and distributed.is_initialized():
            return int(distributed.get_rank())
    except Exception:  # it is half imported, or shut down
        pass
    return None


def _jax() -> int | None:
    jax = sys.modules.get("jax")
    try:
        if jax and jax.distributed.is_initialized():
            return int(jax.process_index())
    except Exception:  # likewise, or JAX is older than 0.5 and cannot tell
        pass
    return None


def _tensorflow() -> int | None:
    """The rank that `TF_CONFIG` means: the chief (or worker 0, if there is none) comes first, evaluators come last."""
    try:
        config = json.loads(os.environ["TF_CONFIG"])
        cluster, task = config["cluster"], config["task"]
        kinds = [kind for kind in ("chief", "master", "worker", "ps", "evaluator") if kind in cluster]
        kinds += [task["type"]] if task["type"] not in kinds else []
        before = sum(len(cluster.get(kind, ())) for kind in kinds[: kinds.index(task["type"])])
        return before + int(task["index"])
    except (KeyError, TypeError, ValueError, AttributeError):  # not set, or not as TensorFlow documents it
        return None


def _launcher() -> int | None:
    for rank_name, count_name in _VARIABLES:
        rank, count = os.environ.get(rank_name, ""), os.environ.get(count_name, "")
        if rank.isdecimal() and count.isdecimal() and int(count) > 1:
            return int(rank)
    return None
