"""Three disjoint sets of examples, as tf.data."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfxfer import order
from tfxfer.sources import Rows

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Splits:
    """Three disjoint sets of examples.

    `train`, `validation` and `test` are tf.data.Datasets of dicts {image: uint8 (height, width, channels), label:
    int64, id: int64}. An id is the row in the source, test rows counted on after the training rows, so it names one
    image for good, whatever seed and limit. Any first n examples of a split have its class shares (to rounding).
    """

    name: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    origin: str
    seed: int
    rows: dict[str, Rows] = field(repr=False)
    ids: dict[str, np.ndarray] = field(repr=False)

    train = property(lambda self: self._examples("train"))
    validation = property(lambda self: self._examples("validation"))
    test = property(lambda self: self._examples("test"))

    def size(self, split: str) -> int:
        """Number of examples in "train", "validation" or "test"."""
        return len(self.ids[split])

    def describe(self) -> dict:
        """What a run records of its data: name, origin, sizes, image shape, split seed and fingerprint."""
        sizes = {split: self.size(split) for split in SPLITS}
        return {"name": self.name, "origin": self.origin, "sizes": sizes, "image_shape": list(self.image_shape)} | {
            "split_seed": self.seed,
            "sha256": self.fingerprint,
        }

    def batches(self, split: str, batch_size: int | None, seed: int | None = None, epochs: int = 1) -> tf.data.Dataset:
        """The examples of a split, whole batches read at once from memory, files decoded in parallel.

        Args:
            split: "train", "validation" or "test".
            batch_size: examples a batch, the last of an epoch may be smaller; None for single examples.
            seed: of the order, which is another one in each epoch and the one that `train.fit` uses; None for the
                split's own.
            epochs: passes, one after another.
        """
        if batch_size is None:
            return order.steady(tf.data.Dataset.range(self.size(split)).map(self.reader(split), tf.data.AUTOTUNE))
        rows = order.batches(self.size(split), batch_size, seed, epochs=epochs)
        return order.steady(rows.map(self.reader(split), tf.data.AUTOTUNE).prefetch(2))

    def _examples(self, split: str) -> tf.data.Dataset:
        examples = self.batches(split, None)
        examples.identity = lambda: (
            self.fingerprint,
            self.name,
            split,
        )  # for features.extract, which may know them already
        return examples

    def reader(self, split: str) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
        """A function for tf.data from rows of a split, int64 () or (batch,), to those examples."""
        images, labels, ids = (
            tf.constant(column) for column in (self.rows[split].images, self.rows[split].labels, self.ids[split])
        )

        def decode(path):
            return _decode(path, self.image_shape)

        def read(rows):
            image = tf.gather(images, rows)
            if images.dtype == tf.string:
                spec = tf.TensorSpec(self.image_shape, tf.uint8)
                image = tf.map_fn(decode, image, fn_output_signature=spec) if rows.shape.rank else decode(image)
            return {"image": image, "label": tf.gather(labels, rows), "id": tf.gather(ids, rows)}

        return read

    def pairs(self, split: str) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
        """As `reader`, but (image, label)."""
        read = self.reader(split)
        return lambda rows: (lambda example: (example["image"], example["label"]))(read(rows))

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over every split's ids, labels and pixels (for files: path, size and time of change)."""
        digest = hashlib.sha256(repr((self.classes, self.image_shape)).encode())
        for split in SPLITS:
            images = self.rows[split].images
            if images.dtype != np.uint8:
                facts = [(path, Path(path).stat().st_size, Path(path).stat().st_mtime_ns) for path in images]
                images = np.frombuffer(repr(facts).encode(), np.uint8)
            for column in (self.ids[split], self.rows[split].labels, images):
                digest.update(np.ascontiguousarray(column).view(np.uint8).data)
        return digest.hexdigest()


def _decode(path: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    image = tf.io.decode_image(tf.io.read_file(path), channels=shape[2], expand_animations=False)
    image = tf.image.resize(image, shape[:2], antialias=True)
    return tf.ensure_shape(tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8), shape)
