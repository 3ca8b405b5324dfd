"""How evenly and truthfully bars move: kbar beside its peers, watched through a terminal, in one run.

    python benchmarks/evenness.py [--traces lumps,stalls] [--bars keras,kbar-rich] [--picture docs/evenness.svg]

Traces of step times are played into each bar through Keras's own CallbackList on a
pseudo-terminal, and what a person would see is read off a terminal emulator. The position is the
count, or the percentage where steps land more than two seconds apart. For each:

  cv      deviation over mean of the advance per half second, from the first step on: 0 is even
  freeze  the longest time, in seconds, with nothing at all changing on screen
  behind  how old the shown position was at worst, in seconds
  ahead   by how much the count was above the truth at most, in percent of the total
  eta     mean error of the remaining time where it is shown, in percent of the run
  shown   share of the run for which a remaining time is shown, in percent

Whole runs have several epochs, validation and checkpoints. Of them, eta and shown are those of the run's own bar, which
only some bars have, and instead of the others:

  bar     mean difference between the share that the run's bar shows and the share of the time, in percent
"""

from __future__ import annotations

import argparse
import bisect
import itertools
import json
import math
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from _traces import RUNS, STAGES, Epoch

BARS = ("keras", "tqdm.keras", "rich", "fastprogress", "alive", "kbar-rich", "kbar-tqdm")


# The bars; these run in a process of their own, on the terminal.


