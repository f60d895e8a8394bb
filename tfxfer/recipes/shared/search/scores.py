"""By what a search chooses: which figures of validation logits, and which of two is better."""

from collections.abc import Mapping
from typing import Any

from tfxfer.train import moved_tail

GOALS = dict(zip(("accuracy", "balanced_accuracy", "log_loss"), moved_tail.METRICS, strict=True))
"""By the name of a goal, the figure that `train.interpolation_curve` chooses by."""


def of(outcome: Mapping[str, Any]) -> dict[str, float]:
    """The figures among what a step has left."""
    return {name: float(outcome[name]) for name in moved_tail.METRICS}


def merit(row: Mapping[str, float], goal: str) -> tuple[float, float]:
    """What the better of two has more of: the goal, and of equal ones the lower cross-entropy."""
    return moved_tail.merit(row, GOALS[goal])
