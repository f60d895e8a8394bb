"""Pictures of every kind as RGB pixels: first against arrays they were made from, then against TensorFlow's decoder."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfxfer.decoding import decode
from tfxfer.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3)).astype(np.uint8)
# What upright is, of the pixels as they are stored: Exif 2.32, tag 0x0112
UPRIGHT = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
    8: lambda x: np.rot90(x),
}


def rgb(path) -> np.ndarray:
    picture = decode(str(path))
    assert picture.mode == "RGB"
    return np.asarray(picture)


def tensorflows(path) -> np.ndarray:
    return tf.io.decode_image(tf.io.read_file(str(path)), channels=3, expand_animations=False).numpy()


def test_colour_and_grey_are_what_was_saved(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "rgb.png")
    np.testing.assert_array_equal(rgb(tmp_path / "rgb.png"), PIXELS)
    np.testing.assert_array_equal(tensorflows(tmp_path / "rgb.png"), PIXELS)
    grey = PIXELS[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(rgb(tmp_path / "grey.png"), np.stack([grey] * 3, -1))
    Image.fromarray(grey > 128).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(rgb(tmp_path / "bits.png"), np.stack([(grey > 128) * 255] * 3, -1))


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_is_tensorflows(tmp_path, mode):
    smooth = Image.fromarray(PIXELS).resize((64, 48), Image.Resampling.BICUBIC).convert(mode)
    smooth.save(tmp_path / "a.jpg", quality=90)
    content = (tmp_path / "a.jpg").read_bytes()
    theirs = tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE").numpy()
    np.testing.assert_array_equal(rgb(tmp_path / "a.jpg"), theirs)


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_exif_orientation(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    plain, turned = tmp_path / f"plain.{suffix}", tmp_path / f"turned.{suffix}"
    Image.fromarray(PIXELS).save(plain)
    Image.fromarray(PIXELS).save(turned, exif=exif)
    np.testing.assert_array_equal(rgb(turned), UPRIGHT[orientation](rgb(plain)))


def test_what_is_no_exif_turns_nothing(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg")
    Image.fromarray(PIXELS).save(tmp_path / "b.jpg", exif=b"Exif\0\0nonsense")
    np.testing.assert_array_equal(rgb(tmp_path / "b.jpg"), rgb(tmp_path / "a.jpg"))


def test_palettes_are_looked_up(tmp_path):
    indices, palette = PIXELS[..., 0] % 4, PIXELS[0, :4]
    picture = Image.fromarray(indices)
    picture.putpalette(palette.ravel().tolist())
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(rgb(tmp_path / "a.png"), palette[indices])
    picture.save(tmp_path / "b.png", transparency=2)
    np.testing.assert_array_equal(rgb(tmp_path / "b.png"), np.where((indices == 2)[..., None], 255, palette[indices]))
    picture.save(tmp_path / "c.png", transparency=bytes([255, 0, 255, 255]))
    np.testing.assert_array_equal(rgb(tmp_path / "c.png"), np.where((indices == 1)[..., None], 255, palette[indices]))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_lies_on_white(tmp_path, mode):
    alpha = np.resize([0, 255, 40, 128, 200], (6, 9)).astype(np.uint8)
    colour = PIXELS if mode == "RGBA" else PIXELS[..., :1]
    Image.fromarray(np.concatenate([colour, alpha[..., None]], -1), mode=mode).save(tmp_path / "a.png")
    share = alpha[..., None] / 255
    found = rgb(tmp_path / "a.png")
    np.testing.assert_allclose(found, np.broadcast_to(colour * share + 255 * (1 - share), found.shape), atol=1)
    assert (found[alpha == 0] == 255).all()
    np.testing.assert_array_equal(found[alpha == 255], np.broadcast_to(colour, found.shape)[alpha == 255])


def test_a_colour_may_stand_for_transparency(tmp_path):
    grey = (PIXELS[..., 0] // 64 * 64).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png", transparency=64)
    np.testing.assert_array_equal(rgb(tmp_path / "a.png")[..., 0], np.where(grey == 64, 255, grey))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_keep_their_high_byte(tmp_path, channels):
    """Grey and colour, without and with alpha; what is opaque is TensorFlow's, which drops the low byte too."""
    values = np.random.default_rng(1).integers(0, 65536, (6, 9, channels)).astype(np.uint16)
    if channels in (2, 4):
        values[..., -1] = 65535
    (tmp_path / "a.png").write_bytes(tf.io.encode_png(values).numpy())
    colour = values[..., :1] if channels < 3 else values[..., :3]
    expected = np.broadcast_to(colour >> 8, (6, 9, 3))
    np.testing.assert_array_equal(rgb(tmp_path / "a.png"), expected)
    np.testing.assert_array_equal(tensorflows(tmp_path / "a.png"), expected)


def test_print_colours(tmp_path):
    """CMYK as Pillow writes it: paper less each ink less black."""
    for inks in ((0, 0, 0, 0), (255, 0, 0, 0), (0, 200, 100, 50), (10, 20, 30, 255)):
        Image.new("CMYK", (16, 16), inks).save(tmp_path / "a.jpg", quality=95)
        expected = [(255 - ink) * (255 - inks[3]) / 255 for ink in inks[:3]]
        np.testing.assert_allclose(rgb(tmp_path / "a.jpg"), np.broadcast_to(expected, (16, 16, 3)), atol=5)
        np.testing.assert_allclose(tensorflows(tmp_path / "a.jpg"), rgb(tmp_path / "a.jpg"), atol=3)


def test_reasons(tmp_path):
    path = tmp_path / "a.png"

    def reason():
        with pytest.raises(InputError) as caught:
            decode(str(path))
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith(f"{path}: ")
        return str(caught.value).removeprefix(f"{path}: ")

    assert reason() == "No such file or directory"
    for content in (b"", b"text", b"\x89PNG\r\n\x1a\n"):
        path.write_bytes(content)
        assert reason() == "neither JPEG nor PNG, or cut off in its header"
    Image.fromarray(PIXELS).save(path, format="GIF")
    assert reason() == "neither JPEG nor PNG, or cut off in its header"
    for kind in ("JPEG", "PNG"):
        Image.effect_noise((60, 60), 99).save(path, format=kind)
        whole = path.read_bytes()
        path.write_bytes(whole[:-500])
        assert "truncated" in reason()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    path.write_bytes(damaged)
    assert reason()


def test_a_jpeg_by_the_name_of_a_png_is_a_jpeg(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")
    assert rgb(tmp_path / "a.png").shape == PIXELS.shape
