"""The transform by which examples of a corrupted data set become corrupted images as they are read."""

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
    """Corrupts batches of examples as their facts say.

    The facts are `corruption` (its number in `corruptions.NAMES`), `severity` and `base`.

    Attributes:
        cells: the pairs of corruption and severity that occur.
        seed: the random seed of the corruptions.
        revision: of the corruptions' pixels.
        photographs: of ice, for frost.
    """

    cells: tuple[Cell, ...]
    seed: int
    revision: int = corruptions.REVISION
    photographs: Photographs | None = None

    @classmethod
    def of(cls, cells: Sequence[Cell], seed: int, photographs: Photographs | None) -> "Corrupt":
        """The transform for these cells; without frost among them, it does not depend on the photographs."""
        frost = any(name == "frost" for name, _ in cells)
        return cls(tuple(cells), seed, photographs=photographs if frost else None)

    def __call__(self, examples: Batch) -> Batch:
        images, ids = examples["image"], examples["base"]
        if len(self.cells) == 1:
            return examples | {"image": self._corrupt(images, ids, self.cells[0])}
        numbers = np.zeros((len(corruptions.NAMES), 6), np.int32)
        for number, (name, severity) in enumerate(self.cells):
            numbers[corruptions.NAMES.index(name), severity] = number
        which = tf.gather_nd(numbers, tf.stack([examples["corruption"], examples["severity"]], 1))
        parts = tf.dynamic_partition(tf.range(tf.shape(which)[0]), which, len(self.cells))

        def corrupted(rows: tf.Tensor, cell: Cell) -> tf.Tensor:
            subset = tf.gather(images, rows)
            return tf.cond(
                tf.size(rows) > 0,
                lambda: self._corrupt(subset, tf.gather(ids, rows), cell),
                lambda: subset,
            )

        mixed = tf.dynamic_stitch(parts, [corrupted(rows, cell) for rows, cell in zip(parts, self.cells, strict=True)])
        return examples | {"image": tf.ensure_shape(mixed, images.shape)}

    def _corrupt(self, images: tf.Tensor, ids: tf.Tensor, cell: Cell) -> tf.Tensor:
        name, severity = cell
        return corruptions.corrupt(images, ids, name, severity, self.seed, self.photographs)
