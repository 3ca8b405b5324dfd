"""What a bar costs an iteration of a loop that does nothing: kbar's track() beside its peers, in one run.

    python benchmarks/track.py [--items 2000000] [--rounds 7] [--memory 100000000]

Each case loops over the same range in turns with a bare `for`, and the figures are differences
between the two, the least of all rounds: what a machine does besides only ever adds. All draw on
a pseudo-terminal that is read as fast as it is written.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from typing import Any

from _terminal import attached


def cases() -> dict[str, Callable[[Iterable[int]], Any]]:
    """Each case as what it makes of an iterable."""
    from alive_progress import alive_it
    from fastprogress.fastprogress import progress_bar
    from rich.progress import track
    from tqdm import tqdm

    import kbar

    return {
        "bare for": lambda items: items,
        "tqdm": tqdm,
        "kbar.track, rich": lambda items: kbar.track(items, renderer="rich"),
        "kbar.track, tqdm": lambda items: kbar.track(items, renderer="tqdm"),
        "rich.progress.track": track,
        "fastprogress": progress_bar,
        "alive_progress": alive_it,
    }


def seconds(items: Iterable[int]) -> float:
    """How long the bare loop over `items` takes."""
    started = time.perf_counter()
    for _ in items:
        pass
    return time.perf_counter() - started


def measure(items: int, rounds: int) -> dict[str, float]:
    """Nanoseconds an iteration above a bare `for`, for each case."""
    found = cases()
    for case in found.values():
        seconds(case(range(1000)))  # imports and first calls are not what is asked for
    best = dict.fromkeys(found, float("inf"))
    for _ in range(rounds):
        for name, case in found.items():
            best[name] = min(best[name], seconds(case(range(items))))
    bare = best.pop("bare for")
    return {name: (least - bare) / items * 1e9 for name, least in best.items()}


def memory(items: int) -> float:
    """By how many MB a loop of so many iterations raises the most memory this process ever had."""
    import kbar

    if sys.platform == "win32":
        raise OSError("Windows has no getrusage")
    seconds(kbar.track(range(1000), renderer="rich"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds(kbar.track(range(items), renderer="rich"))
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=2_000_000, help="iterations of each loop")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", type=int, default=100_000_000, help="iterations of the loop for memory")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        grown = memory(args.memory)  # first, before others have had more
        with open(args.child, "w", encoding="utf-8") as file:
            json.dump([measure(args.items, args.rounds), grown], file)
        return
    with tempfile.TemporaryDirectory() as folder:
        result = os.path.join(folder, "result.json")
        sizes = [f"--{name}={getattr(args, name)}" for name in ("items", "rounds", "memory")]
        with attached(columns=100, lines=30) as terminal:
            command = [sys.executable, __file__, "--child", result, *sizes]
            subprocess.run(command, stdin=terminal, stdout=terminal, stderr=terminal, check=True)
        with open(result, encoding="utf-8") as file:
            figures, grown = json.load(file)
    print(f"{'ns an iteration above a bare for':36}{'':8}{'of tqdm':>8}")
    for name, above in figures.items():
        print(f"{name:36}{above:8.0f}{above / figures['tqdm']:8.0%}")
    print(f"{f'memory after {args.memory:,} iterations':36}{grown:+8.1f} MB")


if __name__ == "__main__":
    main()
