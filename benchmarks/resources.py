"""What a bar takes besides time: memory, threads, files, the ends of runs and of the process; kbar beside its peers.

    python benchmarks/resources.py [--batches 1000000] [--fits 1000]

Each case is a process of its own on a pseudo-terminal that is read as fast as it is written, and
plays the hooks of a fit through Keras's `CallbackList`: first the batches of one, then so many
short ones. Memory is what the process holds (resident), in KiB: from a tenth of the batches to
all of them, and from a tenth of the fits to all. Times are milliseconds: the longest call of a
batch's hook among 10,000 (in the calmest ten thousand, as others use the machine as well),
`on_train_end`, and from the program's last line to the process's end.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

from _terminal import attached

CASES = ("nothing", "Keras's own bar", "tqdm.keras", "kbar, rich", "kbar, tqdm")
COLUMNS = ("batches", "fits", "threads", "drawing", "files", "hook", "end", "exit")


def resident() -> int:
    """KiB of memory that this process holds."""
    if sys.platform == "win32":
        raise OSError("Windows has no /proc")
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def descriptors() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def maker(case: str) -> tuple[Callable[[], list[Any]], bool]:
    """What makes the case's callbacks, and whether Keras adds its own bar."""
    if case == "tqdm.keras":
        from tqdm.keras import TqdmCallback

        return lambda: [TqdmCallback(verbose=2)], False
    if case.startswith("kbar"):
        import kbar

        return lambda: [kbar.ProgressBar(case.split(", ")[1])], False
    return list, case == "Keras's own bar"


class Fit:
    """The hooks of a fit of one epoch."""

    def __init__(self, case: tuple[Callable[[], list[Any]], bool], batches: int) -> None:
        import keras

        make, own = case
        self.hooks = keras.callbacks.CallbackList(make(), add_progbar=own, verbose=1, epochs=1, steps=batches)
        self.hooks.on_train_begin()
        self.hooks.on_epoch_begin(0)

    def batches(self, first: int, last: int) -> float:
        """Plays these batches; returns the seconds of the longest."""
        logs, longest, end = {"loss": 0.25}, 0.0, self.hooks.on_train_batch_end
        for batch in range(first, last):
            began = time.perf_counter()
            end(batch, logs)
            longest = max(longest, time.perf_counter() - began)
        return longest

    def end(self) -> float:
        """Ends it; returns the seconds of its last hook."""
        self.hooks.on_epoch_end(0, {"loss": 0.25})
        began = time.perf_counter()
        self.hooks.on_train_end({})
        return time.perf_counter() - began


def measure(name: str, batches: int, fits: int) -> dict[str, float]:
    """The figures of a case, in KiB, counts and seconds."""
    case = maker(name)
    warm = Fit(case, 100)
    warm.batches(0, 100)
    warm.end()
    time.sleep(0.3)
    threads, files = threading.active_count(), descriptors()
    fit = Fit(case, batches)
    fit.batches(0, batches // 10)
    before = resident()
    hook = min(fit.batches(first, first + 10_000) for first in range(batches // 10, batches // 5, 10_000))
    fit.batches(batches // 5, batches)
    by_batches = resident() - before
    drawing = threading.active_count() - threads
    end = fit.end()
    del fit
    for number in range(fits):
        if number == fits // 10:
            before = resident()
        one = Fit(case, 5)
        one.batches(0, 5)
        one.end()
    time.sleep(0.3)
    return {
        "batches": by_batches,
        "fits": resident() - before,
        "threads": threading.active_count() - threads,
        "drawing": drawing,
        "files": descriptors() - files,
        "hook": hook,
        "end": end,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=1_000_000)
    parser.add_argument("--fits", type=int, default=1000)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        case, path = args.child
        found = measure(case, args.batches, args.fits)
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**found, "left": time.time()}, file)
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print(f"{'':18}" + "".join(f"{column:>9}" for column in COLUMNS))
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder, attached(columns=100, lines=30) as terminal:
            path = os.path.join(folder, "result.json")
            command = [sys.executable, __file__, "--child", case, path]
            command += ["--batches", str(args.batches), "--fits", str(args.fits)]
            subprocess.run(command, stdin=terminal, stdout=terminal, stderr=terminal, check=True)
            ended = time.time()
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
        found["exit"] = ended - found["left"]
        for name in ("hook", "end", "exit"):
            found[name] *= 1000
        figures = (f"{found[column]:9.{int(column in COLUMNS[5:])}f}" for column in COLUMNS)
        print(f"{case:18}" + "".join(figures), flush=True)


if __name__ == "__main__":
    main()
