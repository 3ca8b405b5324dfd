"""Says when to draw: the screen twice a second, the log at every 50th step and once a minute."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kbar

x = np.random.default_rng(0).normal(size=(2000, 8)).astype("float32")
model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(1)])
model.compile("adam", "mse")

log = kbar.LogRenderer("throttle.log", throttle=kbar.every(steps=50) | kbar.every(seconds=60))
bar = kbar.ProgressBar(["auto", log], throttle=kbar.every(seconds=0.5))
model.fit(x, x.sum(axis=1), batch_size=10, epochs=3, verbose=0, callbacks=[bar])
