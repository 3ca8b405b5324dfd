"""Runs a program that knows nothing of kbar, as `kbar run program.py` does on the command line."""

import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = """
import keras
import numpy as np

x = np.random.default_rng(0).normal(size=(2000, 8)).astype("float32")
model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(x, x.sum(axis=1), batch_size=10, epochs=2)
"""

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "program.py"
    path.write_text(PROGRAM)
    subprocess.run([sys.executable, "-m", "kbar", "run", str(path)], check=True)  # noqa: S603  # our own program