def callbacks(bar: str) -> tuple[list[Any], bool]:
    """A bar's Keras callbacks, and whether Keras adds its own."""
    if bar == "keras":
        return [], True
    if bar == "tqdm.keras":
        from tqdm.keras import TqdmCallback

        return [TqdmCallback(verbose=2)], False
    if bar.startswith("kbar"):
        import kbar

        return [kbar.ProgressBar(bar.partition("-")[2])], False
    import keras

    class Adapter(keras.callbacks.Callback):
        """What people write by hand around bars that know nothing of Keras."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.done = 0
            self.move, self.close = opened(bar, self.params["steps"])

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.move(batch + 1 - self.done)
            self.done = batch + 1

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.close()

    return [Adapter()], False


def opened(bar: str, total: int) -> tuple[Callable[[int], object], Callable[[], object]]:
    """A bar that is open: how to move it on by so many steps, and how to close it."""
    if bar == "rich":
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        progress = Progress(TextColumn("steps"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        progress.start()
        task = progress.add_task("steps", total=total)
        return (lambda more: progress.advance(task, more)), progress.stop
    if bar == "fastprogress":
        from fastprogress.fastprogress import ConsoleProgressBar

        console = ConsoleProgressBar(range(total))
        console.update(0)
        at = [0]

        def update(more: int) -> None:
            at[0] += more
            console.update(at[0])

        return update, lambda: None
    from alive_progress import alive_bar

    context = alive_bar(total, force_tty=True)
    move = context.__enter__()
    return move, lambda: context.__exit__(None, None, None)


def play(bar: str, trace: str, result: str) -> None:
    """Plays a trace or a run into a bar; writes when how many steps of training were done, and the end."""
    import keras

    epochs = RUNS.get(trace) or [Epoch(STAGES[trace])]
    total = sum(steps for _, steps in epochs[0].train)
    found, own = callbacks(bar)
    hooks = keras.callbacks.CallbackList(found, add_progbar=own, verbose=1, epochs=len(epochs), steps=total)
    began = due = time.monotonic()
    truth, logs = [(began, 0)], {"loss": 1.0}

    def wait(seconds: float) -> None:
        nonlocal due
        due += seconds
        time.sleep(max(0.0, due - time.monotonic()))

    hooks.on_train_begin()
    for number, epoch in enumerate(epochs):
        hooks.on_epoch_begin(number)
        due, done = time.monotonic(), 0
        for seconds, steps in epoch.train:
            wait(seconds)
            done += steps
            logs = {"loss": 1 / (1 + done), "mae": 0.25}
            truth.append((time.monotonic(), number * total + done))
            hooks.on_train_batch_end(done - 1, logs)
        if epoch.validation:
            batches = sum(steps for _, steps in epoch.validation)
            hooks.set_model(SimpleNamespace(_eval_epoch_iterator=SimpleNamespace(num_batches=batches)))
            hooks.on_test_begin()
            done = 0
            for seconds, steps in epoch.validation:
                wait(seconds)
                done += steps
                hooks.on_test_batch_end(done - 1, logs)
            hooks.on_test_end(logs)
        wait(epoch.callbacks)
        hooks.on_epoch_end(number, logs)
    if trace in RUNS:
        truth.append((time.monotonic(), len(epochs) * total))
    hooks.on_train_end(logs)
    Path(result).write_text(json.dumps(truth), encoding="utf-8")


# What is seen of them.


@dataclass
class Watched:
    """The screens of a bar, each with when (s) it appeared, and when which step was done in truth."""

    screens: list[tuple[float, str]]
    truth: list[tuple[float, int]]

    @property
    def total(self) -> int:
        """All steps there are."""
        return self.truth[-1][1]

    @property
    def end(self) -> float:
        """When the last step was done, in seconds from the beginning."""
        return self.truth[-1][0]

    @property
    def far_apart(self) -> bool:
        """Whether steps land more than two seconds apart."""
        return statistics.median(b[0] - a[0] for a, b in itertools.pairwise(self.truth[1:])) > 2.0

    def positions(self) -> list[tuple[float, float]]:
        """When which position was shown, as a share of the total."""
        found = [(at, _position(text, self.total, self.far_apart)) for at, text in self.screens]
        return [(at, position) for at, position in found if position is not None]


def watch(bar: str, trace: str) -> Watched:
    """A bar while a trace is played into it."""
    from kbar.testing import VirtualTerminal

    terminal = VirtualTerminal(100, 30)
    screens: list[tuple[float, str]] = []

    def look(_: float) -> None:
        if not screens or screens[-1][1] != terminal.text:
            screens.append((time.monotonic(), terminal.text))

    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "truth.json")
        if terminal.run([sys.executable, __file__, "--child", bar, trace, str(result)], look):
            sys.exit(f"{bar} failed:\n{terminal.text}")
        truth = json.loads(result.read_text(encoding="utf-8"))
    terminal.close()
    began = truth[0][0]
    return Watched([(at - began, text) for at, text in screens], [(at - began, done) for at, done in truth])


def _position(text: str, total: int, by_percentage: bool) -> float | None:
    count = percentage = None
    for line in text.splitlines():
        found = re.search(rf"(\d+)\s*/\s*{total}\b", line)
        if found:
            count = percentage = int(found[1]) / total
            percent = re.search(r"(\d+(?:\.\d+)?)\s?%", line)
            percentage = float(percent[1]) / 100 if percent else count
    return percentage if by_percentage else count


def _remaining(text: str, bar: str) -> float | None:
    """The remaining time that is shown, in seconds."""
    pattern = {
        "keras": r"\d+/\d+ \S* ?(\d[\d:]*)s? ",
        "rich": r"(\d+:\d\d:\d\d)",
        "alive": r"~([\d:]+)",
        "kbar": r"eta ~?([\d:]+)",
    }.get(bar.partition("-")[0], r"<([\d:]+)")
    found = re.findall(pattern, text)
    return None if not found else float(sum(int(p) * 60**i for i, p in enumerate(reversed(found[-1].split(":")))))


def _at(moments: Sequence[tuple[float, Any]], when: float) -> Any:
    """The value that held then; None before there was any."""
    number = bisect.bisect_right(moments, when, key=lambda moment: moment[0])
    return moments[number - 1][1] if number else None


def figures(seen: Watched, bar: str) -> dict[str, float]:
    """What this module's docstring lists."""
    end, total, first = seen.end, seen.total, seen.truth[1][0]
    screens = [(at, text) for at, text in seen.screens if -0.5 <= at <= end + 0.05]
    positions = [(at, share) for at, share in seen.positions() if at <= end + 0.05]
    remaining = [(at, _remaining(text, bar)) for at, text in screens]
    halves = [_at(positions, first + 0.5 * i) or 0.0 for i in range(int((end - first) / 0.5) + 1)]
    advance = [b - a for a, b in itertools.pairwise(halves)]
    mean = statistics.mean(advance)
    changes = [0.0, *(at for at, _ in screens if at >= 0), end]
    samples = [0.1 * i for i in range(int(end / 0.1))]
    behind = 0.0
    for at in samples:
        passed = [
            when for when, done in seen.truth if when <= at and done / total > (_at(positions, at) or 0) + 0.5 / total
        ]
        behind = max(behind, at - min(passed, default=at))
    counts = [(at, _position(text, total, False)) for at, text in screens]
    told = [(at, _at(remaining, at)) for at in samples]
    errors = [abs(left - (end - at)) / end for at, left in told if left is not None]
    return {
        "cv": statistics.pstdev(advance) / mean if mean else math.inf,
        "freeze": max(b - a for a, b in itertools.pairwise(changes)),
        "behind": behind,
        "ahead": 100
        * max((c - _at(seen.truth, at + 0.03) / total for at, c in counts if c is not None and at >= 0), default=0.0),
        "eta": 100 * statistics.mean(errors) if errors else math.nan,
        "shown": 100 * len(errors) / len(samples),
    }


