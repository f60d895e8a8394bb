import colorsys

import numpy as np
import pytest

from tfxfer.data import out_of_distribution


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Two grey squares on black, uint8 (5, 12, 12, 1); the second has a black hole that is not background."""
    made = np.zeros((5, 12, 12, 1), np.uint8)
    made[:, 3:9, 3:9] = 200
    made[1, 5:7, 5:7] = 0
    return made


def test_inverted(images):
    np.testing.assert_array_equal(out_of_distribution.invert(images).astype(int), 255 - images.astype(int))


def test_a_tint_is_one_factor_a_picture(images):
    """Grey: the luminance of a pure colour lies between blue's 0.114 and yellow's 0.886."""
    tinted = out_of_distribution.tint(images, np.arange(5))
    factors = tinted[:, 4, 4, 0] / 200
    np.testing.assert_allclose(tinted, np.round(images * factors[:, None, None, None]), atol=1)
    assert len(set(factors)) == 5
    assert factors.min() > 0.11
    assert factors.max() < 0.89


def test_a_tint_in_colour_is_a_pure_hue(images):
    tinted = out_of_distribution.tint(np.repeat(images, 3, -1), np.arange(5))
    for pixel in tinted[:, 4, 4]:
        _, saturation, value = colorsys.rgb_to_hsv(*pixel / 200)
        assert (saturation, value) == pytest.approx((1, 1), abs=0.02)


def test_texture_replaces_the_background_alone(images):
    textured = out_of_distribution.texture(images, np.arange(5))
    np.testing.assert_array_equal(textured[:, 3:9, 3:9], images[:, 3:9, 3:9])  # the hole too
    outside = np.ones((12, 12), bool)
    outside[3:9, 3:9] = False
    assert all(picture[outside].std() > 20 for picture in textured)


def test_random_by_id_and_seed(images):
    """A picture keeps its tint and texture in any order and company; another seed gives others."""
    ids, order = np.array([3, 1, 4, 15, 9]), [4, 0, 2]
    for shift in (out_of_distribution.tint, out_of_distribution.texture):
        np.testing.assert_array_equal(shift(images[order], ids[order]), shift(images, ids)[order])
        assert not np.array_equal(shift(images, ids), shift(images, ids, seed=1))
    assert list(out_of_distribution.apply_shifts(images, ids)) == list(out_of_distribution.SHIFTS)


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_digits_in_any_shape(shape):
    digits = out_of_distribution.load_digits(shape)
    assert digits.shape == (1797, *shape)
    assert digits.dtype == np.uint8
    assert digits.max() > 200
