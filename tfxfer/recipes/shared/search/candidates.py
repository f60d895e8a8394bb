"""The networks that a search chooses among: built once, with and without augmentation, and their frozen features."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers

from tfxfer import features, model
from tfxfer.analysis import ranking
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.data.splits import first_of_each
from tfxfer.features import frozen_prefix
from tfxfer.features.activation_cache import Activations
from tfxfer.model import adapters, backbone_list, backbones
from tfxfer.model.downloaded import ON_THIS_MACHINE

SAMPLE = 1000  # training images by which backbones are ranked


def names(wanted: str | None) -> list[str]:
    """The backbones that were asked for, comma-separated; else those whose ImageNet weights are on this machine."""
    if wanted:
        return list(dict.fromkeys(name.strip() for name in wanted.split(",")))
    here = [one.name for one in backbone_list.listed() if one.weights.startswith((ON_THIS_MACHINE, "bundled"))]
    return [name for name in here if name.startswith("hub:") or backbones.get(name).any_size]


@dataclass
class Candidate:
    """One backbone with a new head, as `model.build` makes it.

    Attributes:
        name: of the backbone.
        net: without augmentation: the one that is kept in the end.
        splits: the images it is for.
        options: for `features.extract`.
        start: values of `net` with its pretrained weights.
    """

    name: str
    net: keras.Model
    splits: Splits
    build: dict[str, Any]
    options: dict[str, Any]
    start: list[np.ndarray] = field(default_factory=list)
    _augmented: dict[str, keras.Model] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.start = model.values(self.net)

    def network(self, augment: str) -> keras.Model:
        """The network for a kind of augmentation; all of them have the values that `net` has now."""
        if augment == "none":
            return self.net
        if augment not in self._augmented:
            mirrored = [layers.RandomFlip("horizontal", name="augment_flip")] if augment == "flips" else []
            self._augmented[augment] = model.build(
                self.name, self.splits, augment=[*mirrored, *adapters.augmentation()], **self.build
            )
        net = self._augmented[augment]
        copy_weights(self.net, net)
        return net

    def taps(self, depths: Sequence[int | str]) -> list[str]:
        """The layers whose outputs trials at these depths begin with, and the embedding."""
        found = ["embedding"]
        for depth in depths:
            model.unfreeze_last(self.net, depth, train_batch_norm=True)
            frontier = frozen_prefix.frontier(self.net)
            found += frontier.tensors if frontier.frozen else []
        model.unfreeze_last(self.net, 0)
        return list(dict.fromkeys(found))

    def gather(self, depths: Sequence[int | str], train: np.ndarray | slice = slice(None)) -> Activations:
        """Activations for trials at these depths, and the embedding, in one pass over training and validation.

        Args:
            depths: as `model.unfreeze_last` takes them.
            train: which training images.
        """
        extract = features.Extractor(self.net, self.taps(depths), **self.options)
        subset = self.splits.only(train=train)
        banks = {split: extract(subset.examples(split)) for split in ("train", "validation")}
        arrays = {split: dict(bank.values) for split, bank in banks.items()}
        return Activations(arrays, "in memory", {split: bank.labels for split, bank in banks.items()})


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Gives one network the weights of another whose layers have the same names; random states stay."""
    for layer in target.layers:
        if layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())


def rank(candidates: Sequence[str], splits: Splits, build: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """Scores backbones on a sample of the training images, the highest LogME first.

    Args:
        candidates: their names.
        splits: the data.
        build: options of `model.build`.
        seed: random seed of the folds.

    Returns:
        For each a dict of backbone, logme, accuracy (of a cross-validated probe) and seconds; or of backbone and
        `left_out`, the reason why it is not available.

    Raises:
        InputError: none of them is available.
    """
    sample = splits.only(train=first_of_each(splits.rows["train"].labels, SAMPLE))
    rows: list[dict[str, Any]] = []
    for name in candidates:
        keras.utils.set_random_seed(seed)
        try:
            row = ranking.score(model.build(name, sample, **build), sample, seed=seed)
        except InputError as reason:
            rows.append({"backbone": name, "left_out": str(reason)})
            continue
        rows.append({"backbone": name, "logme": row.logme, "accuracy": row.accuracy, "took": row.seconds})
    ranked = sorted((row for row in rows if "logme" in row), key=lambda row: -row["logme"])
    if not ranked:
        raise InputError("; ".join(row["left_out"] for row in rows))
    return ranked + [row for row in rows if "left_out" in row]
