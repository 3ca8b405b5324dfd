"""What a print costs while bars are up, beside the ways in which tqdm and rich want text to be printed.

    python benchmarks/prints.py [--prints 20000] [--rounds 3]

Short lines go to a pseudo-terminal of 100 columns that takes all it is given, with one bar up that is drawn ten times
a second. Each figure is the best of the rounds, in which all take turns. tqdm and rich print a tenth as many, for
they take long.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from _terminal import attached

NAMES = ("print, no bar", "print, kbar rich", "print, kbar tqdm", "tqdm.write", "rich console.print")


def seconds(write: Callable[[str], object], prints: int) -> float:
    """How long so many short lines take."""
    started = time.perf_counter()
    for i in range(prints):
        write(f"line {i}")
    return time.perf_counter() - started


def with_kbar(renderer: str, prints: int) -> float:
    """Plain prints below which kbar draws."""
    import kbar

    with kbar.stage("steps", total=10, renderer=renderer) as stage:
        stage.advance()
        time.sleep(0.3)
        return seconds(print, prints)


def with_tqdm(prints: int) -> float:
    """Lines written by `tqdm.write` above a bar of tqdm's."""
    from tqdm import tqdm

    with tqdm(total=10) as bar:
        bar.update()
        return 10 * seconds(tqdm.write, prints // 10)


def with_rich(prints: int) -> float:
    """Lines written by rich above a bar of rich's."""
    from rich.progress import Progress

    with Progress() as progress:
        progress.add_task("steps", total=10, completed=1)
        return 10 * seconds(progress.console.print, prints // 10)


def measure(name: str, prints: int) -> float:
    """Seconds for all prints in one of the ways."""
    if name.startswith("print, kbar"):
        return with_kbar(name.split()[-1], prints)
    ways = {"tqdm.write": with_tqdm, "rich console.print": with_rich}
    return ways[name](prints) if name in ways else seconds(print, prints)


def on_a_terminal(name: str, prints: int) -> float:
    """The same, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        result = os.path.join(folder, "result.json")
        command = [sys.executable, __file__, "--child", name, "--result", result, "--prints", str(prints)]
        with attached(columns=100, lines=30) as terminal:
            env = {**os.environ, "TERM": "xterm-256color", "PYTHONUNBUFFERED": ""}
            subprocess.run(command, stdin=terminal, stdout=terminal, stderr=terminal, check=True, env=env)
        with open(result, encoding="utf-8") as file:
            return float(json.load(file))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prints", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--result", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        taken = measure(args.child, args.prints)
        with open(args.result, "w", encoding="utf-8") as file:
            json.dump(taken, file)
        return
    best = dict.fromkeys(NAMES, float("inf"))
    for _ in range(args.rounds):
        for name in NAMES:
            best[name] = min(best[name], on_a_terminal(name, args.prints))
    print(f"{args.prints} short prints while a bar is up")
    for name, taken in best.items():
        each = taken / args.prints * 1e6
        print(f"  {name:20}{taken:8.2f} s{each:8.1f} µs each{taken / best[NAMES[0]]:8.1f} times a plain print")


if __name__ == "__main__":
    main()
