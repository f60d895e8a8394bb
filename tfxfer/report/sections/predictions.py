"""Section on predictions for test images: confusion matrix, classes, confused pairs, the most confident mistakes."""

import numpy as np

from tfxfer.analysis import metrics
from tfxfer.features.bank import Bank
from tfxfer.report import figures, page
from tfxfer.report.sections import confusion_matrix, examples
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
        page.chart(folder, "confusion", title, [confusion_matrix.chart(matrix, classes)]),
        '<section id="cell"><p class="note count">Click a cell to see its images.</p>',
        '<div class="gallery"></div></section>',
        page.table(("class", "precision", "recall", "F1", "test images"), tested_scores.by_class(bank, classes)),
        *([page.note(untested)] if (untested := tested_scores.not_tested(bank, classes)) else []),
        page.note("The pairs of classes confused most often."),
        page.table(("class", "taken for", "images", "share of the class"), confusion_matrix.pairs(matrix, classes)),
        *_mistakes(run, bank, probabilities),
    ]


def _mistakes(run: Loaded, bank: Bank, probabilities: np.ndarray) -> list[str]:
    pictures = run.banks.get("pictures")
    if pictures is None:
        return []
    _, shown, tested = np.intersect1d(pictures.ids, bank.ids, return_indices=True)
    images = np.asarray(pictures["image"])[shown]
    figure = figures.mistakes(images, bank.labels[tested], probabilities[tested], run.facts["classes"])
    return [page.heading("Mistakes"), page.figure(run.dir / "figures", "mistakes", figure)]
