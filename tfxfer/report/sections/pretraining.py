"""Section of a report on training from scratch against starting from pretrained weights."""

import numpy as np

from tfxfer.analysis import metrics
from tfxfer.report import page, published
from tfxfer.report.charts import Heat
from tfxfer.report.sections import confusion_matrix
from tfxfer.report.sections.metric_tables import SPREAD, accuracy, number, published_note
from tfxfer.runs import seed_statistics
from tfxfer.runs.loading import Loaded

_NETWORKS = {
    "scratch": "from scratch",
    "frozen": "pretrained, best depth of the sweep",
    "tuned": "pretrained, then all layers",
}


def sections(run: Loaded) -> list[str]:
    """Accuracy of each network, the difference between the last and the first, and their confusion matrices."""
    if not {"scratch", "tuned"} <= run.banks.keys():
        return []
    publication, classes = published.for_run(run), run.facts["classes"]
    columns = {
        "network": list(_NETWORKS.values()),
        "test accuracy": [accuracy(run, f"{name}/accuracy") for name in _NETWORKS],
    }
    if publication.figures:
        columns[publication.head] = [number(publication.figures.get(f"{name}/accuracy")) for name in _NETWORKS]
    matrices = {}
    for name in ("scratch", "tuned"):
        bank = run.banks[name]
        matrices[name] = metrics.confusion(bank.labels, np.asarray(bank["logits"]).argmax(1), len(classes))
    maps = [confusion_matrix.chart(matrix, classes, _NETWORKS[name]) for name, matrix in matrices.items()]
    title = "Which classes are confused? Third map: pretrained minus from scratch; more on the diagonal is better"
    return [
        page.heading("From scratch, or pretrained?"),
        page.table(tuple(columns), list(zip(*columns.values(), strict=True))),
        page.note(f"{_comparison(run)} {_scale(run, publication)}"),
        page.chart(
            run.dir / "figures",
            "confusions",
            title,
            [*maps, _difference(matrices["tuned"], matrices["scratch"], classes)],
        ),
        *published_note(run),
    ]


def _comparison(run: Loaded) -> str:
    """How much more often the pretrained network is right, in words."""
    if each := seed_statistics.of_each(run, lambda metrics: 100 * metrics["tuned_less_scratch/difference"]):
        more, deviation = float(np.mean(each)), float(np.std(each, ddof=1))
        return f"{SPREAD}. The pretrained network is right {more:+.1f} ± {deviation:.1f} points more often."
    difference, low, high = (run.metrics[f"tuned_less_scratch/{end}"] for end in ("difference", "low", "high"))
    often = "more" if difference >= 0 else "less"
    return (
        "95% confidence intervals on these images are in brackets. On the same images the pretrained network is right "
        f"{100 * abs(difference):.1f} points {often} often ({100 * low:+.1f} to {100 * high:+.1f} with 95% confidence)."
    )


def _scale(run: Loaded, publication: published.Published) -> str:
    mean, std = (run.metrics[f"scale/{name}"] for name in ("mean", "std"))
    text = f"Mean and standard deviation of the training images, in [0, 1]: {mean:.3f} and {std:.3f}"
    if publication.figures:
        text += f" (published: {publication.figures['scale/mean']} and {publication.figures['scale/std']})"
    return f"{text}."


def _difference(tuned: np.ndarray, scratch: np.ndarray, classes: list[str]) -> Heat:
    """How much more often the tuned network predicts each class, as a share of the true class's images."""
    share = (tuned - scratch) / np.maximum(tuned.sum(1, keepdims=True), 1)
    largest = float(max(np.abs(share).max(), 0.1))  # less is chance for a class of some hundred images
    return Heat(
        "pretrained minus from scratch",
        share,
        rows=classes,
        columns=classes,
        text=np.char.mod("%+d", tuned - scratch),
        low=-largest,
        high=largest,
        scale="RdBu",
        x="predicted",
        y="true",
    )
