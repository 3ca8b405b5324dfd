"""Training by several processes with PyTorch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .launch import addresses, ends, fit, launch

pytestmark = [pytest.mark.slow, pytest.mark.needs("openpty"), pytest.mark.timeout(300)]
pytest.importorskip("torch", reason="these are runs of PyTorch: pip install torch")
pytest.importorskip("keras", reason="these are runs of Keras: pip install keras")


@pytest.mark.parametrize("loss", ["failed", "killed"])
def test_the_first_of_torchruns_workers_draws_and_each_has_a_log(loss: str, tmp_path: Path) -> None:
    """Both have the same terminal. When one ends, torchrun ends the other by a signal."""
    port = addresses(1)[0].rpartition(":")[2]
    options = ("--nproc-per-node=2", "--master-addr=127.0.0.1", f"--master-port={port}")
    torchrun = (sys.executable, "-m", "torch.distributed.run", *options)
    (both,) = launch(tmp_path, "torch_workers.py", loss, by=torchrun)
    assert both.code == 1
    assert "KbarWarning" not in both.errors
    for rank in (0, 1):
        assert ends(tmp_path / f"sharded-{rank}.jsonl") == fit("sharded", 10, 3), both.errors
        assert ends(tmp_path / f"unknown-{rank}.jsonl") == fit("unknown", 10)
        assert ends(tmp_path / f"loop-{rank}.jsonl") == fit("loop", 10)
        assert ("lost", 5, 5, "done") not in ends(tmp_path / f"lost-{rank}.jsonl")
    assert both.bars[:3] == ["sharded", "unknown", "loop"]
    assert [line[:19] for line in both.screen.text.splitlines()].count("sharded  epoch 1/2 ") == 1
    assert not both.screen.screen.cursor.hidden
