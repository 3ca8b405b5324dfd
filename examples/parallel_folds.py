"""Folds in several processes: each worker draws nothing, and has a row below the bar of the process that started it."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from sklearn.datasets import load_digits
from sklearn.model_selection import KFold

import kbar


def accuracy_of(fold: int) -> float:
    import keras  # in the workers only

    x, y = load_digits(return_X_y=True)
    train, test = list(KFold(n_splits=4, shuffle=True, random_state=0).split(x))[fold]
    model = keras.Sequential([keras.layers.Input((64,)), keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[train], y[train], epochs=5, verbose=0, callbacks=[kbar.ProgressBar(label=f"fold {fold + 1}")])
    return float(model.evaluate(x[test], y[test], return_dict=True, verbose=0)["accuracy"])


if __name__ == "__main__":
    scores = []
    with (
        kbar.stage("folds", total=4, unit="fold") as folds,
        ProcessPoolExecutor(2, get_context("spawn")) as pool,
    ):
        for score in pool.map(accuracy_of, range(4)):
            scores.append(score)
            folds.advance()
            folds.log(accuracy=sum(scores) / len(scores))
