"""Pictures placed in an image: against coloured bands, then Pillow's own steps one by one, then Keras."""

import keras
import numpy as np
import pytest
from PIL import Image, ImageOps

from tfxfer.core.errors import InputError
from tfxfer.data import aspect_ratio
from tfxfer.data.aspect_ratio import ASPECTS, fit, place

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
NOISE = np.random.default_rng(0).integers(0, 256, (30, 47, 3)).astype(np.uint8)


def fitted(pixels: np.ndarray, image: tuple[int, int], aspect: str) -> np.ndarray:
    return np.asarray(fit(Image.fromarray(pixels), image, aspect))


@pytest.mark.parametrize(
    ("picture", "image", "aspect", "expected"),
    [
        ((375, 500), (224, 224), "squash", (224, 224, 0, 0)),
        ((375, 500), (224, 224), "crop", (224, 299, 0, -37)),  # 298.67 columns, of which 37 and 38 are cut off
        ((500, 375), (224, 224), "crop", (299, 224, -37, 0)),
        ((375, 500), (224, 224), "pad", (168, 224, 28, 0)),
        ((500, 375), (224, 224), "pad", (224, 168, 0, 28)),
        ((10, 15), (10, 10), "crop", (10, 15, 0, -2)),
        ((10, 15), (15, 15), "pad", (10, 15, 2, 0)),
        ((30, 30), (48, 48), "crop", (48, 48, 0, 0)),
        ((30, 30), (48, 48), "pad", (48, 48, 0, 0)),
        ((30, 60), (20, 30), "crop", (20, 40, 0, -5)),
        ((30, 60), (20, 30), "pad", (15, 30, 2, 0)),
        ((1, 1000), (20, 20), "pad", (1, 20, 9, 0)),
        ((1000, 1), (20, 20), "crop", (20000, 20, -9990, 0)),
    ],
)
def test_places(picture, image, aspect, expected):
    assert place(picture, image, aspect) == expected


@pytest.mark.parametrize("upright", [False, True])
def test_bands(upright):
    """A green picture of 40 x 60 with a red band of 7 columns at the left and a blue one at the right. The square in
    its middle is green, as the filter reaches less than 3 pixels beyond; squashed or padded, all bands are there."""

    def turned(pixels):
        return pixels.transpose(1, 0, 2) if upright else pixels

    picture = np.full((40, 60, 3), GREEN, np.uint8)
    picture[:, :7], picture[:, -7:] = RED, BLUE
    np.testing.assert_array_equal(fitted(turned(picture), (20, 20), "crop"), np.full((20, 20, 3), GREEN))
    for aspect, rows in (("squash", slice(0, 20)), ("pad", slice(3, 16))):  # 13 rows, 3 above and 4 below
        found = turned(fitted(turned(picture), (20, 20), aspect))
        inside = found[rows]
        assert (np.delete(found, np.arange(20)[rows], 0) == 0).all()
        np.testing.assert_array_equal(inside, np.broadcast_to(inside[:1], inside.shape))
        assert [tuple(colour) for colour in inside[0, [0, 5, 10, 15, 19]].tolist()] == [RED, GREEN, GREEN, GREEN, BLUE]


def test_what_is_large_enough_is_not_resampled():
    np.testing.assert_array_equal(fitted(NOISE, (30, 30), "crop"), NOISE[:, 8:38])
    padded = np.zeros((47, 47, 3), np.uint8)
    padded[8:38] = NOISE
    np.testing.assert_array_equal(fitted(NOISE, (47, 47), "pad"), padded)


@pytest.mark.parametrize("image", [(12, 12), (30, 30), (41, 41), (64, 64), (12, 20), (20, 12)])
def test_it_is_resizing_then_cutting_or_filling(image):
    """By Pillow, in two steps; where only a part is resampled, its places are rounded to float32."""
    height, width = image
    picture = Image.fromarray(NOISE)
    np.testing.assert_array_equal(fit(picture, image, "squash"), picture.resize((width, height), 2))
    factor = max(height / 30, width / 47)
    whole = picture.resize((round(47 * factor), round(30 * factor)), Image.Resampling.BILINEAR)
    left, top = (whole.width - width) // 2, (whole.height - height) // 2
    expected = np.asarray(whole.crop((left, top, left + width, top + height))).astype(int)
    np.testing.assert_allclose(fit(picture, image, "crop"), expected, atol=1)
    theirs = np.asarray(ImageOps.pad(picture, (width, height), Image.Resampling.BILINEAR))
    ours = np.asarray(fit(picture, image, "pad"))
    shifts = [np.roll(theirs, (-rows, -columns), (0, 1)) for rows, columns in ((0, 0), (1, 0), (0, 1))]  # they round
    assert any((ours == shifted).all() for shifted in shifts)


@pytest.mark.parametrize(("aspect", "size"), [("crop", 60), ("crop", 12), ("pad", 64), ("pad", 16)])
def test_it_is_what_keras_does(aspect, size):
    """Where both cut or fill whole pixels. Keras does it before it resizes, so that it mixes in others at the edges."""
    smooth = np.asarray(Image.fromarray(NOISE[:6, :8]).resize((80, 60), Image.Resampling.BICUBIC))
    options = {"crop_to_aspect_ratio": aspect == "crop", "pad_to_aspect_ratio": aspect == "pad"}
    theirs = keras.ops.image.resize(smooth.astype(np.float32), (size, size), antialias=True, **options)
    ours, theirs = fitted(smooth, (size, size), aspect).astype(int), np.asarray(theirs)
    if aspect == "pad":
        rows = np.flatnonzero(ours.any((1, 2)))
        assert (len(rows), rows[0]) == (size * 60 // 80, int(size / 8))
        assert (theirs[: rows[0] - 1] == 0).all()
        ours, theirs = ours[rows], theirs[rows]
    inside = slice(2, -2)
    np.testing.assert_allclose(ours[inside, inside], theirs[inside, inside], atol=4)


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (1, 1)])
def test_a_line_is_a_picture_too(aspect, shape):
    found = fitted(np.full((*shape, 3), 200, np.uint8), (20, 20), aspect)
    assert found.shape == (20, 20, 3)
    assert (found == 200).sum() == (60 if aspect == "pad" and max(shape) > 1 else found.size)


@pytest.mark.parametrize("aspect", ["stretch", None, 3, ""])
def test_other_words_are_refused(aspect):
    with pytest.raises(InputError, match=r"aspect .*: expected one of squash, crop, pad$"):
        aspect_ratio.check(aspect)
