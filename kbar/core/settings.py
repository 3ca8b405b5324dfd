"""How a stage is shown: what it was asked for, or the stage around it."""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .snapshot import Metrics

Leave = Literal["epochs", "run", "none"]
"""What stays on screen: a line for each epoch and the last state, the last state, nothing."""


@dataclass(frozen=True)
class Settings:
    """How a stage is shown; so are the stages within it, where their own options say nothing else.

    Attributes:
        metrics: names or shell patterns (``val_*``) of the metrics to show, in that order.
        leave: what stays on screen.
        pacing: whether bars glide.
        summary: whether epochs say where their time went.
        hidden: whether it is shown on no screen, whatever is around it or within.
    """

    metrics: tuple[str, ...] = ("loss", "val_loss", "*")
    leave: Leave = "epochs"
    pacing: bool = True
    summary: bool = False
    hidden: bool = False

    def pick(self, metrics: Mapping[str, object] | None) -> Metrics:
        """Return those of `metrics` that are to be shown, in order."""
        found = dict(metrics or ())
        return tuple((name, found[name]) for name in _picked(tuple(found), self.metrics))


@functools.lru_cache(100)  # a run has the same names again and again
def _picked(names: tuple[str, ...], patterns: tuple[str, ...]) -> list[str]:
    def rank(name: str) -> int:
        return next((i for i, pattern in enumerate(patterns) if fnmatch.fnmatchcase(str(name), pattern)), len(patterns))

    return sorted((name for name in names if rank(name) < len(patterns)), key=rank)
