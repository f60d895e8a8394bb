"""Three disjoint sets of examples, as tf.data."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import tensorflow as tf

from tfxfer.core import batching
from tfxfer.core.errors import InputError
from tfxfer.data.examples import Batch, Examples
from tfxfer.data.lazy_images import Files, Picked, Rows, fingerprint

SPLITS = ("train", "validation", "test")
TRAINING_SPLITS = SPLITS[:2]  # what a training sees
CHUNK = 64  # single examples are read so many at once


@dataclass(frozen=True)
class Splits:
    """Three disjoint sets of examples.

    `train`, `validation` and `test` are tf.data.Datasets of dicts {image: uint8 (height, width, channels), label:
    int64, id: int64}, with any further facts that `rows` have. The first n examples of a split have the split's class
    shares, to rounding.

    Attributes:
        name: of the data set.
        classes: names in the order of the labels.
        image_shape: (height, width, channels).
        origin: where the data set was found.
        seed: the random seed of the splits.
        rows: images, labels and facts, by split. The fact `base` is the id of the image that an example was made of; no
            two splits have one in common, unless `leaky` is set.
        ids: int64 (n,), by split. An id is the row in the source, with test rows counted after training rows: it
            identifies an image whatever the seed and the limit are.
        transforms: functions of batches of examples, applied when examples are read. Their `repr` says all they do.
        leaky: whether examples of two splits may be made of one image.
        notes: what loading found out, for a run's record.
        aspect: how pictures of another aspect ratio fill `image_shape`, one of `aspect_ratio.ASPECTS`: image files were
            read so, and a network for these images will be given others so.

    Raises:
        InputError: examples of two splits were made of one image, and `leaky` is not set.
    """

    name: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    origin: str
    seed: int
    rows: dict[str, Rows] = field(repr=False)
    ids: dict[str, np.ndarray] = field(repr=False)
    transforms: tuple[Callable[[Batch], Batch], ...] = ()
    leaky: bool = False
    notes: dict[str, object] = field(default_factory=dict, repr=False)
    aspect: str = "squash"

    def __post_init__(self):
        if not self.leaky:
            refuse_leak(self, self)
            if shared := len(np.intersect1d(self.bases("train"), self.bases("validation"))):
                raise InputError(
                    f"{shared:,} base images are in training and in validation of {self.name}, so validation "
                    "would reward memorised images: divide by base image"
                )

    def bases(self, *splits: str) -> np.ndarray:
        """Ids of the images that examples were made of: int64, sorted, each once."""
        return np.unique(np.concatenate([self.rows[split].facts.get("base", self.ids[split]) for split in splits]))

    @property
    def train(self) -> tf.data.Dataset:
        """The training examples, one by one."""
        return self.batches("train", None)

    @property
    def validation(self) -> tf.data.Dataset:
        """The validation examples, one by one."""
        return self.batches("validation", None)

    @property
    def test(self) -> tf.data.Dataset:
        """The test examples, one by one."""
        return self.batches("test", None)

    def examples(self, split: str) -> Examples:
        """The examples of a split, one by one, with the fingerprint by which stored features are found again."""
        return Examples(self.batches(split, None), self.fingerprint, self.name, split)

    def only(self, **index: np.ndarray | slice) -> "Splits":
        """A selection of examples, by row, of the splits that are named; the others stay whole."""
        rows = {split: self.rows[split].take(subset) for split, subset in index.items()}
        ids = {split: self.ids[split][subset] for split, subset in index.items()}
        return replace(self, rows=self.rows | rows, ids=self.ids | ids)

    def size(self, split: str) -> int:
        """The number of examples in "train", "validation" or "test"."""
        return len(self.ids[split])

    def describe(self) -> dict:
        """What a run records of its data: name, origin, sizes, image shape, aspect, split seed, fingerprint, notes."""
        sizes = {split: self.size(split) for split in SPLITS}
        return {"name": self.name, "origin": self.origin, "sizes": sizes, "image_shape": list(self.image_shape)} | {
            "aspect": self.aspect,
            "split_seed": self.seed,
            "sha256": self.fingerprint,
            **self.notes,
        }

    def batches(self, split: str, batch_size: int | None, seed: int | None = None, epochs: int = 1) -> tf.data.Dataset:
        """The examples of a split in batches; a batch is read from memory at once, files are decoded in parallel.

        Args:
            split: "train", "validation" or "test".
            batch_size: examples per batch, where the last batch of an epoch may be smaller; None for single examples.
            seed: the random seed of the order, which differs from epoch to epoch and is the one that `train.fit` uses;
                None for the split's own order.
            epochs: the number of passes, one after another.
        """
        if batch_size is None:
            n = self.size(split)
            parts = tf.data.Dataset.range(n).batch(CHUNK).map(self.reader(split), tf.data.AUTOTUNE)
            return batching.steady(parts.unbatch().apply(tf.data.experimental.assert_cardinality(n)))
        rows = batching.batches(self.size(split), batch_size, seed, epochs=epochs)
        return batching.steady(rows.map(self.reader(split), tf.data.AUTOTUNE).prefetch(2))

    def reader(self, split: str) -> Callable[[tf.Tensor], Batch]:
        """A function for tf.data from row numbers of a split, int64 (batch,), to these examples."""
        rows = self.rows[split]
        columns = {"label": rows.labels, "id": self.ids[split]} | rows.facts
        columns = {name: tf.constant(column) for name, column in columns.items()}
        images = _images(rows.images, self.image_shape)

        @tf.autograph.experimental.do_not_convert  # its operations are TensorFlow's: rewriting them takes time only
        def read(numbers):
            examples = {"image": images(numbers)}
            examples |= {name: tf.gather(column, numbers) for name, column in columns.items()}
            for transform in self.transforms:
                examples = transform(examples)
            return examples

        return read

    def pairs(self, split: str) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
        """Like `reader`, but the function returns (image, label)."""
        read = self.reader(split)

        @tf.autograph.experimental.do_not_convert
        def pair(numbers):
            examples = read(numbers)
            return examples["image"], examples["label"]

        return pair

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the ids, labels, facts and pixels of all splits (for files: path, size and time of change)."""
        digest = hashlib.sha256(repr((self.classes, self.image_shape, self.transforms)).encode())
        for split in SPLITS:
            rows = self.rows[split]
            for column in (self.ids[split], rows.labels, *rows.facts.values()):
                digest.update(np.ascontiguousarray(column).view(np.uint8).data)
            digest.update(repr(list(rows.facts)).encode() + fingerprint(rows.images))
        return digest.hexdigest()


