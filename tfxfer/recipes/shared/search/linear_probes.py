"""Classifiers on frozen features: the first trials, and the head that all others start from."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
from threadpoolctl import threadpool_limits

from tfxfer import analysis, features
from tfxfer.analysis import multilayer_probe
from tfxfer.analysis.classifiers import CommonScale
from tfxfer.analysis.logistic import LogisticRegression
from tfxfer.data import Splits
from tfxfer.data.splits import first_of_each
from tfxfer.features import inference
from tfxfer.recipes.shared import run_artifacts
from tfxfer.recipes.shared.search import scores
from tfxfer.recipes.shared.search.folds import Fold
from tfxfer.train import moved_tail

GRID = tuple(10.0**power for power in range(-4, 3))  # of C
SWEPT = 4000  # training images, at most, by which C is chosen
MIRRORED = 1000  # validation images, at most, that are mirrored
HEAD2TOE = 2000  # training images, at most, for a probe of all stages


Embedded: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Of a fold: training features (n, d), their labels, validation features (m, d), their labels."""


def choose_c(embeddings: Sequence[Embedded], classes: int, goal: str) -> tuple[float, dict[str, float]]:
    """The C of the logistic regression that is best by the goal on validation images, and its figures.

    Args:
        embeddings: for each fold.
        classes: how many there are.
        goal: one of `scores.GOALS`.
    """
    labels = np.concatenate([y for *_, y in embeddings])
    found: list[tuple[float, dict[str, float]]] = []
    for c in GRID:
        heads = [head(x[:SWEPT], y[:SWEPT], classes, c) for x, y, _, _ in embeddings]
        outputs = [logits(x, *fitted) for (_, _, x, _), fitted in zip(embeddings, heads, strict=True)]
        found.append((c, moved_tail.figures(np.concatenate(outputs), labels)))
    return max(found, key=lambda row: scores.merit(row[1], goal))


def head(x: np.ndarray, y: np.ndarray, classes: int, c: float) -> tuple[np.ndarray, np.ndarray]:
    """A logistic regression as the weights of a network's head.

    All features are divided by one number, as they are in one unit: divided by their own deviations, those that hardly
    vary on the training images would give an unusual image logits of any size.

    Args:
        x: embeddings, float (n, d).
        y: labels, int (n,), with some of each class.
        classes: how many there are.
        c: inverse strength of its penalty, for features of mean variance 1.

    Returns:
        Kernel (d, classes) and bias (classes,), float32: the scaling of the features is multiplied into them.
    """
    scaler = CommonScale().fit(x)
    with threadpool_limits(1, "blas"):  # two threads on a busy machine wait for each other: 44 s instead of 3
        regression = LogisticRegression(C=c).fit(scaler.transform(x), y)
    kernel, bias = regression.coef_.T / scaler.scale_, regression.intercept_
    bias = bias - scaler.mean_ @ kernel
    if classes == 2:  # one row for both
        kernel, bias = np.concatenate([-kernel, kernel], 1) / 2, np.concatenate([-bias, bias]) / 2
    return kernel.astype(np.float32), bias.astype(np.float32)


def logits(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The head's outputs, float (n, classes)."""
    return x @ kernel + bias


def neighbours(train: tuple[np.ndarray, np.ndarray], x: np.ndarray, y: np.ndarray, classes: int) -> dict[str, float]:
    """Figures of the nearest neighbours, whose number is chosen by the same validation images."""
    fitted = analysis.probes.fit(*train, "knn", validation=(x, y), classes=classes)
    k = int(fitted.facts["k"])
    alone = analysis.probes.fit(*train, "knn", classes=classes, n_neighbors=k)
    return moved_tail.figures(np.log(np.maximum(alone.probabilities(x), 1e-6)), y) | {"k": float(k)}


def all_stages(net: keras.Model, splits: Splits, options: dict[str, Any]) -> dict[str, Any]:
    """Figures of Head2Toe on a sample of the training images, by validation, and the share kept of each stage."""
    sample = splits.only(train=first_of_each(splits.rows["train"].labels, HEAD2TOE))
    extract = features.Extractor(net, features.taps(net), **options)
    train, held_out = (extract(sample.examples(split)) for split in ("train", "validation"))
    fitted = multilayer_probe.fit(dict(train.values), train.labels, fractions=0.05)
    found = moved_tail.figures(np.log(np.maximum(fitted.probabilities(dict(held_out.values)), 1e-6)), held_out.labels)
    kept = {name.removeprefix("kept/"): value for name, value in fitted.facts.items() if name.startswith("kept/")}
    return found | {"kept": kept, "images": len(train.labels)}


def mirrored_loss(net: keras.Model, fold: Fold) -> dict[str, float]:
    """What mirroring costs: accuracy of the network's head on validation images, and on their mirror images.

    If mirror images are recognised as well, mirroring makes no other class of them, and is fit for augmentation.
    """
    predict = inference.predictor(net)
    some = np.arange(min(MIRRORED, fold.splits.size("validation")))
    bank = run_artifacts.images(fold.splits, "validation", some)
    pixels, labels = bank["image"], bank.labels
    plain, mirrored = ((predict(images).argmax(1) == labels).mean() for images in (pixels, pixels[:, :, ::-1]))
    return {"accuracy": float(plain), "mirrored_accuracy": float(mirrored)}