def run_figures(seen: Watched, bar: str) -> dict[str, float]:
    """Those of whole runs; NaN if the bar has none for the run."""
    mark = {"kbar-rich": "^fit ", "kbar-tqdm": "^fit ", "tqdm.keras": r"epoch/s|s/epoch|\?epoch"}.get(bar, "$^")
    lines = [(at, line) for at, text in seen.screens for line in text.splitlines() if re.search(mark, line)]
    samples = [0.1 * i for i in range(int(seen.end / 0.1))]
    found = [(at, line) for at in samples if (line := _at(lines, at))]
    told = [(at, left) for at, line in found if (left := _remaining(line, bar)) is not None]
    shares = [(at, float(share[1]) / 100) for at, line in found if (share := re.search(r"(\d+)\s?%", line))]
    errors = [abs(left - (seen.end - at)) / seen.end for at, left in told]
    off = [abs(share - at / seen.end) for at, share in shares]
    return {
        "eta": 100 * statistics.mean(errors) if errors else math.nan,
        "shown": 100 * len(errors) / len(samples),
        "bar": 100 * statistics.mean(off) if off else math.nan,
    }


# What is told of it.


def picture(watched: dict[tuple[str, str], Watched], traces: Sequence[str], bars: Sequence[str]) -> str:
    """Position against time as SVG: a panel for each trace, a line for each bar."""
    colours = ("#999999", "#e0a030", "#d05050", "#5080d0", "#8060b0", "#20a060", "#106040")
    width, height, gap = 300, 190, 40
    parts = []
    for number, trace in enumerate(traces):
        left = gap + number * (width + gap)
        end = max(watched[trace, bar].end for bar in bars)
        parts.append(f'<text x="{left}" y="24" font-weight="bold">{trace}</text>')
        parts.append(f'<path d="M{left} 34v{height}h{width}" fill="none" stroke="#888"/>')
        for bar, colour in zip(bars, colours, strict=False):
            seen = watched[trace, bar]
            points, last = [], 0.0
            for at, share in [*seen.positions(), (seen.end, 1.0)]:
                x, y = left + width * min(max(at, 0.0), end) / end, 34 + height * (1 - share)
                points += [f"{x:.1f},{34 + height * (1 - last):.1f}", f"{x:.1f},{y:.1f}"]
                last = share
            line = " ".join(points)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        parts.append(f'<text x="{left + width}" y="{height + 50}" text-anchor="end">{end:.0f} s</text>')
    for number, (bar, colour) in enumerate(zip(bars, colours, strict=False)):
        parts.append(f'<text x="{gap + number * 130}" y="{height + 76}" fill="{colour}">{bar}</text>')
    size = f"{gap + len(traces) * (width + gap)} {height + 90}"
    style = "font-family:sans-serif;font-size:14px;background:white"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" style="{style}">\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


# The figures in a table, and how each is formatted.
_OF_STAGES = {"cv": ".2f", "freeze": ".2f", "behind": ".2f", "ahead": ".2f", "eta": ".1f", "shown": ".0f"}
_OF_RUNS = {"eta": ".1f", "shown": ".0f", "bar": ".1f"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--traces", default=",".join([*STAGES, *RUNS]), help="names, separated by commas; all by default"
    )
    parser.add_argument("--bars", default=",".join(BARS), help="likewise")
    parser.add_argument("--jobs", type=int, default=1, help="how many bars are watched at a time")
    parser.add_argument(
        "--picture", type=Path, help="an SVG to write, of position against time in the first three traces"
    )
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        play(*args.child)
        return
    traces, bars = args.traces.split(","), args.bars.split(",")
    watched: dict[tuple[str, str], Watched] = {}
    with ThreadPoolExecutor(args.jobs) as pool:
        pairs = list(itertools.product(traces, bars))
        headed = None
        for (trace, bar), seen in zip(pairs, pool.map(lambda pair: watch(pair[1], pair[0]), pairs), strict=True):
            watched[trace, bar] = seen
            is_run = trace in RUNS
            if headed is not is_run:
                print(f"{'':16} {'':12}" + "".join(f"{name:>8}" for name in (_OF_RUNS if is_run else _OF_STAGES)))
                headed = is_run
            f = run_figures(seen, bar) if is_run else figures(seen, bar)
            texts = (f"{f[name]:{form}}" for name, form in (_OF_RUNS if is_run else _OF_STAGES).items())
            print(f"{trace:16} {bar:12}" + "".join(f"{text:>8}" for text in texts), flush=True)
    if args.picture:
        args.picture.write_text(picture(watched, traces[:3], bars), encoding="utf-8")


if __name__ == "__main__":
    main()
