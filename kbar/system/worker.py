"""Owns which of several workers this process is: its rank, where it runs, whether it serves a pool."""

from __future__ import annotations

import json
import os
import platform
import sys
import threading
import traceback
from dataclasses import dataclass

# Pairs of variables, rank and number of workers, as launchers set them: Horovod's own, Open MPI's and
# PMI's (which Horovod and mpirun leave it to), torchrun's, and SLURM's.
_VARIABLES = (
    ("HOROVOD_RANK", "HOROVOD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("RANK", "WORLD_SIZE"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
)
_POOLS = {  # what a pool's process runs: the function, and the end of its module's name
    "worker": ("multiprocessing.pool",),
    "_process_worker": ("concurrent.futures.process", "loky.process_executor"),
    "_worker_loop": ("torch.utils.data._utils.worker",),
}


@dataclass(frozen=True)
class Worker:
    """One of the processes that train together: `rank` from 0, and where it is to be found."""

    rank: int
    pid: int
    host: str


def this_worker() -> Worker:
    """This process, as far as the loaded frameworks and the environment tell by now; rank 0 if it is alone."""
    found = (ask() for ask in (_torch, _jax, _tensorflow, _launcher))
    rank = next((rank for rank in found if rank is not None), 0)
    return Worker(rank, os.getpid(), platform.node())


def serves_a_pool() -> bool:
    """Whether this process works for a pool (multiprocessing's, an executor's, joblib's), whose owner has the screen.

    A `multiprocessing.Process` that somebody starts to train in does not.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is None or process.parent_process() is None:
        return False
    main = sys._current_frames().get(threading.main_thread().ident or 0)
    return main is not None and any(
        str(frame.f_globals.get("__name__")).endswith(_POOLS.get(frame.f_code.co_name, ()))
        for frame, _ in traceback.walk_stack(main)
    )


# Frameworks are asked only once they are set up for several workers: to ask earlier would load them,
# or start them with one device.


def _torch() -> int | None:
    distributed = sys.modules.get("torch.distributed")
    try:
        if distributed and distributed.is_available() and distributed.is_initialized():
            return int(distributed.get_rank())
    except Exception:  # half imported, or torn down: then it has nothing to say
        pass
    return None


def _jax() -> int | None:
    jax = sys.modules.get("jax")
    try:
        if jax and jax.distributed.is_initialized():
            return int(jax.process_index())
    except Exception:  # likewise, and before JAX 0.5 there is no way to ask
        pass
    return None


def _tensorflow() -> int | None:
    """From `TF_CONFIG`: the chief, or worker 0 where there is none, comes first; evaluators and servers last."""
    try:
        config = json.loads(os.environ["TF_CONFIG"])
        cluster, task = config["cluster"], config["task"]
        kinds = [kind for kind in ("chief", "master", "worker", "ps", "evaluator") if kind in cluster]
        kinds += [task["type"]] if task["type"] not in kinds else []
        before = sum(len(cluster.get(kind, ())) for kind in kinds[: kinds.index(task["type"])])
        return before + int(task["index"])
    except (KeyError, TypeError, ValueError, AttributeError):  # not set, or not as TensorFlow would have it
        return None


def _launcher() -> int | None:
    for rank_name, count_name in _VARIABLES:
        rank, count = os.environ.get(rank_name, ""), os.environ.get(count_name, "")
        if rank.isdecimal() and count.isdecimal() and int(count) > 1:
            return int(rank)
    return None
