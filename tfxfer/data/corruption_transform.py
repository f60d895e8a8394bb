"""The transform that corrupts the images of a corrupted data set as they are read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfxfer.data import corruptions
from tfxfer.data.cifar10c import Cell
from tfxfer.data.corruptions import Photographs
from tfxfer.data.examples import Batch


@dataclass(frozen=True)
class Corrupt:
    """Corrupts each image of a batch as the example's facts say.

    The facts are `corruption` (its number in `corruptions.NAMES`), `severity` and `base`, the id of the original image.
    The `repr` is part of the key of cached features.

    Attributes:
        cells: the pairs of corruption and severity that occur.
        seed: the random seed of the corruptions.
        revision: `corruptions.REVISION`.
        photographs: of ice, for frost; None for generated textures.
    """

    cells: tuple[Cell, ...]
    seed: int
    revision: int = corruptions.REVISION
    photographs: Photographs | None = None

    @classmethod
    def of(cls, cells: Sequence[Cell], seed: int, photographs: Photographs | None) -> "Corrupt":
        """The transform for these cells, which depends on the photographs only if frost is among them."""
        has_frost = any(name == "frost" for name, _ in cells)
        return cls(tuple(cells), seed, photographs=photographs if has_frost else None)

    def __call__(self, examples: Batch) -> Batch:
        images, ids = examples["image"], examples["base"]
        if len(self.cells) == 1:
            return examples | {"image": self._corrupt(images, ids, self.cells[0])}
        lookup = np.zeros((len(corruptions.NAMES), len(corruptions.SEVERITIES) + 1), np.int32)
        for number, (name, severity) in enumerate(self.cells):
            lookup[corruptions.NAMES.index(name), severity] = number
        numbers = tf.gather_nd(lookup, tf.stack([examples["corruption"], examples["severity"]], 1))
        rows_by_cell = tf.dynamic_partition(tf.range(tf.shape(numbers)[0]), numbers, len(self.cells))

        def corrupt_rows(rows: tf.Tensor, cell: Cell) -> tf.Tensor:
            subset = tf.gather(images, rows)
            return tf.cond(
                tf.size(rows) > 0,
                lambda: self._corrupt(subset, tf.gather(ids, rows), cell),
                lambda: subset,
            )

        corrupted = [corrupt_rows(rows, cell) for rows, cell in zip(rows_by_cell, self.cells, strict=True)]
        mixed = tf.dynamic_stitch(rows_by_cell, corrupted)
        return examples | {"image": tf.ensure_shape(mixed, images.shape)}

    def _corrupt(self, images: tf.Tensor, ids: tf.Tensor, cell: Cell) -> tf.Tensor:
        name, severity = cell
        return corruptions.corrupt(images, ids, name, severity, self.seed, self.photographs)
