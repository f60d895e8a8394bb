"""Ranking backbones for a data set before any of them is trained; the command `tfxfer rank` prints it."""

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfxfer import data, features, model
from tfxfer.analysis import cross_validation, intervals, transferability
from tfxfer.core.count_progress import track
from tfxfer.core.errors import InputError
from tfxfer.data.splits import Splits
from tfxfer.model import architectures
from tfxfer.model.backbones import BUNDLED, TABLE, get

ABOUT = (
    "accuracy: that of a logistic probe on frozen features, from five-fold cross-validation on these training images, "
    "with Wilson's 95% interval; the table is sorted by it. LogME, H-score and LEEP rate the same features without "
    "training: they compare backbones within this table, and may contradict the accuracy. tunable: whether the "
    "backbone has weights to fine-tune. weights: the file of Keras's that the backbone's weights are from; MobileNetV2 "
    "is five networks, with a file each for 96, 128, 160, 192 and 224 pixels, and at other sizes that for 224 is used. "
    "Test images are not used."
)


@dataclass(frozen=True)
class Row:
    """One backbone's scores, of which `analysis.transferability` defines the last three.

    Attributes:
        backbone: its name.
        images: the number of training images that were scored.
        image_size: pixels per side that the backbone saw.
        embedding: the length of the features.
        tunable: whether the backbone has weights, which fine-tuning may improve.
        accuracy: that of `cross_validation.predictions`, in [0, 1].
        interval: its 95% confidence interval (Wilson's).
        logme, hscore, leep: the scores; the H-score is the shrinkage-based one, and LEEP is None if the classifier of
            the pretraining is not available.
        seconds: time for extracting the features, cross-validating and scoring.
        weights_file: the file that Keras's weights were read from; None for other weights.
    """

    backbone: str
    images: int
    image_size: int
    embedding: int
    tunable: bool
    accuracy: float
    interval: tuple[float, float]
    logme: float
    hscore: float
    leep: float | None
    seconds: float
    weights_file: str | None = None


def rank(
    dataset: str = "digits",
    data_dir: str | None = None,
    backbones: Sequence[str] | None = None,
    weights: str = "imagenet",
    image_size: int = 96,
    limit: int = 2000,
    seed: int = 0,
    skip_bad: bool = False,
    image_key: str | None = None,
    label_key: str | None = None,
    aspect: str = "squash",
) -> tuple[list[Row], dict[str, str]]:
    """Ranks backbones by a cross-validated probe on the embeddings that they give a data set's training images.

    Args:
        dataset, data_dir: as `data.load` takes them.
        backbones: names in `backbones.TABLE`; by default all that have ImageNet weights for any size, and all without
            parameters.
        weights: "imagenet", "none" (random, from `seed`) or the path of a file.
        image_size: pixels per side for backbones that take RGB images of any size, and for images in folders; the other
            backbones see the native size. Most were trained at 224, which takes five times as long as 96.
        limit: the number of training images to use at most, stratified.
        seed: random seed of splits, folds and random weights.
        skip_bad: leaves out files of a folder that cannot be read.
        image_key, label_key, aspect: as `data.load` takes them.

    Returns:
        Rows, the highest cross-validated accuracy first, of equal ones the highest LogME; and for each backbone that is
        not available the reason.

    Raises:
        InputError: an unknown backbone, data that cannot be loaded, or no backbone that is available.
    """
    names = _default() if backbones is None else list(dict.fromkeys(backbones))
    known = {name: get(name) for name in names}
    chosen: dict[str, Any] = {"skip_bad": skip_bad, "image_key": image_key, "label_key": label_key, "aspect": aspect}
    splits = data.load(dataset, data_dir, limit, image_size=image_size, seed=seed, **chosen)
    rows: list[Row] = []
    refused: dict[str, str] = {}
    for name, facts in track(known.items(), "ranking", len(known), "backbones"):
        keras.utils.set_random_seed(seed)
        size = image_size if facts.rgb and facts.any_size else None
        try:
            net = model.build(name, splits, size, weights)
            rows.append(score(net, splits, source_classifier(name, weights), seed))
        except InputError as error:
            refused[name] = str(error)
    if not rows:
        reasons = "; ".join(refused.values())
        raise InputError(f"no backbone is available: {reasons or 'none was named: leave --backbones out for all'}")
    return sorted(rows, key=lambda row: (row.accuracy, row.logme), reverse=True), refused


