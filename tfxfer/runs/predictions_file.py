"""What the saved network predicts for each test image: `predictions.csv` of a run."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfxfer.core import atomic
from tfxfer.runs import tested_scores

if TYPE_CHECKING:
    from tfxfer.features import Bank

NAME = "predictions.csv"
COLUMNS = ("id", "file", "label", "predicted", "correct", "probability", "label_probability")


def write(folder: Path, test: "Bank", classes: Sequence[str], files: Mapping[int, str]) -> None:
    """Writes `predictions.csv`, a line for each test image, in their order.

    Its columns are the image's id and file (empty where it has none), the names of the class it is labelled with and of
    the one that is predicted, whether these are the same (1 or 0), the probability of the prediction, and that of the
    label, of which -log is the image's loss.

    Args:
        test: with "logits" or "probabilities", (n, classes).
        files: by id.
    """
    probabilities, labels = tested_scores.probabilities(test), test.labels
    predicted, rows = probabilities.argmax(1), np.arange(len(test))
    columns = (
        test.ids.tolist(),
        [files.get(number, "") for number in test.ids.tolist()],
        [classes[label] for label in labels],
        [classes[label] for label in predicted],
        (predicted == labels).astype(int).tolist(),
        [f"{value:.6f}" for value in probabilities[rows, predicted]],
        [f"{value:.3g}" if value < 1e-4 else f"{value:.6f}" for value in probabilities[rows, labels]],
    )
    with atomic.file(folder / NAME) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *zip(*columns, strict=True)])
