"""Bars on the screen, and of the same run lines for people in train.log and for programs in run.jsonl."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pathlib import Path

import keras
import numpy as np

import kbar

x = np.random.default_rng(0).normal(size=(20_000, 8)).astype("float32")
model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(1)])
model.compile("adam", "mse")

bar = kbar.ProgressBar(["auto", kbar.JsonLinesRenderer("run.jsonl")], log_file="train.log")
model.fit(x, x.sum(axis=1), epochs=3, validation_split=0.2, verbose=0, callbacks=[bar])

print("\nThe last lines of train.log:")
print(*Path("train.log").read_text().splitlines()[-3:], sep="\n")
print("\nFor a summary: kbar show run.jsonl. To see it all once more: kbar replay run.jsonl")
