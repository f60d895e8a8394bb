"""Images without spatial structure: their pixels in another order, the same for all images."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import tensorflow as tf

from tfxfer.data.examples import Batch
from tfxfer.data.splits import Splits


@dataclass(frozen=True)
class Permute:
    """A transform that moves the pixels of images (batch, height, width, channels), each with all its channels."""

    height: int
    width: int
    seed: int

    @cached_property
    def order(self) -> np.ndarray:
        """int64 (height x width,): pixel i, row by row, of a permuted image is pixel order[i] of the image."""
        return np.random.default_rng(self.seed).permutation(self.height * self.width)

    def __call__(self, examples: Batch) -> Batch:
        images = examples["image"]
        flat = tf.reshape(images, (-1, self.height * self.width, images.shape[-1]))
        moved = tf.reshape(tf.gather(flat, self.order, axis=1), tf.shape(images))
        return examples | {"image": tf.ensure_shape(moved, images.shape)}


def permute_pixels(splits: Splits, seed: int = 0) -> Splits:
    """Permutes the pixels of all images alike: nothing is lost except which pixels are neighbours.

    A model that treats all pixels alike (linear, MLP, forest, kNN) can learn as much as before; the accuracy that a
    convolutional network loses is what it owed to neighbourhood.

    Args:
        splits: the data set.
        seed: the random seed of the permutation.

    Returns:
        The same examples with permuted pixels; `.transforms[-1].order` is the permutation.
    """
    height, width, _ = splits.image_shape
    permute = Permute(height, width, seed)
    return replace(splits, name=f"{splits.name}, pixels permuted", transforms=(*splits.transforms, permute))
