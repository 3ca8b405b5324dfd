"""fit() called for one epoch at a time, with something to do in between."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kbar

x = np.random.default_rng(0).normal(size=(2000, 8)).astype("float32")
model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(1)])
model.compile("adam", "mse")
for epoch in kbar.track(range(10), label="epoch"):
    model.fit(x, x.sum(axis=1), epochs=1, verbose=0, callbacks=[kbar.ProgressBar()])
    if epoch % 5 == 4:
        print(f"weights after {epoch + 1} epochs: {model.get_weights()[0].mean():.3f}")
