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

DEFAULT_METRICS = ("loss", "val_loss", "*")


@dataclass(frozen=True)
class Settings:
    """How a stage is shown; so are the stages within it, where their own options say nothing else.

    Attributes:
        metrics: names or shell patterns (``val_*``) of the metrics to show, in that order.
        names: what people see some metrics called, by the metrics' own names.
        formats: how the numbers of metrics are formatted, by names or patterns; the first one that matches counts.
        leave: what stays on screen.
        pacing: whether bars glide.
        summary: whether epochs say where their time went.
        hidden: whether it is shown on no screen, whatever is around it or within.
    """

    metrics: tuple[str, ...] = DEFAULT_METRICS
    names: tuple[tuple[str, str], ...] = ()
    formats: tuple[tuple[str, str], ...] = ()
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
        return next((i for i, pattern in enumerate(patterns) if _matches(str(name), pattern)), len(patterns))

    return sorted((name for name in names if rank(name) < len(patterns)), key=rank)


def format_of(metric: str, name: str, formats: tuple[tuple[str, str], ...]) -> str:
    """Return the format of a metric that people see as `name`; "" for none."""
    found = (form for pattern, form in formats if _matches(metric, pattern) or _matches(name, pattern))
    return next(found, "")


def _matches(name: str, pattern: str) -> bool:
    return pattern == name or fnmatch.fnmatchcase(name, pattern)
