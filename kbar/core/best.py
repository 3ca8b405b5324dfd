"""Which of several values of a metric is the best."""

from __future__ import annotations

import math
from collections.abc import Sequence

# Parts of the names of metrics whose best value is the highest one.
_HIGHER = (
    *("acc", "auc", "precision", "recall", "f1", "fbeta", "iou", "io_u", "dice", "r2", "bleu", "score"),
    *("similarity", "true_positives", "true_negatives", "sensitivity", "specificity"),
)


def higher_is_better(name: str) -> bool:
    """Whether the best value of a metric is the highest: that of a score, but not of a loss or an error."""
    lower = name.lower()
    return not lower.endswith(("loss", "error")) and any(part in lower for part in _HIGHER)


def best_of(name: str, values: Sequence[object]) -> int | None:
    """The index of the best value, the first of equal ones; None if none is a number."""
    numbers = [(i, v) for i, v in enumerate(values) if isinstance(v, (int, float)) and not math.isnan(v)]
    choose = max if higher_is_better(name) else min
    return choose(numbers, key=lambda pair: pair[1])[0] if numbers else None
