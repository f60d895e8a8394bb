"""The decoder against Pillow, which turns pictures by its own Exif reader."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from tfxfer import decoding

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3)).astype(np.uint8)
SMOOTH = np.linspace(0, 255, 24 * 16 * 3).reshape(24, 16, 3).astype(np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned(orientation: int, order: str = "<", **options) -> bytes:
    exif = Image.Exif(**options)
    exif.endian = order
    exif[0x0112] = orientation
    exif[0x010F] = "a maker's name, longer than four bytes"
    return encoded(Image.fromarray(SMOOTH), "JPEG", quality=95, exif=exif)


def test_a_picture_of_the_right_size_comes_as_it_is():
    got = decoding.decode(tf.constant(encoded(Image.fromarray(PIXELS))), (6, 9, 3))
    np.testing.assert_array_equal(got, PIXELS)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(orientation, order):
    content = turned(orientation, order)
    assert decoding.orientation(tf.constant(content)).numpy() == orientation
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    got = decoding.decode(tf.constant(content), expected.shape)
    np.testing.assert_allclose(got.numpy().astype(int), expected, atol=8)  # two libraries' inverse transforms


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_an_orientation_that_is_none_is_upright(orientation):
    assert decoding.orientation(tf.constant(turned(orientation))).numpy() == 1


@pytest.mark.parametrize("content", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff\xe1", encoded(Image.fromarray(PIXELS))])
def test_no_exif_is_upright(content):
    assert decoding.orientation(tf.constant(content)).numpy() == 1


def test_an_exif_that_is_cut_short_or_changed_never_fails():
    content, rng = turned(6), np.random.default_rng(0)
    read = tf.function(decoding.orientation, input_signature=[tf.TensorSpec((), tf.string)])
    for _ in range(300):
        damaged = bytearray(content[: rng.integers(2, len(content))])
        for place in rng.integers(2, len(damaged), 3) if len(damaged) > 2 else ():
            damaged[place] = rng.integers(256)
        assert 1 <= read(tf.constant(bytes(damaged))).numpy() <= 8


def modes() -> dict[str, tuple[Image.Image, np.ndarray]]:
    grey = PIXELS[..., 0]
    alpha = np.dstack([PIXELS, grey])
    wide = grey.astype(np.uint16) * 257
    few = Image.fromarray(PIXELS).quantize(8)
    return {
        "grey": (Image.fromarray(grey), np.repeat(grey[..., None], 3, 2)),
        "alpha": (Image.fromarray(alpha), PIXELS),
        "grey and alpha": (Image.fromarray(np.dstack([grey, grey]), "LA"), np.repeat(grey[..., None], 3, 2)),
        "16 bits": (Image.fromarray(wide), np.repeat(grey[..., None], 3, 2)),
        "palette": (few, np.asarray(few.convert("RGB"))),
        "one bit": (Image.fromarray(grey > 127), np.repeat((grey > 127)[..., None] * 255, 3, 2)),
    }


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize("mode", ["grey", "alpha", "grey and alpha", "16 bits", "palette", "one bit"])
def test_every_kind_of_pixel_becomes_rgb(mode):
    image, expected = modes()[mode]
    got = decoding.decode(tf.constant(encoded(image)), (6, 9, 3))
    np.testing.assert_array_equal(got, expected)


def test_colours_become_grey_where_the_data_is():
    got = decoding.decode(tf.constant(encoded(Image.fromarray(PIXELS))), (6, 9, 1)).numpy()
    np.testing.assert_allclose(got[..., 0], np.asarray(Image.fromarray(PIXELS).convert("L")), atol=30)
    grey = encoded(Image.fromarray(PIXELS[..., 0]))
    np.testing.assert_array_equal(decoding.decode(tf.constant(grey), (6, 9, 1))[..., 0], PIXELS[..., 0])


def test_resizing_is_pillows():
    """Pillow's bilinear filter is antialiased too."""
    got = decoding.decode(tf.constant(encoded(Image.fromarray(PIXELS))), (3, 4, 3)).numpy().astype(int)
    expected = np.asarray(Image.fromarray(PIXELS).resize((4, 3), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(got, expected, atol=1)


@pytest.mark.parametrize("content", [b"", b"no picture", encoded(Image.fromarray(PIXELS))[:60], turned(1)[:400]])
def test_what_is_no_picture_is_an_error(content):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoding.decode(tf.constant(content), (6, 9, 3))
