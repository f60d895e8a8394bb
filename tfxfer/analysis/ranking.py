"""The command `tfxfer rank`: which backbone suits a data set, before any is trained."""

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from tfxfer import data, features, model
from tfxfer.analysis import cross_validation, intervals, transferability
from tfxfer.core.errors import InputError
from tfxfer.data.splits import Splits
from tfxfer.model import architectures
from tfxfer.model.backbones import BUNDLED, TABLE, get

ABOUT = (
    "accuracy: of a logistic probe on frozen features, five-fold cross-validated on these training images, with "
    "Wilson's 95 % interval; it sorts the table. LogME, H-score and LEEP score the same features without training: "
    "they compare backbones within this table, and may contradict the accuracy. tunable: whether the backbone has "
    "weights to fine-tune. Test images are not used."
)


@dataclass(frozen=True)
class Row:
    """One backbone's scores, which `analysis.transferability` defines."""

    backbone: str
    images: int  # training images scored
    image_size: int  # pixels a side that the backbone saw
    embedding: int  # length of the features
    tunable: bool  # whether the backbone has weights, which fine-tuning may improve
    accuracy: float  # of `cross_validation.predictions`
    interval: tuple[float, float]  # Wilson's, 95 %
    logme: float
    hscore: float  # shrinkage-based
    leep: float | None  # None where the classifier of the pretraining is not at hand
    seconds: float  # extracting, cross-validating and scoring


def rank(
    dataset: str = "digits",
    data_dir: str | None = None,
    backbones: Sequence[str] | None = None,
    weights: str = "imagenet",
    image_size: int = 96,
    limit: int = 2000,
    seed: int = 0,
    skip_bad: bool = False,
) -> tuple[list[Row], dict[str, str]]:
    """Cross-validates a probe on the embeddings that backbones give a data set's training images, and scores them.

    Args:
        dataset, data_dir: as `data.load` takes them.
        backbones: names of `backbones.TABLE`; by default all with ImageNet weights for any size, and those without
            parameters.
        weights: "imagenet", "none" (random, from `seed`) or a file's path.
        image_size: pixels a side for backbones that take RGB pictures of any size, and for pictures in folders; the
            other backbones see their native size. Most were trained at 224, which costs five times as much.
        limit: at most this many training images, stratified.
        seed: of the splits, of the folds and of random weights.
        skip_bad: leaves out files of a folder that cannot be read.

    Returns:
        Rows, the highest cross-validated accuracy first, of equals the highest LogME; and the backbones that could not
        be had, name -> reason.

    Raises:
        InputError: an unknown backbone, data that cannot be loaded, or no backbone that could be had.
    """
    names = _default() if backbones is None else list(dict.fromkeys(backbones))
    known = {name: get(name) for name in names}
    splits = data.load(dataset, data_dir, limit, image_size=image_size, seed=seed, skip_bad=skip_bad)
    rows, refused = [], {}
    for name, facts in known.items():
        keras.utils.set_random_seed(seed)
        size = image_size if facts.rgb and facts.any_size else None
        try:
            net = model.build(name, splits, size, weights)
            rows.append(score(net, splits, source_classifier(name, weights), seed))
        except InputError as error:
            refused[name] = str(error)
    if not rows:
        reasons = "; ".join(refused.values())
        raise InputError(f"no backbone could be had: {reasons or 'none was named: leave --backbones out for all'}")
    return sorted(rows, key=lambda row: (row.accuracy, row.logme), reverse=True), refused


def score(
    net: keras.Model,
    splits: Splits,
    classifier: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
) -> Row:
    """Cross-validates and scores the embedding of a network from `model.build` on all training images of `splits`.

    Args:
        classifier: kernel (d, source classes) and bias (source classes,) of the pretraining's softmax, for LEEP.
        seed: of the folds.
    """
    started, tunable = time.perf_counter(), any(layer.weights for layer in model.backbone_layers(net))
    bank = features.extract(net, splits.train)
    x, labels = bank["embedding"], bank.labels
    right = cross_validation.predictions(x, labels, bank.bases, seed) == labels
    probed = float(right.mean()), intervals.accuracy(right, bank.bases)
    scores = transferability.logme(x, labels), transferability.hscore(x, labels)
    leep = None
    if classifier is not None:
        kernel, bias = classifier
        leep = transferability.leep(keras.ops.convert_to_numpy(keras.ops.softmax(x @ kernel + bias)), labels)
    side = net.get_layer("scaled").output.shape[1]
    return Row(net.name, len(x), side, x.shape[1], tunable, *probed, *scores, leep, time.perf_counter() - started)


def next_command(
    rows: Sequence[Row],
    dataset: str,
    data_dir: str | None = None,
    weights: str = "imagenet",
    seed: int = 0,
    skip_bad: bool = False,
) -> str:
    """The command that fine-tunes the first of the rows that can be; if none can, that looks closer at the first."""
    tunable = [row for row in rows if row.tunable]
    row, words = (tunable or rows)[0], ["tfxfer"]
    if tunable:
        words += ["mobilenet_mnist", "--dataset", dataset, "--backbone", row.backbone, "--unfreeze", "last"]
    else:
        words += ["fashion_features", "--dataset", dataset, "--backbones", row.backbone, "--tune", ""]
    words += ["--image-size", str(row.image_size)]
    words += ["--data-dir", str(data_dir)] if data_dir else []
    words += ["--weights", weights] if weights != "imagenet" else []
    words += ["--seed", str(seed)] if seed else []
    return shlex.join([*words, "--skip-bad"] if skip_bad else words)


def source_classifier(name: str, weights: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Kernel and bias of the ImageNet softmax on a backbone's embedding, where no download is needed for it."""
    if (name, weights) != (BUNDLED, "imagenet"):
        return None
    whole = architectures.efficientnet_lite0(include_top=True, weights="imagenet")
    return tuple(whole.get_layer("predictions").get_weights())


def table(rows: Sequence[Row], refused: dict[str, str]) -> str:
    """What `tfxfer rank` prints: a line for each backbone, those that are not available, and what the columns are."""
    names = ("backbone", "tunable", "pixels", "features", "accuracy", "95 %", "LogME", "H-score", "LEEP", "seconds")
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
    return "\n".join([f"{rows[0].images:,} training images", *lines, *missing, ABOUT])


def _default() -> list[str]:
    return [name for name, row in TABLE.items() if row.weightless or (row.imagenet and row.any_size)]
