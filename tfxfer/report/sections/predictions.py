"""Section on predictions for test images: confusion matrix, classes, confused pairs, the most confident mistakes."""

import numpy as np

from tfxfer.analysis import metrics
from tfxfer.features.bank import Bank
from tfxfer.report import figures, page
from tfxfer.report.charts import Heat
from tfxfer.report.sections import examples
from tfxfer.runs import corruption_facts, tested_scores
from tfxfer.runs.loading import Loaded


def sections(run: Loaded) -> list[str]:
    """What the saved network predicts for the test images of the bank "test"."""
    bank, classes = run.banks.get("test"), run.facts["classes"]
    if bank is None:
        return []
    probabilities = examples.probabilities(bank)
    matrix = metrics.confusion(bank.labels, probabilities.argmax(1), len(classes))
    title = "Which classes are taken for which? Test images; mistakes are off the diagonal"
    folder, best = run.dir / "figures", run.facts.get("best")
    return [
        page.heading(f"Predictions of {best}" if best else "Predictions"),
        *([page.note(f"For {corruption_facts.tested(run.facts)}.")] if "corrupted" in run.facts else []),
        page.chart(folder, "confusion", title, [confusion(matrix, classes)]),
        '<section id="cell"><p class="note count">Click a cell to see its images.</p>',
        '<div class="gallery"></div></section>',
        page.table(("class", "precision", "recall", "F1", "test images"), tested_scores.by_class(bank, classes)),
        *([page.note(untested)] if (untested := tested_scores.not_tested(bank, classes)) else []),
        page.note("The pairs of classes confused most often."),
        page.table(("class", "taken for", "images", "share of the class"), pairs(matrix, classes)),
        *_mistakes(run, bank, probabilities),
    ]


def confusion(matrix: np.ndarray, classes: list[str], title: str = "") -> Heat:
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
    )


def pairs(matrix: np.ndarray, classes: list[str]) -> list[tuple[str, ...]]:
    """The pairs of classes confused most often: true, predicted, images, share of the class."""
    return [
        (str(row["true"]), str(row["predicted"]), f"{row['images']:.0f}", f"{row['share']:.3f}")
        for row in metrics.confused_pairs(matrix, classes)
    ]


def _mistakes(run: Loaded, bank: Bank, probabilities: np.ndarray) -> list[str]:
    pictures = run.banks.get("pictures")
    if pictures is None:
        return []
    _, shown, tested = np.intersect1d(pictures.ids, bank.ids, return_indices=True)
    images = np.asarray(pictures["image"])[shown]
    figure = figures.mistakes(images, bank.labels[tested], probabilities[tested], run.facts["classes"])
    return [page.heading("Mistakes"), page.figure(run.dir / "figures", "mistakes", figure)]
