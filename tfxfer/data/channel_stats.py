"""How bright a data set's pixels are, by channel: one pass over it, exact."""

import numpy as np
import tensorflow as tf

from tfxfer.core import batching
from tfxfer.data.splits import Splits

BATCH = 256


def histogram(splits: Splits, *names: str) -> np.ndarray:
    """How many pixels of each value the images of the named splits have: int64 (channels, 256)."""
    channels = splits.image_shape[-1]

    def count(examples):
        values = tf.cast(examples["image"], tf.int32) + 256 * tf.range(channels)
        size = 256 * channels
        return tf.math.bincount(tf.reshape(values, (-1,)), minlength=size, maxlength=size, dtype=tf.int64)

    total = np.zeros(256 * channels, np.int64)
    for name in names:
        counted = splits.batches(name, BATCH).map(count, tf.data.AUTOTUNE)
        total += batching.steady(counted).reduce(tf.zeros(256 * channels, tf.int64), tf.add).numpy()
    return total.reshape(channels, 256)


def mean_and_std(splits: Splits) -> tuple[np.ndarray, np.ndarray]:
    """Of the training images' pixels 0-255, by channel: float64 (channels,) each, standard deviation with ddof 0."""
    counts, values = histogram(splits, "train"), np.arange(256)
    mean = counts @ values / counts.sum(1)
    return mean, np.sqrt((counts * (values - mean[:, None]) ** 2).sum(1) / counts.sum(1))
