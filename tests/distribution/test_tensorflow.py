"""Training on several devices and by several processes with TensorFlow's strategies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .launch import addresses, ends, fit, launch

pytestmark = [pytest.mark.slow, pytest.mark.needs("openpty"), pytest.mark.timeout(300)]
pytest.importorskip("tensorflow", reason="these are strategies of TensorFlow: pip install tensorflow")


def require(package: str) -> None:
    pytest.importorskip(package, reason=f"these are runs of {package}: pip install {package}")


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_mirrored_devices_are_one_worker_with_one_bar(package: str, tmp_path: Path) -> None:
    require(package)
    (only,) = launch(tmp_path, "mirrored.py", package)
    assert only.code == 0, only.errors
    assert "KbarWarning" not in only.errors
    expected = {
        "arrays": fit("arrays", 10, 3),
        "unknown": fit("unknown", 10, 3),
        "evaluate": [("evaluate", 10, 10, "done")],
        "predict": [("predict", 10, 10, "done")],
    }
    if package == "tf_keras":
        expected["executions"] = fit("executions", 10)
    assert {path.stem: ends(path) for path in tmp_path.glob("*.jsonl")} == {
        f"{name}-0": found for name, found in expected.items()
    }
    assert sorted(only.bars) == sorted(expected)


@pytest.mark.parametrize(
    ("package", "source", "loss"), [("keras", "TF_CONFIG", "killed"), ("tf_keras", "resolver", "failed")]
)
def test_the_first_of_two_workers_draws_and_each_has_a_log(
    package: str, source: str, loss: str, tmp_path: Path
) -> None:
    """Also if a strategy alone knows of the cluster; and how a fit ends from which a worker is lost."""
    require(package)
    cluster = {"worker": addresses(2)}

    def config(rank: int) -> dict[str, str]:
        return {
            "no_grpc_proxy": "127.0.0.1",
            "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": rank}}),
        }

    first, second = launch(tmp_path, "multiworker.py", package, source, loss, count=2, env=config)
    fits = {"sharded": fit("sharded", 10, 3), "endless": fit("endless", 7)}
    for rank, worker in enumerate((first, second)):
        assert "KbarWarning" not in worker.errors
        for name, found in fits.items():
            assert ends(tmp_path / f"{name}-{rank}.jsonl") == found, worker.errors
    assert (first.code, second.code) == (1, -9 if loss == "killed" else 1)
    assert ends(tmp_path / "lost-0.jsonl")[-1] == ("lost", 2, 5, "error")
    if loss == "failed":
        assert ends(tmp_path / "lost-1.jsonl")[-1] == ("lost", 2, 5, "error")
    assert second.written == ""
    assert first.bars == [*fits, "lost"]
    assert "failed at 2/5" in first.screen.text
    assert not first.screen.screen.cursor.hidden


def test_a_coordinators_loop_counts_steps_when_their_results_are_there(tmp_path: Path) -> None:
    (only,) = launch(tmp_path, "parameter_server.py", "loop")
    assert only.code == 3, only.errors
    assert "KbarWarning" not in only.errors
    assert ends(tmp_path / "good-0.jsonl") == fit("good", 10)
    assert ends(tmp_path / "bad-0.jsonl")[-1] == ("bad", 0, 2, "error")
    assert only.bars == ["good", "bad"]
    assert "failed at 0/2" in only.screen.text


def test_a_fit_that_queues_steps_for_workers_counts_them_once_all_are_done(tmp_path: Path) -> None:
    """Keras 2 calls the hooks of batches when it has queued them, with metrics that are not there yet."""
    require("tf_keras")
    (only,) = launch(tmp_path, "parameter_server.py", "fit")
    assert only.code == 0, only.errors
    assert "KbarWarning" not in only.errors
    assert ends(tmp_path / "fit-0.jsonl") == fit("fit", 10, 5)
    assert only.bars == ["fit"]
