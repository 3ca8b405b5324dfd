"""Trackers of experiments, which record what a program prints: prints and kbar's lines once each, and no frames."""

from __future__ import annotations

import json
import zipfile

import pytest

from .conftest import Trainings

pytestmark = pytest.mark.slow

PRINTS = "print(line('print')); print(line('error'), file=sys.stderr)"


@pytest.mark.parametrize("console", ["wrap", "wrap_raw"])
def test_wandb(trainings: Trainings, console: str) -> None:
    pytest.importorskip("wandb", reason="pip install wandb")
    trained = trainings.run(
        PRINTS,
        first="import wandb\nfrom wandb.integration.keras import WandbMetricsLogger\n"
        f"wandb.init(mode='offline', dir=folder, settings=wandb.Settings(console={console!r}))",
        callbacks="[WandbMetricsLogger()]",
        then="wandb.finish()",
    )
    trained.has_each_once("print", "error")
    captured = trainings.read("output.log")
    trained.has_each_once("print", "error", text=captured)
    trained.has_each_epoch_once(captured)


def test_clearml(trainings: Trainings, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("clearml", reason="pip install clearml")
    monkeypatch.setenv("HOME", str(trainings.folder))
    monkeypatch.setenv("CLEARML_CACHE_DIR", str(trainings.folder))
    trained = trainings.run(
        f"{PRINTS}; logging.getLogger('other').warning(line('logged'))",
        first="from clearml import Task\nTask.set_offline(True)\n"
        "task = Task.init('p', 't', auto_connect_arg_parser=False, auto_resource_monitoring=False)",
        then="task.close()",
    )
    trained.has_each_once("print", "error")
    (path,) = trainings.folder.rglob("offline-*.zip")
    rows = zipfile.ZipFile(path).read("log.jsonl").decode().splitlines()
    captured = "\n".join(each["msg"] for row in rows for each in json.loads(row))
    trained.has_each_once("print", "error", text=captured)
    trained.has_each_epoch_once(captured)


def test_mlflow_autolog(trainings: Trainings) -> None:
    """It replaces `fit`, and Python's handling of warnings while it runs."""
    pytest.importorskip("mlflow", reason="pip install mlflow")
    trained = trainings.run(
        f"{PRINTS}; warnings.warn(line('warned'))",
        first="import mlflow\nwarnings.simplefilter('always', UserWarning)\n"
        "mlflow.set_tracking_uri('sqlite:///' + os.path.join(folder, 'mlflow.db'))\n"
        "mlflow.create_experiment('e', artifact_location='file://' + os.path.join(folder, 'artifacts'))\n"
        "mlflow.set_experiment('e'); mlflow.tensorflow.autolog(log_models=False, log_datasets=False)",
        then="runs = mlflow.MlflowClient().search_runs([mlflow.get_experiment_by_name('e').experiment_id])\n"
        "print('logged', sorted(len(mlflow.MlflowClient().get_metric_history(r.info.run_id, 'loss')) for r in runs))",
    )
    trained.has_each_once("print", "error")
    trained.has_each_once("warned", before=r".*UserWarning: ")
    assert "logged [2, 2, 2]" in trained.text.splitlines()


def test_tensorboard(trainings: Trainings) -> None:
    """Keras's callback for it, with summaries of the user's own."""
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    trained = trainings.run(
        f"{PRINTS}; tf.summary.scalar('mine', self.n, step=self.n)",
        first="import tensorflow as tf",
        callbacks="[keras.callbacks.TensorBoard(os.path.join(folder, now), update_freq=1)]",
        then="from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n"
        "for now in ('rich', 'tqdm', 'log'):\n"
        "    events = EventAccumulator(os.path.join(folder, now, 'train'), {'tensors': 0}); events.Reload()\n"
        "    print('logged', *(len(events.Tensors(tag)) for tag in ('epoch_loss', 'mine')))",
    )
    trained.has_each_once("print", "error")
    assert [row for row in trained.text.splitlines() if row.startswith("logged")] == ["logged 2 40"] * 3
