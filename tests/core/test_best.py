"""Which value of a metric is the best."""

from __future__ import annotations

import math

import pytest

from kbar.core.best import best_of, higher_is_better

HIGHER = [
    "accuracy",
    "val_accuracy",
    "acc",
    "val_acc",
    "binary_accuracy",
    "sparse_top_k_categorical_accuracy",
    "cls_accuracy_1",
    "top5_acc",
    "auc",
    "auc_1",
    "auroc",
    "precision",
    "recall",
    "val_recall_2",
    "recall5",
    "recall@5",
    "f1",
    "f1_score",
    "F1Score",
    "fbeta_score",
    "r2",
    "r2_score",
    "mean_io_u",
    "binary_io_u",
    "iou",
    "IoU",
    "miou",
    "mean_iou",
    "dice",
    "dice_coef",
    "DiceScore",
    "bleu",
    "cosine_similarity",
    "true_positives",
    "true_negatives",
    "sensitivity_at_specificity",
    "accuracy/val",
    "map50",
    "psnr",
    "head_f1",
    "reward",
    "error_score",
]
LOWER = [
    "loss",
    "val_loss",
    "dice_loss",
    "iou_loss",
    "f1_loss",
    "IoULoss",
    "diceloss",
    "val_dice_loss_1",
    "auc_loss",
    "accuracy_loss",
    "similarity_loss",
    "r2_loss",
    "error",
    "mean_absolute_error",
    "val_mean_squared_error",
    "word_error_rate",
    "recall_error",
    "top5_error",
    "accuracy_err",
    "score_error",
    "mae",
    "mse",
    "rmse",
    "mape",
    "perplexity",
    "hinge",
    "kl_divergence",
    "false_positives",
    "false_negatives",
    "layer2_mae",
    "encoder2_mse",
    "various",
    "obvious_gap",
    "previous",
    "macro_gap",
    "cosine_distance",
    "score_losses",
    "reconstruction",
    "nll",
]


@pytest.mark.parametrize("name", HIGHER)
def test_scores_are_better_when_they_are_higher(name: str) -> None:
    assert higher_is_better(name)


@pytest.mark.parametrize("name", LOWER)
def test_losses_errors_and_all_else_are_better_when_they_are_lower(name: str) -> None:
    assert not higher_is_better(name)


@pytest.mark.parametrize(
    ("name", "values", "index"),
    [
        ("dice_loss", [0.5, 0.2, 0.9], 1),
        ("dice", [0.5, 0.2, 0.9], 2),
        ("loss", [math.nan, 3.0, None, "text", 3.0], 1),
        ("accuracy", [-math.inf, 10**400, 1], 1),
        ("loss", [math.nan, "nothing", None], None),
        ("loss", [], None),
    ],
)
def test_the_best_value_is_the_first_of_the_best_numbers(name: str, values: list[object], index: int | None) -> None:
    assert best_of(name, values) == index
