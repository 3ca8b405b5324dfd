"""What the programs here share: data, where they write, and an end if they hang. They are started by `launch`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

signal.alarm(240)  # as each waits for the others
os.chdir(os.environ["KBAR_TEST_FOLDER"])

import numpy as np  # noqa: E402  # what takes long comes after the alarm

import kbar  # noqa: E402

ARGUMENTS = sys.argv[1:]
STEPS = 10
X = np.linspace(0.0, 1.0, 160, dtype="float32").reshape(-1, 2)  # ten batches of eight
Y = X.sum(axis=1, keepdims=True)


def bar(name: str) -> Any:
    """A bar on the screen that also writes a log for each rank."""
    return kbar.ProgressBar(label=name, log_file=f"{name}-{{rank}}.jsonl")


def layers(keras: Any) -> list[Any]:
    """The layers of a model for the data."""
    return [keras.layers.Input((2,)), keras.layers.Dense(1)]
