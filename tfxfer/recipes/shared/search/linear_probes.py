"""Classifiers on frozen features: the first trials, and the head that all others start from."""

from typing import Any

import keras
import numpy as np
from scipy.special import log_softmax

from tfxfer import analysis, features
from tfxfer.analysis import multilayer_probe
from tfxfer.data import Splits
from tfxfer.data.splits import first_of_each
from tfxfer.recipes.shared.search import scores
from tfxfer.recipes.shared.search.folds import Fold

HEAD2TOE = 2000  # training images, at most, for a probe of all stages


def choose_c(x: np.ndarray, y: np.ndarray, held_out: tuple[np.ndarray, np.ndarray], seed: int) -> float:
    """The C of a logistic regression by validation accuracy."""
    return analysis.probes.fit(x, y, "logistic", seed, held_out).facts["C"]


def head(x: np.ndarray, y: np.ndarray, classes: int, c: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A logistic regression as the weights of a network's head.

    Args:
        x: embeddings, float (n, d).
        y: labels, int (n,), with some of each class.
        classes: how many there are.
        c: inverse strength of its penalty.
        seed: random seed.

    Returns:
        Kernel (d, classes) and bias (classes,), float32: the scaling of the features is multiplied into them.
    """
    scaler, regression = (step for _, step in analysis.probes.fit(x, y, "logistic", seed, C=c).pipeline.steps)
    kernel, bias = regression.coef_.T / scaler.scale_[:, None], regression.intercept_
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
    return scores.figures(np.log(np.maximum(alone.probabilities(x), 1e-6)), y) | {"k": float(k)}


def all_stages(net: keras.Model, splits: Splits, options: dict[str, Any]) -> dict[str, Any]:
    """Figures of Head2Toe on a sample of the training images, by validation, and the share kept of each stage."""
    sample = splits.only(train=first_of_each(splits.rows["train"].labels, HEAD2TOE))
    extract = features.Extractor(net, features.taps(net), **options)
    train, held_out = (extract(sample.examples(split)) for split in ("train", "validation"))
    fitted = multilayer_probe.fit(dict(train.values), train.labels, fractions=0.05)
    found = scores.figures(np.log(np.maximum(fitted.probabilities(dict(held_out.values)), 1e-6)), held_out.labels)
    kept = {name.removeprefix("kept/"): value for name, value in fitted.facts.items() if name.startswith("kept/")}
    return found | {"kept": kept, "images": len(train.labels)}


def mirrored_loss(net: keras.Model, fold: Fold, options: dict[str, Any]) -> dict[str, float]:
    """What mirroring costs: accuracy of the network's head on validation images, and on their mirror images.

    If mirror images are recognised as well, mirroring makes no other class of them, and is fit for augmentation.
    """
    from tfxfer.features import inference

    predict = inference.predictor(net)
    labels = fold.splits.rows["validation"].labels[:1000]
    batches = fold.splits.only(validation=slice(len(labels))).batches("validation", 256)
    pixels = np.concatenate([batch["image"].numpy() for batch in batches])
    plain, mirrored = ((predict(images).argmax(1) == labels).mean() for images in (pixels, pixels[:, :, ::-1]))
    return {"accuracy": float(plain), "mirrored_accuracy": float(mirrored)}


def cross_entropy(values: np.ndarray, labels: np.ndarray) -> float:
    """The mean cross-entropy of logits (n, classes)."""
    return float(-log_softmax(values.astype(np.float64), axis=1)[np.arange(len(labels)), labels].mean())
