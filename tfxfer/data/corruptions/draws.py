"""Random numbers that belong to an image: functions of a seed and the image's id, independent of its batch."""

from collections.abc import Callable

import tensorflow as tf


class Draws:
    """Random tensors (batch, *shape), in which each row comes from a stateless generator of its image.

    Each call draws new numbers.

    Args:
        ids: int64 (batch,), the images' ids.
        seed: the random seed, below 2^32.
    """

    def __init__(self, ids: tf.Tensor, seed: int):
        self.ids, self.seed, self.calls = tf.cast(ids, tf.int64), seed, 0

    def normal(self, *shape: int) -> tf.Tensor:
        """Draws float32 numbers of mean 0 and standard deviation 1."""
        return self._per_image(lambda seed: tf.random.stateless_normal(shape, seed), shape)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
        """Draws float32 numbers in [low, high)."""
        return self._per_image(lambda seed: tf.random.stateless_uniform(shape, seed, low, high), shape)

    def integers(self, *shape: int, low: int, high: int) -> tf.Tensor:
        """Draws int32 numbers from low to high - 1."""
        draw = lambda seed: tf.random.stateless_uniform(shape, seed, low, high, tf.int32)  # noqa: E731
        return self._per_image(draw, shape, tf.int32)

    def poisson(self, rates: tf.Tensor) -> tf.Tensor:
        """Draws float32 counts whose means are the rates, float32 (batch, ...)."""
        seeds, shape = self._seeds(), rates.shape[1:]
        spec = tf.TensorSpec(shape, tf.float32)
        draw = lambda pair: tf.random.stateless_poisson(shape, pair[0], pair[1], tf.float32)  # noqa: E731
        return tf.map_fn(draw, (seeds, rates), fn_output_signature=spec)

    def _per_image(self, draw: Callable, shape: tuple[int, ...], dtype: tf.DType = tf.float32) -> tf.Tensor:
        return tf.map_fn(draw, self._seeds(), fn_output_signature=tf.TensorSpec(shape, dtype))

    def _seeds(self) -> tf.Tensor:
        self.calls += 1
        return tf.stack(
            [self.ids, tf.fill(tf.shape(self.ids), tf.constant(self.seed + (self.calls << 32), tf.int64))], 1
        )