def refuse_leak(learned: Splits, tested: Splits) -> None:
    """Raises InputError if an image behind the training or validation examples of one is behind a test of the other.

    Images are compared by id, so both have to come from one source.
    """
    if shared := len(np.intersect1d(learned.bases("train", "validation"), tested.bases("test"))):
        raise InputError(
            f"{shared:,} base images are in training or validation of {learned.name} and in the test of {tested.name}, "
            "so the test would not be valid: divide by base image"
        )


def stratified(labels: np.ndarray, seed: int) -> np.ndarray:
    """A random order of all rows in which every prefix has the shares of the classes, to rounding.

    Row k (from 0) of a class of n, in random order, is due at (k + 1/2) / n of the way.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    due = (rank + 0.5) / np.repeat(np.maximum(counts, 1), counts)
    jitter = np.random.default_rng([seed, 1]).random(len(labels)) * 1e-9  # breaks ties between classes
    return by_class[np.argsort(due + jitter, kind="stable")]


def first_of_each(labels: np.ndarray, n: int, least: int = 20) -> np.ndarray:
    """The first n rows, and the first `least` rows of each class, however rare it is: row numbers, sorted."""
    order = np.argsort(labels, kind="stable")
    rank = np.arange(len(labels)) - np.searchsorted(labels[order], labels[order])
    return np.union1d(np.arange(min(n, len(labels))), order[rank < least])


def _images(images: np.ndarray | Picked | Files, shape: tuple[int, int, int]) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function for tf.data from row numbers (batch,) to uint8 (batch, *shape)."""
    if isinstance(images, np.ndarray):
        known = tf.constant(images)
        return lambda rows: tf.gather(known, rows)

    def read(rows):
        pixels = tf.numpy_function(images.__getitem__, [rows], tf.uint8)
        return tf.ensure_shape(pixels, (*rows.shape, *shape))

    return read
