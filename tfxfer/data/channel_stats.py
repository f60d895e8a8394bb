"""Statistics of pixel values by channel: one pass over a data set, exact."""

import numpy as np
import tensorflow as tf

from tfxfer.core import batching, live_lines
from tfxfer.core.errors import InputError
from tfxfer.data.splits import Splits

BATCH = 256


def histogram(splits: Splits, *names: str) -> np.ndarray:
    """Counts the pixels of each value in the images of the named splits.

    Returns:
        int64 (channels, 256): by channel, how many pixels have the value 0 to 255.
    """
    channels = splits.image_shape[-1]
    counts = np.zeros((channels, 256), np.int64)
    for name in names:
        counts += _counts(splits.batches(name, BATCH), channels)
    return counts


def mean_and_std(images: Splits | tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Computes mean and standard deviation (ddof 0) of each channel over all pixels, from exact integer sums.

    Args:
        images: splits, whose training images count, or a data set of single examples: dicts with "image", uint8
            (height, width, channels), all of one shape.

    Returns:
        Mean and standard deviation, float64 (channels,) each, on the scale of 0 to 255.

    Raises:
        InputError: the data set has other examples, or none.
    """
    if isinstance(images, Splits):
        counts = histogram(images, "train")
    else:
        spec = images.element_spec.get("image") if isinstance(images.element_spec, dict) else None
        if spec is None or spec.dtype != tf.uint8 or spec.shape.rank != 3 or spec.shape[2] is None:
            raise InputError(
                f"examples {images.element_spec}: expected dicts with image, uint8 (height, width, channels)"
            )
        counts = _counts(images.batch(BATCH), spec.shape[2])
    values = np.arange(256)
    n, total, squares = (sums.astype(object) for sums in (counts.sum(1), counts @ values, counts @ values**2))
    if not n.all():
        raise InputError("no images to compute mean and standard deviation from: expected at least one")
    variance = (n * squares - total**2) / n**2  # of Python's integers, which do not overflow: rounded once
    return (total / n).astype(np.float64), np.sqrt(variance.astype(np.float64))


@live_lines.line("counting pixel values", after=live_lines.PATIENCE)
def _counts(batches: tf.data.Dataset, channels: int) -> np.ndarray:
    """The histogram of one data set: int64 (channels, 256)."""

    @tf.autograph.experimental.do_not_convert
    def count(examples: dict[str, tf.Tensor]) -> tf.Tensor:
        values = tf.cast(examples["image"], tf.int32) + 256 * tf.range(channels)
        size = 256 * channels
        return tf.math.bincount(tf.reshape(values, (-1,)), minlength=size, maxlength=size, dtype=tf.int64)

    counted = batching.steady(batches.map(count, tf.data.AUTOTUNE))
    return counted.reduce(tf.zeros(256 * channels, tf.int64), tf.add).numpy().reshape(channels, 256)
