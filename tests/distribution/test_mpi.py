"""Loops by several processes that MPI starts."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from .launch import ends, fit, launch

pytestmark = [pytest.mark.slow, pytest.mark.needs("openpty"), pytest.mark.timeout(300)]
pytest.importorskip("mpi4py", reason="these are runs of MPI: pip install mpi4py mpich")


def test_the_first_of_mpis_processes_draws_and_each_has_a_log(tmp_path: Path) -> None:
    """Log lines, as mpiexec gives its processes pipes; it ends all when one is killed."""
    mpiexec = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
    if not mpiexec:
        pytest.skip("there is no mpiexec: pip install mpich")
    (both,) = launch(tmp_path, "mpi_workers.py", by=(mpiexec, "-n", "2", sys.executable))
    assert both.code
    assert "KbarWarning" not in both.errors
    for rank in (0, 1):
        assert ends(tmp_path / f"loop-{rank}.jsonl") == fit("loop", 10)
    for log in tmp_path.glob("lost-*.jsonl"):
        assert ("lost", 5, 5, "done") not in ends(log)  # its lines are whole, however many there are
    assert both.written.count(" loop epoch 2/2 done 10/10 ") == 1
    assert both.written.count(" lost epoch 2/5 ") <= 1
