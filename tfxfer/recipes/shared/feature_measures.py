"""What is measured on features: classifiers, neural collapse, projections, accuracy."""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from tfxfer import analysis, features, model
from tfxfer.core.count_progress import track
from tfxfer.data import Splits
from tfxfer.data.splits import first_of_each
from tfxfer.features.bank import Bank

SHOWN = 2000  # test images that are projected
PROJECTIONS = ("pca", "tsne")

Banks = dict[str, Bank]
"""Features by split."""


def pool(banks: Banks) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and labels that may be learned from: training and validation images together."""
    parts = [banks["train"], banks["validation"]]
    return np.concatenate([part["embedding"] for part in parts]), np.concatenate([part.labels for part in parts])


def classify(banks: Banks, methods: Sequence[str], seed: int) -> dict[str, float]:
    """Fits `analysis.probe` of each method to training and validation images: metrics `<method>/<figure>`."""
    (x, y), test = pool(banks), banks["test"]
    test_x = np.asarray(test["embedding"])
    metrics: dict[str, float] = {}
    for method in track(methods, "classifiers", len(methods), "classifiers"):
        figures = analysis.probe(x, y, test_x, test.labels, method, seed)
        share = figures["test_accuracy"]
        ends = analysis.intervals.wilson(share, len(np.unique(test.bases)))  # versions of an image count once
        print(f"  {method}: test accuracy {analysis.intervals.text(share, ends)}", flush=True)
        metrics |= {f"{method}/{name}": value for name, value in figures.items()}
    return metrics


def flat(pictures: Bank) -> Bank:
    """Pixels in [0, 1] as features: "embedding", float32 (n, d)."""
    x = pictures["image"].reshape(len(pictures), -1).astype(np.float32) / 255
    return Bank({"embedding": x}, pictures.labels, pictures.ids)


def collapse(banks: Banks, net: keras.Model | None = None) -> dict[str, float]:
    """Measures `analysis.neural_collapse` of training and validation features; given a network, of its head too."""
    x, y = pool(banks)
    return analysis.neural_collapse(x, y, model.classifier(net) if net else None)


def collapse_of(splits: Splits, limit: int = 2000) -> Callable[[keras.Model], dict[str, float]]:
    """A `measure` for `train.sweep`: `analysis.neural_collapse` of the first training images and the head."""
    subset = splits.only(train=first_of_each(splits.rows["train"].labels, limit))

    def measure(net: keras.Model) -> dict[str, float]:
        bank = features.extract(net, subset.train)
        return collapse({"train": bank, "validation": bank[:0]}, net)

    return measure


def panel(banks: Banks, seed: int) -> Bank:
    """The first `SHOWN` test images projected to the plane."""
    shown = banks["test"].only("embedding")[:SHOWN]
    return Bank(
        {method: analysis.project(shown["embedding"], method, seed) for method in PROJECTIONS}, shown.labels, shown.ids
    )


def predicted(bank: Bank) -> np.ndarray:
    """The class of the highest logit, int64 (n,)."""
    return bank["logits"].argmax(1)


def accuracies(banks: Banks) -> dict[str, float]:
    """Share of images whose highest logit is their label's: `<split>_accuracy`."""
    return {
        f"{split}_accuracy": analysis.metrics.accuracy(bank.labels, predicted(bank)) for split, bank in banks.items()
    }
