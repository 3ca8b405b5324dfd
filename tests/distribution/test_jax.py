"""Training on several devices and by several processes with JAX."""

from __future__ import annotations

from pathlib import Path

import pytest

from .launch import addresses, ends, fit, launch

pytestmark = [pytest.mark.slow, pytest.mark.needs("openpty"), pytest.mark.timeout(300)]
pytest.importorskip("jax", reason="these are runs of JAX: pip install jax")
pytest.importorskip("keras", reason="these are runs of Keras: pip install keras")


def test_devices_of_one_process_are_one_worker_with_one_bar(tmp_path: Path) -> None:
    (only,) = launch(tmp_path, "jax_devices.py")
    assert only.code == 0, only.errors
    assert "KbarWarning" not in only.errors
    expected = {
        "arrays-1": fit("arrays-1", 10, 3),
        "arrays-4": fit("arrays-4", 10, 3),
        "unknown": fit("unknown", 10, epochs=1),
        "evaluate": [("evaluate", 10, 10, "done")],
        "predict": [("predict", 10, 10, "done")],
    }
    assert {path.stem: ends(path) for path in tmp_path.glob("*.jsonl")} == {
        f"{name}-0": found for name, found in expected.items()
    }
    assert only.bars == list(expected)


def test_the_first_of_two_workers_draws_and_each_has_a_log(tmp_path: Path) -> None:
    """Until the second is killed. If it fails, JAX waits for minutes until it ends the first."""
    (coordinator,) = addresses(1)
    first, second = launch(
        tmp_path, "jax_workers.py", count=2, env=lambda rank: {"COORDINATOR": coordinator, "WORKER": str(rank)}
    )
    for rank, worker in enumerate((first, second)):
        assert "KbarWarning" not in worker.errors
        assert ends(tmp_path / f"sharded-{rank}.jsonl") == fit("sharded", 10, 3), worker.errors
        assert ends(tmp_path / f"loop-{rank}.jsonl") == fit("loop", 10)
    assert ends(tmp_path / "lost-0.jsonl")[-1] == ("lost", 2, 5, "error")
    assert set(second.bars) <= {"[Gloo]"}  # a print of JAX's own
    assert [bar for bar in first.bars if bar != "[Gloo]"] == ["sharded", "loop", "lost"]
    assert not first.screen.screen.cursor.hidden
