"""Which value of a metric is the best, by the metric's name."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TypeGuard

from .snapshot import Goal

# Words, and ends of words, in the names of metrics that are the better the higher they are.
_SCORES = frozenset(
    {
        *("f1", "f2", "fbeta", "fscore", "fmeasure", "r2", "map", "ap", "mrr", "ndcg", "bleu", "rouge", "mcc", "kappa"),
        *("jaccard", "psnr", "ssim", "reward", "return", "returns", "correlation", "pearson", "spearman", "coef"),
        *("auprc", "tpr", "elbo", "hits"),
    }
)
_SCORE_ENDS = (
    *("acc", "accuracy", "auc", "roc", "precision", "recall", "iou", "dice", "score", "scores"),
    *("similarity", "sensitivity", "specificity", "likelihood"),
)
_PHRASES = ("io_u", "true_positives", "true_negatives")
_COST = re.compile(r"(loss|losses|errors?|error_rate|err|cost|distance|divergence|time|gap|code)[_\d]*$")
_NEITHER = re.compile(r"(^|_)(lr|learning_rate|momentum|epoch|step)[_\d]*$")  # it is set, not reached


def higher_is_better(name: str) -> bool:
    """Whether higher values of the metric of this name are better.

    So are those of accuracies and other scores. What ends in loss or error is better when it is lower, as is all else.
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", name)  # DiceScore
    words = re.sub(r"[^a-z0-9]+", "_", words.lower())
    if _COST.search(words):
        return False
    if any(f"_{phrase}_" in f"_{words}_" for phrase in _PHRASES):
        return True
    return any(_is_score(word) for word in words.split("_"))


def _is_score(word: str) -> bool:
    bare = word.rstrip("0123456789")  # recall5
    return word in _SCORES or bare in _SCORES or bare.endswith(_SCORE_ENDS)


def best_of(name: str, values: Sequence[object], goal: Goal | None = None) -> int | None:
    """The index of the best of the values that a metric of this name has had; None if there is no best one.

    If there is a `goal`, it says what is better, and the name does not matter.

    There is none if no value is a number, or if the metric is a setting, such as the learning rate.
    """
    neither = goal is None and _NEITHER.search(name.lower())
    numbers = [(value, at) for at, value in enumerate(values) if _is_number(value) and not neither]
    if not numbers:
        return None
    sign = -1 if goal == "max" or (goal is None and higher_is_better(name)) else 1
    return min(numbers, key=lambda found: sign * found[0])[1]


def _is_number(value: object) -> TypeGuard[float]:
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return is_count or (isinstance(value, float) and not math.isnan(value))
