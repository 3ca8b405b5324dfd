"""Series of step times for `evenness.py`: stages of one kind of steps, and whole runs."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

Trace = list[tuple[float, int]]  # seconds, and how many steps are done after them


@dataclass
class Epoch:
    """One epoch: its training, its validation, and seconds for callbacks at its end, such as a checkpoint."""

    train: Trace
    validation: Trace = field(default_factory=list)
    callbacks: float = 0.0


def uneven(count: int, mean: float, sigma: float, seed: int, steps: int = 1) -> Trace:
    """Steps whose times are distributed log-normally, as those of batches of different length."""
    chance = random.Random(seed)  # noqa: S311  # the same for all bars
    return [(min(1.5, chance.lognormvariate(math.log(mean) - sigma**2 / 2, sigma)), steps) for _ in range(count)]


def stalling(count: int, each: float, every: int, stall: float) -> Trace:
    """Every so many steps there is no data for so many seconds."""
    return [(each + (stall if i % every == every - 1 else 0.0), 1) for i in range(count)]


def bunches(count: int, every: float, size: int, apart: float) -> Trace:
    """Every so many seconds so many steps, as results of parallel workers, these so many seconds apart."""
    return [(every - (size - 1) * apart if i % size == 0 else apart, 1) for i in range(count * size)]


def compiling(count: int, each: float, extra: float, steps: int = 1) -> Trace:
    """Executions of one duration, of which the first takes so many seconds more."""
    return [(each + (0.0 if i else extra), steps) for i in range(count)]


STAGES: dict[str, Trace] = {
    "steady": [(0.01, 1)] * 1200,
    "jitter": uneven(600, 0.016, 1.2, seed=1),
    "heavy_jitter": uneven(900, 0.012, 1.5, seed=9),
    "lumps": [(1.0, 100)] * 12,
    "slow_lumps": [(1.7, 50)] * 8,
    "uneven_lumps": uneven(20, 0.6, 0.4, seed=3, steps=40),
    "stalls": stalling(600, 0.008, 100, 1.5),
    "short_stalls": stalling(700, 0.01, 70, 0.6),
    "compile_first": [(4.0, 1)] + [(0.02, 1)] * 399,
    "compile_lumps": [(4.0, 32)] + [(0.4, 32)] * 19,
    "compile_again": [(3.0, 1)] + [(0.02, 1)] * 200 + [(3.0, 1)] + [(0.02, 1)] * 200,
    "compile_twice": [(3.0, 1)] * 2 + [(0.02, 1)] * 600,
    "compile_often": [(3.0 if i in (0, 20, 50, 90) else 0.02, 1) for i in range(500)],
    "slow_down": [(0.3, 1)] * 15 + [(1.5, 1)] * 8,
    "slower": [(0.01, 1)] * 500 + [(0.05, 1)] * 140,
    "faster": [(0.05, 1)] * 120 + [(0.01, 1)] * 600,
    "slow_steps": [(2.5, 1)] * 5,
    "slow_executions": [(3.0, 8)] * 4,
    "bunches": bunches(10, 3.0, size=4, apart=0.001),
    "loose_bunches": bunches(6, 7.0, size=4, apart=0.3),
}
"""By name, each the training of one epoch."""

RUNS: dict[str, list[Epoch]] = {
    "run": [
        Epoch(compiling(100, 0.04, 0.0 if i else 2.0), compiling(20, 0.03, 0.0 if i else 1.0), 0.5) for i in range(8)
    ],
    "run_checkpoints": [
        Epoch(compiling(60, 0.05, 0.0 if i else 2.0), compiling(20, 0.03, 0.0 if i else 1.0), 2.0) for i in range(6)
    ],
    "run_slow_first": [
        Epoch(compiling(100, 0.04 if i else 0.12, 0.0 if i else 1.0), [(0.03, 1)] * 20, 0.5) for i in range(6)
    ],
    "run_every_second": [
        Epoch(compiling(100, 0.04, 0.0 if i else 2.0), compiling(40, 0.05, 1.0 if i == 1 else 0.0) * (i % 2), 0.3)
        for i in range(8)
    ],
    "run_executions": [
        Epoch(compiling(10, 0.4, 0.0 if i else 3.0, 32), compiling(2, 0.3, 0.0 if i else 1.5, 32), 0.5)
        for i in range(6)
    ],
    "run_long_steps": [
        Epoch(compiling(4, 2.5, 0.0 if i else 2.0), compiling(2, 1.0, 0.0 if i else 1.0), 0.5) for i in range(4)
    ],
}
"""Whole runs by name."""
