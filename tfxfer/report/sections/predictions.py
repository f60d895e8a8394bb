"""Section on predictions for test images: confusion matrix, classes, confused pairs, images by loss."""

import numpy as np

from tfxfer.analysis import metrics
from tfxfer.features.bank import Bank
from tfxfer.report import figures, page
from tfxfer.report.sections import confusion_matrix, image_browser
from tfxfer.runs import corruption_facts, tested_scores
from tfxfer.runs.loading import Loaded


def sections(run: Loaded) -> list[str]:
    """What the saved network predicts for the test images of the bank "test"."""
    bank, classes = run.banks.get("test"), run.facts["classes"]
    if bank is None:
        return []
    probabilities = tested_scores.probabilities(bank)
    matrix = metrics.confusion(bank.labels, probabilities.argmax(1), len(classes))
    title = "Which classes are taken for which? Test images; mistakes are off the diagonal"
    folder, best = run.dir / "figures", run.facts.get("best")
    pairs = confusion_matrix.pairs(matrix, classes)
    wrong = f"{len(bank) - int(np.trace(matrix)):,} of {len(bank):,} test images are wrong"
    most = f"; most often, {pairs[0][0]} is taken for {pairs[0][1]} ({pairs[0][2]} images)" if pairs else ""
    pictures = run.banks.get("pictures")
    return [
        page.heading(f"Predictions of {best}" if best else "Predictions"),
        *([page.note(f"For {corruption_facts.tested(run.facts)}.")] if "corrupted" in run.facts else []),
        page.chart(
            folder, "confusion", title, [confusion_matrix.chart(matrix, classes, buttons=True)], f"{wrong}{most}."
        ),
        *([_CELL] if pictures is not None else []),
        page.table(("class", "precision", "recall", "F1", "test images"), tested_scores.by_class(bank, classes)),
        *([page.note(untested)] if (untested := tested_scores.not_tested(bank, classes)) else []),
        *([page.note("The pairs of classes confused most often.")] if pairs else []),
        *([page.table(("class", "taken for", "images", "share of the class"), pairs)] if pairs else []),
        *([] if pictures is None else _mistakes(run, pictures, bank, probabilities)),
    ]


_CELL = (
    '<div id="cell"><p class="note count" role="status">Press a cell to see its images; arrow keys go from cell to '
    'cell.</p><ul class="gallery"></ul></div>'
)


def _mistakes(run: Loaded, pictures: Bank, bank: Bank, probabilities: np.ndarray) -> list[str]:
    _, shown, tested = np.intersect1d(pictures.ids, bank.ids, return_indices=True)
    images = np.asarray(pictures["image"])[shown]
    figure = figures.mistakes(images, bank.labels[tested], probabilities[tested], run.facts["classes"])
    page.save(run.dir / "figures", "mistakes", figure)
    return [page.heading("Mistakes"), image_browser.browser(run)]
