"""Noise: x float32 (batch, size, size, channels) in [0, 1], the severity from 0, the images' random numbers."""

import tensorflow as tf

from tfxfer.data.corruptions.draws import Draws


def gaussian_noise(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    return x + (0.04, 0.06, 0.08, 0.09, 0.10)[severity] * draws.normal(*x.shape[1:])


def shot_noise(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    photons = (500, 250, 100, 75, 50)[severity]
    return draws.poisson(x * photons) / photons


def impulse_noise(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Salt and pepper, each value for itself."""
    amount = (0.01, 0.02, 0.03, 0.05, 0.07)[severity]
    drawn = draws.uniform(*x.shape[1:])
    return tf.where(drawn < amount, tf.cast(drawn < amount / 2, x.dtype), x)


def speckle_noise(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    return x + x * (0.06, 0.1, 0.12, 0.16, 0.2)[severity] * draws.normal(*x.shape[1:])
