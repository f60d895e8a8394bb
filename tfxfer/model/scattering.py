"""Wavelet scattering, a backbone without weights (Mallat 2012, arXiv:1101.2286; Bruna and Mallat, arXiv:1203.1513).

The transform is kymatio's. Its own Keras layer is not used: it cannot be saved and loaded, ignores `max_order` in its
output shape, expects channels first, supports neither uint8 nor half precision, and does not use XLA, which halves the
time.
"""

import keras
import tensorflow as tf
from keras import layers
from kymatio.tensorflow import Scattering2D

CHUNK = 32  # images at a time: XLA compiles for one shape, which stays in the caches of a CPU


@keras.saving.register_keras_serializable("tfxfer")
class Scattering(layers.Layer):
    """Scattering coefficients of images of any number type, computed in float32 whatever the layer's precision.

    Input (batch, height, width, channels), sides of at least 2^J pixels; output (batch, height // 2^J, width // 2^J,
    channels x paths), the paths of one channel together, in kymatio's order. With L angles there is 1 path of order 0,
    J L of order 1 and L^2 J (J - 1) / 2 of order 2.

    Args:
        J: log2 of the scale over which coefficients are averaged.
        L: number of angles.
        max_order: 1 or 2.
    """

    def __init__(self, J: int = 2, L: int = 8, max_order: int = 2, **options):
        if J < 1 or L < 1 or max_order not in (1, 2):
            raise ValueError(f"J {J}, L {L}, max_order {max_order}: expected J and L of at least 1, order 1 or 2")
        super().__init__(autocast=False, **options)  # pixels must not be rounded to half precision
        self.J, self.L, self.max_order = J, L, max_order

    def build(self, input_shape):
        height, width = input_shape[1:3]
        if None in (height, width) or min(height, width) < 2**self.J:
            raise ValueError(f"images of {height} x {width}: expected sides of at least 2^J = {2**self.J} pixels")
        transform = Scattering2D(self.J, (height, width), self.L, self.max_order)
        signature = [tf.TensorSpec((CHUNK, height, width), tf.float32)]
        self._transform = tf.function(transform, jit_compile=True, autograph=False, input_signature=signature)
        self.built = True

    def call(self, images):
        height, width, channels = images.shape[1:]
        x = tf.reshape(tf.transpose(tf.cast(images, tf.float32), (0, 3, 1, 2)), (-1, height, width))
        n = tf.shape(x)[0]
        chunks = tf.pad(x, [(0, -n % CHUNK), (0, 0), (0, 0)])
        chunks = tf.reshape(chunks, (-1, CHUNK, height, width))
        paths, *sides = self._output_sides(height, width)
        kind = tf.TensorSpec((CHUNK, paths, *sides), tf.float32)
        y = tf.map_fn(self._transform, chunks, fn_output_signature=kind, parallel_iterations=2)
        y = tf.reshape(y, (-1, paths, *sides))[:n]
        y = tf.transpose(tf.reshape(y, (-1, channels * paths, *sides)), (0, 2, 3, 1))
        return tf.cast(y, self.compute_dtype)

    def _output_sides(self, height: int, width: int) -> tuple[int, int, int]:
        second = self.L**2 * self.J * (self.J - 1) // 2 if self.max_order == 2 else 0
        return 1 + self.J * self.L + second, height // 2**self.J, width // 2**self.J

    def compute_output_shape(self, input_shape):
        paths, *sides = self._output_sides(*input_shape[1:3])
        return (input_shape[0], *sides, input_shape[3] * paths)

    def get_config(self):
        return super().get_config() | {"J": self.J, "L": self.L, "max_order": self.max_order}


def scattering(*, input_shape: tuple[int, int, int] = (28, 28, 1)) -> keras.Model:
    """Scattering coefficients of scale 4 with 8 angles up to order 2, flattened: 81 x 7 x 7 x channels at 28 x 28."""
    image = keras.Input(input_shape)
    x = layers.Flatten(name="flatten")(Scattering(name="scattering")(image))
    return keras.Model(image, x, name="scattering")
