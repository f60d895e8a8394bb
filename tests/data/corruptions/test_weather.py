"""Frost and spatter change images as much as the benchmark's own code does, on natural colour images of 32 x 32.

The numbers below were made by hendrycks/robustness at 8190fe3 (ImageNet-C/create_c/make_cifar_c.py, its own
photographs; OpenCV 4.14.0, scikit-image 0.26.0, np.random.seed(0)), each severity of each corruption 40 times on
`tiles()`. Standard errors of the means are below 0.33 (frost) and 0.06 (spatter) levels.
"""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_sample_images

from tfxfer.data import corruptions

# mean change, mean absolute change, mean squared change, in levels; power of the change's luminance in rings of 1, 2 to
# 3, 4 to 7 and 8 to 16 cycles an image
REFERENCE = {
    ("frost", 1): (28.80, 28.80, 972, (4.80, 3.12, 4.16, 9.12)),
    ("frost", 2): (41.71, 41.71, 2088, (14.34, 7.92, 9.62, 19.64)),
    ("frost", 3): (48.15, 48.23, 2957, (29.35, 15.82, 18.50, 35.97)),
    ("frost", 4): (44.70, 45.24, 2668, (33.90, 18.47, 21.36, 40.40)),
    ("frost", 5): (43.82, 46.35, 2920, (59.57, 31.23, 33.70, 58.33)),
    ("spatter", 1): (0.96, 0.96, 57, (0.81, 2.92, 12.83, 33.38)),
    ("spatter", 2): (2.59, 2.59, 154, (2.68, 10.20, 42.90, 78.77)),
    ("spatter", 3): (6.33, 6.33, 329, (14.03, 44.22, 110.13, 103.53)),
    ("spatter", 4): (-2.36, 3.00, 371, (12.86, 36.68, 106.25, 138.23)),
    ("spatter", 5): (-3.90, 4.95, 603, (17.27, 48.52, 156.61, 239.16)),
}
TIMES = 6
LUMA = (0.299, 0.587, 0.114)


@pytest.fixture(scope="module")
def tiles():
    """uint8 (162, 32, 32, 3): squares of 64, 128 and 213 pixels of scikit-learn's two photographs, reduced."""
    found = []
    for photo in load_sample_images().images:
        for side in (64, 128, 213):
            for y in range(0, photo.shape[0] - side + 1, side):
                for x in range(0, photo.shape[1] - side + 1, side):
                    piece = Image.fromarray(photo[y : y + side, x : x + side])
                    found.append(np.asarray(piece.resize((32, 32), Image.BOX)))
    return np.stack(found)


def power(change):
    """Of maps (n, 32, 32): in rings of 1, 2 to 3, 4 to 7 and 8 to 16 cycles an image."""
    spectrum = (np.abs(np.fft.fft2(change)) ** 2).mean(0) / 32**4
    frequencies = np.fft.fftfreq(32, 1 / 32)
    radius = np.rint(np.hypot(frequencies[:, None], frequencies))
    return [spectrum[(radius >= low) & (radius <= high)].sum() for low, high in ((1, 1), (2, 3), (4, 7), (8, 16))]


@pytest.mark.parametrize(("name", "severity"), REFERENCE)
def test_images_change_as_much_as_in_the_benchmark(tiles, name, severity):
    images = np.concatenate([tiles] * TIMES)
    compiled = tf.function(lambda x, ids: corruptions.corrupt(x, ids, name, severity))
    given = compiled(tf.constant(images), tf.range(len(images), dtype=tf.int64)).numpy()
    change = given.astype(float) - images
    mean, absolute, square, spectrum = REFERENCE[name, severity]
    assert change.mean() == pytest.approx(mean, rel=0.03)
    assert np.abs(change).mean() == pytest.approx(absolute, rel=0.03)
    assert (change**2).mean() == pytest.approx(square, rel=0.05)
    np.testing.assert_allclose(power(change @ LUMA), spectrum, rtol=0.15)
