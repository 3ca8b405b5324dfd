"""A search by KerasTuner: a bar for the search, a line for each trial, the running fit below."""

import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
from sklearn.datasets import load_digits

import kbar

x, y = load_digits(return_X_y=True)


def build(hp: keras_tuner.HyperParameters) -> keras.Model:
    model = keras.Sequential([keras.layers.Input((64,)), keras.layers.Dense(10, activation="softmax")])
    rate = hp.Float("rate", 1e-4, 1e-1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    return model


with tempfile.TemporaryDirectory() as folder:
    tuner = keras_tuner.RandomSearch(build, "val_loss", max_trials=3, directory=folder, seed=0)
    with kbar.tuning.keras_tuner(tuner):
        tuner.search(x, y, epochs=3, validation_split=0.2)
