"""The confusion matrix: which classes are taken for which, as a chart, and the pairs confused most often."""

import numpy as np

from tfxfer.analysis import metrics
from tfxfer.report.charts import Heat


def chart(matrix: np.ndarray, classes: list[str], title: str = "", buttons: bool = False) -> Heat:
    """Rows are true classes, columns predictions; colour is the share of the row, numbers are images."""
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    return Heat(
        title,
        share,
        rows=classes,
        columns=classes,
        text=matrix.astype(str),
        low=0,
        high=1,
        scale="Blues",
        x="predicted",
        y="true",
        buttons=buttons,
    )


def pairs(matrix: np.ndarray, classes: list[str]) -> list[tuple[str, ...]]:
    """The pairs of classes confused most often: true, predicted, images, share of the class."""
    return [
        (str(row["true"]), str(row["predicted"]), f"{row['images']:.0f}", f"{row['share']:.3f}")
        for row in metrics.confused_pairs(matrix, classes)
    ]
