"""Which class a network does worst on, and which is most frequent, from labels and predictions alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class WorstClass:
    """The class with the lowest recall, the first of equal ones.

    Attributes:
        label: its number.
        right: how many of its images are classified correctly.
        tested: how many there are.
        taken_for: the class that its other images are taken for most often.
    """

    label: int
    right: int
    tested: int
    taken_for: int


def worst(labels: np.ndarray, predicted: np.ndarray, classes: int) -> WorstClass | None:
    """The worst of the classes that have images, integers (n,) each; None where all predictions are right."""
    tested = np.bincount(labels, minlength=classes)
    right = np.bincount(labels[predicted == labels], minlength=classes)
    if (right == tested).all():
        return None
    label = int(np.divide(right, tested, out=np.ones(classes), where=tested > 0).argmin())
    mistaken = np.bincount(predicted[(labels == label) & (predicted != label)], minlength=classes)
    return WorstClass(label, int(right[label]), int(tested[label]), int(mistaken.argmax()))


def most_frequent(facts: Mapping[str, Any], labels: np.ndarray) -> int:
    """The class that is most frequent in training, or where run.json does not say, among these test labels (n,)."""
    counts = facts.get("dataset", {}).get("counts", {}).get("train")
    return int(np.argmax(np.bincount(labels, minlength=len(facts["classes"])) if counts is None else counts))
