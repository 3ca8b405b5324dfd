"""A loop by two processes that `mpiexec` starts; the second one is killed in the end."""

from common import STEPS, X, Y  # noqa: I001  # first, as it says when to end

import os
import signal

from mpi4py import MPI
import numpy as np

import kbar

for name in [name for name in os.environ if name.startswith(("PMI", "MPI", "OMPI"))]:
    del os.environ[name]  # so that it is MPI that is asked
everyone = MPI.COMM_WORLD
rank = everyone.Get_rank()
assert everyone.Get_size() == 2
weight = np.zeros((2, 1))
for label, epochs in (("loop", 2), ("lost", 5)):
    with kbar.loop(epochs, label=label, log_file=f"{label}-{{rank}}.jsonl") as loop:
        for epoch in loop.epochs():
            for i in epoch.steps(range(STEPS)):
                batch = slice(i * 8 + rank * 4, i * 8 + rank * 4 + 4)
                error = X[batch] @ weight - Y[batch]
                weight = weight - 0.1 * everyone.allreduce(X[batch].T @ error / 8)
                epoch.mean(loss=float((error**2).mean()))
            if label == "lost" and epoch.index == 1 and rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
