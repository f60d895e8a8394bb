"""Sections on predictions of test images: confusion matrix, classes, pairs, the surest mistakes."""

import numpy as np

from tfxfer.analysis import metrics
from tfxfer.report import figures, page
from tfxfer.report.charts import Heat
from tfxfer.report.sections import examples
from tfxfer.runs import model_card
from tfxfer.runs.loading import Loaded


def sections(run: Loaded) -> list[str]:
    bank, classes = run.banks.get("test"), run.facts["classes"]
    if bank is None:
        return []
    chances = examples.probabilities(bank)
    predicted = chances.argmax(1)
    matrix = metrics.confusion(bank.labels, predicted, len(classes))
    title = "Which classes are taken for which? Test images; off the diagonal are mistakes"
    folder, best = run.dir / "figures", run.facts.get("best")
    return [
        page.heading(f"Predictions of {best}" if best else "Predictions"),
        *([page.note(f"All of {model_card.tested(run.facts)}.")] if "corrupted" in run.facts else []),
        page.chart(folder, "confusion", title, [confusion(matrix, classes)]),
        '<section id="cell"><p class="note count">Click a cell to see its images.</p>',
        '<div class="gallery"></div></section>',
        page.table(("class", "precision", "recall", "F1", "test images"), model_card.by_class(bank, classes)),
        *([page.note(untested)] if (untested := model_card.not_tested(bank, classes)) else []),
        page.note("The pairs most often confused."),
        page.table(("class", "taken for", "images", "share of the class"), pairs(matrix, classes)),
        *_mistakes(run, bank, chances),
    ]


def confusion(matrix: np.ndarray, classes: list[str], title: str = "") -> Heat:
    """Rows are true classes, columns predictions; colour is the share of the row, numbers are images."""
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    return Heat(title, share, classes, classes, matrix.astype(str), 0, 1, "Blues", "predicted", "true")


def pairs(matrix: np.ndarray, classes: list[str]) -> list[tuple[str, ...]]:
    """The pairs of classes most often confused: true, predicted, images, share of the class."""
    return [
        (row["true"], row["predicted"], f"{row['images']:.0f}", f"{row['share']:.3f}")
        for row in metrics.confused_pairs(matrix, classes)
    ]


def _mistakes(run: Loaded, bank, chances: np.ndarray) -> list[str]:
    pictures = run.banks.get("pictures")
    if pictures is None:
        return []
    _, ours, theirs = np.intersect1d(pictures.ids, bank.ids, return_indices=True)
    drawn = figures.mistakes(pictures["image"][ours], bank.labels[theirs], chances[theirs], run.facts["classes"])
    return [page.heading("Mistakes"), page.figure(run.dir / "figures", "mistakes", drawn)]
