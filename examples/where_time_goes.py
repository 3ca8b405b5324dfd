"""Lumpy steps glide, slow ones say so, and each epoch's line tells where its time went."""

import time

import keras
import numpy as np

import kbar


class Backup(keras.callbacks.Callback):
    """Takes its time after each epoch, as writing a checkpoint does."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        time.sleep(0.2)


class SlowSteps(keras.callbacks.Callback):
    """Stands for a large model."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        time.sleep(0.25)


x = np.random.default_rng(1).normal(size=(1280, 8)).astype("float32")
model = keras.Sequential([keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1)])
model.compile(optimizer="adam", loss="mse", steps_per_execution=8)  # eight steps land at once
model.fit(
    x,
    x.sum(axis=1),
    batch_size=32,
    epochs=3,
    validation_split=0.2,
    verbose=0,
    callbacks=[SlowSteps(), Backup(), kbar.ProgressBar(summary=True)],
)
