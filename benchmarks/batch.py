"""What a bar costs a batch, through Keras's own CallbackList: kbar beside its peers, in one run.

    python benchmarks/batch.py [--blocks 1600]

Each case is played in turns with a callback that does nothing, a block of 25 batches each, and
the figures are differences between the two: a machine that slows down for a while slows both.
The median is what an ordinary batch costs; the mean also has the frames that a bar draws within
its hooks. All draw on a pseudo-terminal that is read as fast as it is written. kbar draws on a
thread of its own, whose share of the processor `frame.py` tells.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from _terminal import attached

RENDERERS = ("rich", "tqdm", "log", "none")
BLOCK = 25


def cases(folder: str) -> dict[str, Callable[[], tuple[list[Any], bool]]]:
    """Each case as what makes its callbacks, and whether Keras adds its own bar; logs go to `folder`."""
    import keras
    from tqdm.keras import TqdmCallback

    import kbar

    class Nothing(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            pass

    found: dict[str, Callable[[], tuple[list[Any], bool]]] = {
        "no callback": lambda: ([], False),
        "callback that does nothing": lambda: ([Nothing()], False),
        "Keras's own bar": lambda: ([], True),
        "tqdm.keras": lambda: ([TqdmCallback(verbose=2)], False),
    }
    for name in ("train.log", "run.jsonl"):
        path = os.path.join(folder, name)
        found[f"kbar, rich and {name}"] = lambda path=path: ([kbar.ProgressBar("rich", log_file=path)], False)  # type: ignore[misc]  # mypy cannot type the default
    for renderer in RENDERERS:
        found[f"kbar, {renderer}"] = lambda renderer=renderer: ([kbar.ProgressBar(renderer)], False)  # type: ignore[misc]  # mypy cannot type the default
    return found


def opened(callbacks: list[Any], own: bool, batches: int) -> Any:
    """Keras's dispatcher of hooks, at the first batch of an epoch."""
    import keras

    hooks = keras.callbacks.CallbackList(callbacks, add_progbar=own, verbose=1, epochs=1, steps=batches)
    hooks.on_train_begin()
    hooks.on_epoch_begin(0)
    return hooks


def play(hooks: Any, first: int) -> float:
    """Seconds a batch over one block of batches."""
    logs = {"loss": 0.25, "accuracy": 0.75}
    started = time.perf_counter()
    for batch in range(first, first + BLOCK):
        hooks.on_train_batch_end(batch, logs)
    return (time.perf_counter() - started) / BLOCK


def difference(case: Callable[[], tuple[list[Any], bool]], nothing: Any, blocks: int) -> tuple[float, float]:
    """Median and mean of the seconds a batch takes above the callback that does nothing."""
    hooks = opened(*case(), blocks * BLOCK)
    above = []
    for first in range(0, blocks * BLOCK, BLOCK):
        above.append(play(hooks, first) - play(nothing, first))
    hooks.on_epoch_end(0, {})
    hooks.on_train_end({})
    above.sort()
    few = len(above) // 100  # the outermost hundredths are somebody else's pauses
    return statistics.median(above), statistics.mean(above[few : len(above) - few])


def measure(blocks: int, folder: str) -> dict[str, tuple[float, float]]:
    """The figures of each case, in seconds."""
    found = cases(folder)
    nothing = opened(*found["callback that does nothing"](), blocks * BLOCK)
    for case in found.values():
        difference(case, nothing, 5)  # imports and first calls are not what is asked for
    return {name: difference(case, nothing, blocks) for name, case in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=1600, help="blocks of 25 batches for each case")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        with open(args.child, "w", encoding="utf-8") as file:
            json.dump(measure(args.blocks, os.path.dirname(args.child)), file)
        return
    with tempfile.TemporaryDirectory() as folder:
        result = os.path.join(folder, "result.json")
        command = [sys.executable, __file__, "--child", result, "--blocks", str(args.blocks)]
        with attached(columns=100, lines=30) as terminal:
            subprocess.run(command, stdin=terminal, stdout=terminal, stderr=terminal, check=True)
        with open(result, encoding="utf-8") as file:
            figures = json.load(file)
    print(f"{'µs a batch above nothing':28}{'median':>8}{'mean':>8}")
    for name, (median, mean) in figures.items():
        print(f"{name:28}{median * 1e6:8.2f}{mean * 1e6:8.2f}")


if __name__ == "__main__":
    main()
