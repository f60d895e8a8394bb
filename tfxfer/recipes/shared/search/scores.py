"""By what a search chooses: figures of validation logits, and which of two is better."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import log_softmax

GOALS = {  # name -> figure, and its name in `train.interpolation_curve`
    "accuracy": "val_accuracy",
    "balanced_accuracy": "val_balanced_accuracy",
    "log_loss": "val_loss",
}


def figures(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, balanced accuracy (the mean over classes) and cross-entropy of logits, float (n, classes)."""
    right = logits.argmax(1) == labels
    counts = np.bincount(labels)
    recalls = np.bincount(labels, right)[counts > 0] / counts[counts > 0]
    loss = -log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(labels)), labels].mean()
    return {name: float(value.mean()) for name, value in zip(GOALS.values(), (right, recalls, loss), strict=True)}


def of(outcome: Mapping[str, Any]) -> dict[str, float]:
    """The figures among what a step has left."""
    return {name: float(outcome[name]) for name in GOALS.values()}


def merit(row: Mapping[str, float], goal: str) -> tuple[float, float]:
    """What the better of two has more of: the goal, and of equal ones the lower cross-entropy."""
    name = GOALS[goal]
    return (-row[name] if goal == "log_loss" else row[name]), -row["val_loss"]
