"""What a frame with three bars costs with each renderer, and what `import kbar` costs.

    python benchmarks/frame.py [--frames 300]

The frame is a run in its fit's validation: a run bar, a step bar and a validation bar with
four metrics each, drawn on a pseudo-terminal of 100 columns. tqdm's and rich's own frames, with
three of their plain bars, are beside it. Imports are whole processes, best of seven.
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

from _terminal import attached

from kbar.core.snapshot import Snapshot, StageView

IMPORTS = ("kbar", "tqdm", "rich.progress")


def snapshot(done: int) -> Snapshot:
    """A run in the middle of its validation."""
    metrics = (("loss", 0.25 / (1 + done)), ("val_loss", 0.5), ("accuracy", 0.875), ("val_accuracy", 0.75))

    def view(key: int, title: str, unit: str, at: int, total: int, phase: bool) -> StageView:
        return StageView(
            key=key, depth=int(phase), label=title, title=title, path=title, unit=unit, phase=phase,
            done=at, total=total,
            seen=done / 10, elapsed=done / 10, rate=123.4, remaining=12.5, run_remaining=99.0,
            metrics=metrics if phase else (), outcome=None,
        )  # fmt: skip

    stages = (
        view(1, "fit", "epoch", 3, 10, False),
        view(2, "epoch 4", "step", done, 10_000, True),
        view(3, "validation", "step", done // 2, 5_000, True),
    )
    return Snapshot(stages, ())


def kbar_frame(name: str) -> Callable[[int], None]:
    """Draws the frame with a renderer of kbar's."""
    from kbar.renderers import create

    renderer = create(name)
    renderer.open()
    return lambda done: renderer.draw(snapshot(done))


def tqdm_frame() -> Callable[[int], None]:
    """Draws three of tqdm's own bars."""
    from tqdm import tqdm

    bars = [tqdm(total=10_000, file=sys.stdout, miniters=1, mininterval=0) for _ in range(3)]

    def draw(done: int) -> None:
        for bar in bars:
            bar.n = done
            bar.set_postfix(loss=0.25, val_loss=0.5, accuracy=0.875, val_accuracy=0.75, refresh=False)
            bar.refresh()

    return draw


def rich_frame() -> Callable[[int], None]:
    """Draws three of rich's own bars, with its default columns."""
    from rich.progress import Progress

    progress = Progress(auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    progress.start()
    tasks = [progress.add_task(name, total=10_000) for name in ("fit", "epoch 4", "validation")]

    def draw(done: int) -> None:
        for task in tasks:
            progress.update(task, completed=done)
        progress.refresh()

    return draw


def measure(frames: int) -> dict[str, float]:
    """Median seconds a frame; the four take turns."""
    draws = {
        "tqdm alone": tqdm_frame(),
        "kbar, tqdm": kbar_frame("tqdm"),
        "rich alone": rich_frame(),
        "kbar, rich": kbar_frame("rich"),
    }
    times: dict[str, list[float]] = {name: [] for name in draws}
    for done in range(frames):
        for name, draw in draws.items():
            started = time.perf_counter()
            draw(done)
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(t) for name, t in times.items()}


def import_seconds(module: str | None) -> float:
    """A whole process that imports `module`, best of seven."""
    code = f"import {module}" if module else "pass"
    best = float("inf")
    for _ in range(7):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        best = min(best, time.perf_counter() - started)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        with open(args.child, "w", encoding="utf-8") as file:
            json.dump(measure(args.frames), file)
        return
    with tempfile.TemporaryDirectory() as folder:
        result = os.path.join(folder, "result.json")
        command = [sys.executable, __file__, "--child", result, "--frames", str(args.frames)]
        with attached(columns=100, lines=30) as terminal:
            env = {**os.environ, "TERM": "xterm-256color"}
            subprocess.run(command, stdin=terminal, stdout=terminal, stderr=terminal, check=True, env=env)
        with open(result, encoding="utf-8") as file:
            figures = json.load(file)
    print("a frame with three bars")
    for name, seconds in figures.items():
        print(f"  {name:20}{seconds * 1000:8.2f} ms")
    bare = import_seconds(None)
    print(f"import, above bare Python ({bare * 1000:.0f} ms)")
    for module in IMPORTS:
        print(f"  {module:20}{(import_seconds(module) - bare) * 1000:8.1f} ms")


if __name__ == "__main__":
    main()
