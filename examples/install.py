"""Shows kbar's bars in code that one cannot edit: a function that trains, within a loop with a bar of tqdm's."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from tqdm.auto import tqdm

import kbar


def train_folds(folds: int) -> None:
    """Stands for a function of a library, which knows nothing of kbar."""
    x = np.random.default_rng(0).normal(size=(2000, 8)).astype("float32")
    for _ in tqdm(range(folds), desc="folds"):
        model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        model.fit(x, x.sum(axis=1), batch_size=10, epochs=2)


with kbar.installed(tqdm=True):
    train_folds(3)
