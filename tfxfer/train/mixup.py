"""MixUp: training on convex combinations of pairs of examples."""

import math
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from tfxfer.core.errors import InputError


@dataclass(frozen=True)
class Mixture:
    """How the examples of one batch are mixed.

    Attributes:
        share: float32 (batch,), that of each example itself, from 1/2 to 1; the rest is that of its partner.
        partner: int32 (batch,), the row of its partner.
    """

    share: tf.Tensor
    partner: tf.Tensor

    def inputs(self, inputs: Any) -> Any:
        """Mixes activations, float (batch, ...) or a structure of them."""
        return keras.tree.map_structure(lambda x: self.mean(x, self.others(x)), inputs)

    def others(self, values: tf.Tensor) -> tf.Tensor:
        """The values (batch, ...) of the partners."""
        return tf.gather(values, self.partner)

    def mean(self, own: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
        """The weighted mean of values (batch, ...) of the examples and of their partners."""
        share = tf.reshape(self.share, [-1] + [1] * (len(own.shape) - 1))
        return other + tf.cast(share, own.dtype) * (own - other)


@dataclass(frozen=True)
class MixUp:
    """MixUp (Zhang et al. 2018, arXiv:1710.09412) of what the trained layers take.

    Each batch draws one share from Beta(alpha, alpha), and each example a partner in the batch; activations are mixed
    in this proportion, and so are the losses of their two labels. Where the layers before are frozen and cached, these
    are hidden activations, as in manifold mixup (Verma et al. 2019, arXiv:1806.05236); with nothing frozen they are
    pixels. Of the share and its complement the larger one is the example's own, so that accuracy counts its label; the
    mixture of a batch is the same either way.

    Attributes:
        alpha: the parameter of the Beta distribution, above 0: 0.2 mixes a little in most batches, 1 draws evenly.
        seed: with the number of the step, the seed of the draws.
    """

    alpha: float
    seed: int

    def draw(self, step: tf.Tensor, weights: tf.Tensor) -> Mixture:
        """Draws how a batch is mixed.

        Args:
            step: the optimizer's number of steps, an integer.
            weights: float32 (batch,), 0 for rows that fill up a batch: these are nobody's partners.
        """
        seed = tf.stack([tf.constant(self.seed, tf.int64), tf.cast(step, tf.int64)])
        first, second = tf.unstack(tf.random.stateless_gamma((2,), seed, self.alpha))
        # draws below the smallest float are 0; of two of them, the first counts all
        share = tf.math.divide_no_nan(tf.maximum(first, second), first + second)
        share = tf.where(first + second > 0, share, 1.0)
        scores = tf.random.stateless_uniform(tf.shape(weights), seed)
        order = tf.argsort(scores)
        partner = tf.scatter_nd(order[:, None], tf.roll(order, 1, 0), tf.shape(order))  # one cycle: nobody is alone
        real = tf.gather(weights, partner) > 0
        return Mixture(tf.where(real, share, 1.0), partner)


def create(alpha: float, seed: int) -> MixUp | None:
    """MixUp with this parameter; None for 0.

    Raises:
        InputError: a parameter below 0, or not finite.
    """
    if not 0 <= alpha < math.inf:
        raise InputError(f"mixup {alpha}: expected a finite number, 0 or above; 0.2 is usual")
    return MixUp(float(alpha), seed) if alpha else None
