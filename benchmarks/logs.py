"""What a line of a log costs, beside what others write, and how soon a long log is watched.

    python benchmarks/logs.py [--lines 3000] [--epochs 100000]

A line is all of it: asking whether it is due, the view of the stage, its text, and the write; a
log with a line at every step, in seconds of the processor, whichever thread they are spent on.
Beside it: a line of the same facts by `logging`, and a row of Keras's `CSVLogger`. The log
that is watched is ten hours of so many epochs; the time is that of the whole process, with its
bars on a terminal.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import kbar
from kbar.display.process import current
from kbar.options import Options
from kbar.renderers.jsonl import dumps, record_of
from kbar.system.worker import this_worker
from kbar.testing import VirtualTerminal, fake_clock

METRICS = {"loss": 0.25, "accuracy": 0.875, "val_loss": 0.5, "val_accuracy": 0.75}


def kbar_lines(renderer: kbar.Renderer, lines: int) -> Iterator[None]:
    """A run with a line at every step, if the renderer's throttle says so."""
    fit = current().begin("fit", unit="epoch", total=3, options=Options(renderer))
    current().start_epoch(fit)
    train = current().begin("train", unit="step", total=10 * lines, parent=fit, phase=True)
    yield
    for done in range(lines):
        train.advance_to(done, current().clock(), METRICS)
    current().end(fit, "stopped")
    yield


def logging_lines(path: str, lines: int) -> Iterator[None]:
    """Lines of `logging`."""
    logger = logging.Logger("benchmark")
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    text = "fit epoch 1/3 train %d/%d " + " ".join(f"{name}=%.4f" for name in METRICS)
    yield
    for done in range(lines):
        logger.info(text, done, lines, *METRICS.values())
    handler.close()
    yield


def keras_rows(path: str, lines: int) -> Iterator[None]:
    """Rows of Keras's CSV file."""
    import keras

    log = keras.callbacks.CSVLogger(path)
    log.set_model(keras.Sequential())
    log.on_train_begin()
    yield
    for done in range(lines):
        log.on_epoch_end(done, dict(METRICS))
    log.on_train_end()
    yield


def measure_lines(lines: int, folder: str) -> None:
    """Prints the processor's seconds for a line, on the thread of the steps and on all; medians of seven turns."""
    path = os.path.join(folder, "a.log")
    cases: dict[str, Callable[[], Iterator[None]]] = {
        "(no line)": lambda: kbar_lines(kbar.NullRenderer(), lines),
        "kbar, lines for people": lambda: kbar_lines(kbar.LogRenderer(path, throttle=kbar.always), lines),
        "kbar, lines for programs": lambda: kbar_lines(kbar.JsonLinesRenderer(path, throttle=kbar.always), lines),
        "logging.FileHandler": lambda: logging_lines(path, lines),
        "keras CSVLogger": lambda: keras_rows(path, lines),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for _ in range(7):
        for name, case in cases.items():
            turn = case()
            next(turn)
            here, everywhere = time.thread_time(), time.process_time()
            next(turn)
            times[name].append((time.thread_time() - here, time.process_time() - everywhere))
    print(f"{'µs a line':28}{'in the loop':>12}{'in all':>8}")
    for name, found in times.items():
        here, everywhere = (statistics.median(column) / lines * 1e6 for column in zip(*found, strict=True))
        print(f"{name:28}{here:12.1f}{everywhere:8.1f}", flush=True)


def long_log(path: str, epochs: int) -> None:
    """Writes ten hours of so many epochs: each stage's begin and end."""
    with fake_clock() as clock:
        fit = current().begin("fit", unit="epoch", total=2 * epochs, options=Options("none"))
        current().start_epoch(fit)
        train = current().begin("train", title="epoch 1", unit="step", total=100, parent=fit, phase=True)
        around, within = fit.view(clock()), replace(train.view(clock()), metrics=tuple(METRICS.items()))
        current().end(fit, "stopped")
    worker, now = replace(this_worker(), host="elsewhere"), time.time()
    with open(path, "w", encoding="utf-8") as file:
        for epoch in range(epochs):
            at = now - (epochs - epoch) * 36_000 / epochs
            around = replace(around, done=epoch, elapsed=at - now + 36_000)
            path_text = f"fit epoch {epoch + 1}/{2 * epochs}"
            within = replace(within, key=epoch + 2, path=f"{path_text} train", title=f"epoch {epoch + 1}")
            over = replace(within, done=100, outcome="done")
            ended = replace(over, key=around.key, label="epoch", phase=False, path=path_text)
            for event in (
                kbar.Event("begin", at, within, above=(around,)),
                kbar.Event("end", at, over, above=(around,)),
                kbar.Event("epoch", at, around, ended),
            ):
                file.write(dumps(record_of(event, worker)) + "\n")
        event = kbar.Event("end", now, replace(around, outcome="stopped"))
        file.write(dumps(record_of(event, worker)) + "\n")


def seconds_to_watch(path: str) -> float:
    """Seconds that ``kbar watch`` takes, from the start of its process to its end, best of three."""
    command = [sys.executable, "-m", "kbar", "watch", "--until-end", "--renderer", "rich", path]
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        terminal = VirtualTerminal(100, 30)
        if terminal.run(command) or "stopped at" not in terminal.text:
            sys.exit(f"kbar watch failed:\n{terminal.text}")
        best = min(best, time.perf_counter() - started)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=100_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure_lines(args.lines, folder)
        path = os.path.join(folder, "run.jsonl")
        long_log(path, args.epochs)
        size = os.path.getsize(path) / 1e6
        print(f"watching a log of {args.epochs} epochs ({size:.0f} MB) from its end: {seconds_to_watch(path):.2f} s")


if __name__ == "__main__":
    main()
