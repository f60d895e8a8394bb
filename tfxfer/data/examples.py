"""A data set of single images together with what tells it from every other, so that features can be known by it."""

import hashlib
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfxfer.core import batching
from tfxfer.core.count_progress import track

Batch = dict[str, tf.Tensor]
"""A batch of examples: image, label, id and what else is known of them, each (batch, ...)."""

_READ = 256  # examples read at once


@dataclass(frozen=True)
class Examples:
    """Single examples and a fingerprint of them: what is computed from them can be stored and found again.

    `splits.examples("test")` gives them. A data set that was changed (`.map`, `.filter`, ...) has another fingerprint,
    which `Examples.of` computes.

    Attributes:
        dataset: a tf.data.Dataset of dicts {image: uint8 (height, width, channels), label, id}.
        fingerprint: equal for equal examples in the same order, and only for these.
        name: of the data set, for people: `tfxfer cache` shows it.
        split: "train", "validation", "test", or "".
    """

    dataset: tf.data.Dataset
    fingerprint: str
    name: str = "unknown"
    split: str = ""

    @classmethod
    def of(cls, dataset: tf.data.Dataset) -> "Examples":
        """A data set's examples, known by a sha256 over their images, labels and ids: one pass over them."""
        digest = hashlib.sha256()
        batches = batching.steady(dataset.batch(_READ).prefetch(2))
        steps = int(batches.cardinality())
        total = steps * _READ if steps >= 0 else None
        for batch in track(batches, "fingerprint of the images", total, each=_READ):
            digest.update(repr(batch["image"].shape[1:]).encode())
            for name, kind in (("image", np.uint8), ("label", np.int64), ("id", np.int64)):
                digest.update(np.ascontiguousarray(batch[name].numpy().astype(kind)).data)
        return cls(dataset, digest.hexdigest())