def score(
    net: keras.Model,
    splits: Splits,
    classifier: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
) -> Row:
    """Cross-validates and scores the embedding of a network on all training images.

    Args:
        net: from `model.build`.
        splits: those that it was built with.
        classifier: kernel, float (d, source classes), and bias, float (source classes,), of the pretraining's softmax;
            without them there is no LEEP.
        seed: random seed of the folds.
    """
    started = time.perf_counter()
    bank = features.extract(net, splits.train)
    x, labels = np.asarray(bank["embedding"]), bank.labels
    right = cross_validation.predictions(x, labels, bank.bases, seed) == labels
    leep = None
    if classifier is not None:
        kernel, bias = classifier
        leep = transferability.leep(keras.ops.convert_to_numpy(keras.ops.softmax(x @ kernel + bias)), labels)
    return Row(
        backbone=net.name,
        images=len(x),
        image_size=net.get_layer("scaled").output.shape[1],
        embedding=x.shape[1],
        tunable=any(layer.weights for layer in model.backbone_layers(net)),
        accuracy=float(right.mean()),
        interval=intervals.accuracy(right, bank.bases),
        logme=transferability.logme(x, labels),
        hscore=transferability.hscore(x, labels),
        leep=leep,
        seconds=time.perf_counter() - started,
        weights_file=getattr(net, "weights_file", None),
    )


def next_command(
    rows: Sequence[Row],
    dataset: str,
    data_dir: str | None = None,
    weights: str = "imagenet",
    seed: int = 0,
    skip_bad: bool = False,
    image_key: str | None = None,
    label_key: str | None = None,
    aspect: str = "squash",
) -> str:
    """The command to run next: it fine-tunes the best backbone that can be fine-tuned.

    If none of them can, it examines the best one more closely.

    Args:
        rows: from `rank`, the best first.
        dataset, data_dir, weights, seed, skip_bad, image_key, label_key, aspect: as `rank` takes them.
    """
    tunable = [row for row in rows if row.tunable]
    row, words = (tunable or rows)[0], ["tfxfer"]
    if tunable:
        words += ["mobilenet_mnist", "--dataset", dataset, "--backbone", row.backbone, "--unfreeze", "last"]
    else:
        words += ["fashion_features", "--dataset", dataset, "--backbones", row.backbone, "--tune", ""]
    words += ["--image-size", str(row.image_size)]
    words += ["--data-dir", str(data_dir)] if data_dir else []
    words += ["--image-key", image_key] if image_key else []
    words += ["--label-key", label_key] if label_key else []
    words += ["--aspect", aspect] if aspect != "squash" else []
    words += ["--weights", weights] if weights != "imagenet" else []
    words += ["--seed", str(seed)] if seed else []
    return shlex.join([*words, "--skip-bad"] if skip_bad else words)


def source_classifier(name: str, weights: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Kernel and bias of the ImageNet softmax on a backbone's embedding, if they are there without a download."""
    if (name, weights) != (BUNDLED, "imagenet"):
        return None
    whole = architectures.efficientnet_lite0(include_top=True, weights="imagenet")
    return tuple(whole.get_layer("predictions").get_weights())


def table(rows: Sequence[Row], refused: dict[str, str]) -> str:
    """What `tfxfer rank` prints: a line for each backbone, the files of weights, those not available, and what the
    columns mean."""
    names = ("backbone", "tunable", "pixels", "features", "accuracy", "95%", "LogME", "H-score", "LEEP", "seconds")
    cells = [names]
    for row in rows:
        leep = "-" if row.leep is None else f"{row.leep:.3f}"
        size = "yes" if row.tunable else "no", str(row.image_size), str(row.embedding)
        probed = f"{row.accuracy:.3f}", "-".join(f"{end:.3f}" for end in row.interval)
        scores = f"{row.logme:.4f}", f"{row.hscore:.3f}", leep
        cells.append((row.backbone, *size, *probed, *scores, f"{row.seconds:.1f}"))
    widths = [max(map(len, column)) for column in zip(*cells)]
    widths[0] = max(widths[0], *map(len, refused), 0)
    lines = [
        "  ".join([name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(numbers, widths[1:]))])
        for name, *numbers in cells
    ]
    missing = [f"{name.ljust(widths[0])}  not ranked: {reason}" for name, reason in refused.items()]
    files = [f"{row.backbone.ljust(widths[0])}  weights: {row.weights_file}" for row in rows if row.weights_file]
    return "\n".join([f"{rows[0].images:,} training images", *lines, *files, *missing, ABOUT])


def _default() -> list[str]:
    return [name for name, row in TABLE.items() if row.weightless or (row.imagenet and row.any_size)]
