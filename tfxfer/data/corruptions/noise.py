"""Noise corruptions.

Each function takes images x, float32 (batch, size, size, channels) in [0, 1], a severity from 1 to 5, and the images'
random numbers. It returns float32 images of the same shape, whose values may lie outside [0, 1].
"""

import tensorflow as tf

from tfxfer.data.corruptions.draws import Draws


def gaussian_noise(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Adds normal noise to each value."""
    deviation = (0.04, 0.06, 0.08, 0.09, 0.10)[severity - 1]
    return x + deviation * draws.normal(*x.shape[1:])


def shot_noise(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Replaces each value by a Poisson count of photons that has it as its mean."""
    photons = (500, 250, 100, 75, 50)[severity - 1]
    return draws.poisson(x * photons) / photons


def impulse_noise(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Salt and pepper: sets values at random to 0 or 1, independently in each channel."""
    amount = (0.01, 0.02, 0.03, 0.05, 0.07)[severity - 1]
    uniform = draws.uniform(*x.shape[1:])
    return tf.where(uniform < amount, tf.cast(uniform < amount / 2, x.dtype), x)


def speckle_noise(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Adds normal noise in proportion to each value."""
    deviation = (0.06, 0.1, 0.12, 0.16, 0.2)[severity - 1]
    return x + x * deviation * draws.normal(*x.shape[1:])
