"""A renderer of your own: one line that is rewritten, in a dozen lines."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kbar


class Percentages(kbar.Renderer):
    """Writes nothing but percentages: ``fit 33%  epoch 2 71%``."""

    def draw(self, snapshot: kbar.Snapshot) -> None:
        parts = [f"{s.title} {s.fraction:.0%}" for s in snapshot.stages if s.fraction is not None]
        print("\r" + "  ".join(parts).ljust(60), end="", flush=True)

    def close(self) -> None:
        print()


x = np.random.default_rng(0).normal(size=(2000, 8)).astype("float32")
model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(x, x.sum(axis=1), epochs=3, verbose=0, callbacks=[kbar.ProgressBar(Percentages())])
