"""A search by Optuna: a bar for the search, a line for each trial, the running fit below."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import optuna
from sklearn.datasets import load_digits

import kbar

x, y = load_digits(return_X_y=True)
optuna.logging.set_verbosity(optuna.logging.WARNING)


class Pruning(keras.callbacks.Callback):
    """Lets Optuna end a trial that goes badly."""

    def __init__(self, trial: optuna.Trial) -> None:
        super().__init__()
        self.trial = trial

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.trial.report((logs or {})["val_loss"], epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def objective(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
    model = keras.Sequential([keras.layers.Input((64,)), keras.layers.Dense(10, activation="softmax")])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    callbacks = [Pruning(trial), kbar.ProgressBar()]
    history = model.fit(x, y, epochs=4, validation_split=0.2, verbose=0, callbacks=callbacks)
    return float(history.history["val_loss"][-1])


study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
with kbar.tuning.optuna(study):
    study.optimize(objective, n_trials=6)
