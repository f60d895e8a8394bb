"""Pictures of every kind as RGB pixels: first against arrays they were made from, then against TensorFlow's decoder."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_sample_image

from tfxfer.core import memory
from tfxfer.core.errors import InputError
from tfxfer.data import aspect_ratio, image_decoding
from tfxfer.data.image_decoding import decode

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
    Image.fromarray(np.concatenate([colour, alpha[..., None]], -1)).save(tmp_path / "a.png")
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
    for content in (b"", b"text", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"BM"):
        path.write_bytes(content)
        assert reason() == "not a JPEG, PNG, WebP, BMP, GIF or TIFF file, or cut off in its header"
    path.write_bytes(b"RIFF\0\0\0\0WEBPVP8 ")
    assert reason() == "could not create decoder object"
    for kind in ("PPM", "ICO", "TGA"):  # which Pillow would read too
        Image.fromarray(PIXELS).save(path, format=kind)
        assert reason() == "not a JPEG, PNG, WebP, BMP, GIF or TIFF file, or cut off in its header"
    for kind in ("BMP", "GIF", "TIFF", "WEBP", "JPEG", "PNG"):
        Image.effect_noise((60, 60), 99).save(path, format=kind)
        whole = path.read_bytes()
        path.write_bytes(whole[:-500])
        assert "truncated" in reason() or kind in ("WEBP", "TIFF")
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    path.write_bytes(damaged)
    assert reason()


def test_a_jpeg_by_the_name_of_a_png_is_a_jpeg(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")
    assert rgb(tmp_path / "a.png").shape == PIXELS.shape


def quantized(colours: int = 16) -> tuple[Image.Image, np.ndarray]:
    """A picture with a palette, and the colours that it shows."""
    picture = Image.fromarray(PIXELS).quantize(colours)
    return picture, np.asarray(picture.convert("RGB"))


@pytest.mark.parametrize(
    ("kind", "options"),
    [("WEBP", {"lossless": True}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("PNG", {})],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_every_kind_gives_what_was_saved(tmp_path, kind, options, mode):
    """By content: the file is called .jpg."""
    picture, expected = quantized() if mode == "P" else (Image.fromarray(PIXELS).convert(mode), None)
    if mode == "RGBA":
        picture.putalpha(255)
    picture.save(tmp_path / "a.jpg", format=kind, **options)
    if expected is None:
        expected = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(rgb(tmp_path / "a.jpg"), expected)


@pytest.mark.parametrize(("kind", "mode"), [("BMP", "1"), ("TIFF", "1"), ("TIFF", "CMYK"), ("PNG", "1")])
def test_what_only_some_kinds_hold(tmp_path, kind, mode):
    picture = Image.fromarray(PIXELS).convert(mode)
    picture.save(tmp_path / "a.jpg", format=kind)
    np.testing.assert_array_equal(rgb(tmp_path / "a.jpg"), np.asarray(picture.convert("RGB")))


def test_what_is_transparent_lies_on_white_in_every_kind(tmp_path):
    alpha = np.resize([0, 255, 255], (6, 9)).astype(np.uint8)
    expected = np.where(alpha[..., None] > 0, PIXELS, 255)
    for kind, options in (("WEBP", {"lossless": True, "exact": True}), ("TIFF", {}), ("PNG", {})):
        Image.fromarray(np.dstack([PIXELS, alpha])).save(tmp_path / "a", format=kind, **options)
        np.testing.assert_array_equal(rgb(tmp_path / "a"), expected)
    picture, colours = quantized()
    indices = np.asarray(picture)
    picture.save(tmp_path / "a", format="GIF", transparency=int(indices[2, 3]))
    np.testing.assert_array_equal(rgb(tmp_path / "a"), np.where((indices == indices[2, 3])[..., None], 255, colours))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG", "MPO"])
def test_of_several_pictures_the_first(tmp_path, kind):
    first, second = (Image.new("RGB", (16, 8), colour) for colour in ((250, 10, 10), (10, 10, 250)))
    options = {"lossless": True} if kind == "WEBP" else {}
    first.save(tmp_path / "a", format=kind, save_all=True, append_images=[second, second], **options)
    with Image.open(tmp_path / "a") as whole:
        assert whole.n_frames > 1
    np.testing.assert_allclose(rgb(tmp_path / "a"), np.broadcast_to((250, 10, 10), (8, 16, 3)), atol=4)


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("large", [False, True])
def test_other_kinds_are_turned_too(tmp_path, orientation, large, monkeypatch):
    monkeypatch.setattr(image_decoding, "LARGE", 20 if large else 1 << 25)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind, options in (("WEBP", {"lossless": True}), ("TIFF", {}), ("PNG", {}), ("JPEG", {"quality": 100})):
        Image.fromarray(PIXELS).save(tmp_path / "plain", format=kind, **options)
        Image.fromarray(PIXELS).save(tmp_path / "turned", format=kind, exif=exif, **options)
        found = rgb(tmp_path / "turned")
        assert found.size < PIXELS.size or not large
        if kind == "TIFF" and large:  # which is reduced once it has been turned: where a row is over, at the other end
            assert found.shape == UPRIGHT[orientation](rgb(tmp_path / "plain")).shape
        else:
            np.testing.assert_array_equal(found, UPRIGHT[orientation](rgb(tmp_path / "plain")))


def test_sixteen_bits_of_a_tiff_keep_their_high_byte(tmp_path):
    values = np.random.default_rng(1).integers(0, 65536, (6, 9)).astype(np.uint16)
    for order in ("<u2", ">u2"):
        Image.fromarray(values.astype(order)).save(tmp_path / "a.tif")
        np.testing.assert_array_equal(rgb(tmp_path / "a.tif")[..., 1], values >> 8)


@pytest.mark.parametrize("values", [np.int32, np.float32])
def test_values_without_a_known_range_are_refused(tmp_path, values):
    Image.fromarray(np.ones((4, 4), values)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="of unknown range: save it with 8 or 16 bits"):
        decode(str(tmp_path / "a.tif"))


def mean(pixels: np.ndarray, n: int) -> np.ndarray:
    """Of n x n pixels, those at the right and lower edges of fewer."""
    rows, columns = (np.arange(0, size, n) for size in pixels.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(float), rows, 0), columns, 1)
    counts = np.add.reduceat(np.add.reduceat(np.ones(pixels.shape[:2]), rows, 0), columns, 1)
    return sums / counts[..., None]


@pytest.mark.parametrize(("limit", "factor"), [(6000, 1), (5999, 2), (1500, 2), (1499, 4)])
def test_large_pictures_are_reduced_by_the_mean(tmp_path, monkeypatch, limit, factor):
    pixels = np.random.default_rng(2).integers(0, 256, (75, 80, 3)).astype(np.uint8)
    monkeypatch.setattr(image_decoding, "LARGE", limit)
    monkeypatch.setattr(image_decoding, "_ROWS", 16)
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("BMP", {}), ("TIFF", {})):
        Image.fromarray(pixels).save(tmp_path / "a", format=kind, **options)
        np.testing.assert_allclose(rgb(tmp_path / "a"), mean(pixels, factor), atol=0.51)
    picture = Image.fromarray(pixels).quantize(32)
    picture.save(tmp_path / "a.gif")
    np.testing.assert_allclose(rgb(tmp_path / "a.gif"), mean(np.asarray(picture.convert("RGB")), factor), atol=0.51)


@pytest.mark.parametrize("kind", ["JPEG", "MPO"])
@pytest.mark.parametrize(("limit", "factor"), [(6000, 1), (5999, 2), (1499, 4)])
def test_large_jpegs_are_reduced_as_tensorflow_reduces_them(tmp_path, monkeypatch, kind, limit, factor):
    monkeypatch.setattr(image_decoding, "LARGE", limit)
    Image.fromarray(PIXELS).resize((80, 75), Image.Resampling.BICUBIC).save(tmp_path / "a", format=kind, quality=90)
    content = (tmp_path / "a").read_bytes()
    theirs = tf.io.decode_jpeg(content, channels=3, ratio=factor, dct_method="INTEGER_ACCURATE").numpy()
    np.testing.assert_array_equal(rgb(tmp_path / "a"), theirs)


@pytest.mark.parametrize(
    ("height", "width", "least", "factor"),
    [
        (375, 500, 224, 1),  # at 1/2 it would have 188 rows
        (1500, 2000, 224, 4),
        (2000, 1500, 188, 4),
        (1500, 2000, 187, 8),
        (448, 448, 224, 2),
        (447, 448, 224, 1),
        (100, 100, 224, 1),
        (9000, 9000, 1, 8),
    ],
)
def test_a_jpeg_stays_at_least_as_large_as_it_is_wanted(height, width, least, factor):
    assert image_decoding.reduction(height, width, least) == factor
    assert image_decoding.reduction(height, width, least, "crop") == factor


@pytest.mark.parametrize(
    ("height", "width", "least", "factor"),
    [(375, 500, 224, 2), (500, 375, 251, 1), (1500, 2000, 224, 8), (300, 5000, 224, 8), (447, 448, 224, 2)],
)
def test_of_a_jpeg_that_is_padded_the_longer_side_counts(height, width, least, factor):
    assert image_decoding.reduction(height, width, least, "pad") == factor


@pytest.mark.parametrize(("least", "factor"), [(49, 1), (48, 2), (25, 2), (24, 4), (12, 8), (1, 8)])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"exif": True}])
def test_jpegs_are_reduced_by_their_transform(tmp_path, least, factor, options):
    """As TensorFlow does it; both sizes are rounded up."""
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if "exif" in options else options
    Image.fromarray(PIXELS).resize((131, 97), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=90, **options)
    content = (tmp_path / "a.jpg").read_bytes()
    theirs = tf.io.decode_jpeg(content, channels=3, ratio=factor, dct_method="INTEGER_ACCURATE").numpy()
    assert theirs.shape == (-(-97 // factor), -(-131 // factor), 3)
    expected = UPRIGHT[6](theirs) if "exif" in options else theirs
    np.testing.assert_array_equal(np.asarray(decode(str(tmp_path / "a.jpg"), least)), expected)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_other_kinds_are_not_reduced(tmp_path, kind):
    Image.new("RGB", (80, 75)).save(tmp_path / "a", format=kind)
    assert decode(str(tmp_path / "a"), 1).size == (80, 75)


@pytest.mark.parametrize(("factor", "levels"), [(8, 0.6), (4, 2), (2, 2)])
def test_reduced_jpegs_are_nearly_means(tmp_path, factor, levels):
    """At 1/8 each pixel is its block's mean, to rounding; at 1/4 and 1/2 a photograph looks as if it was averaged."""
    photograph = Image.fromarray(load_sample_image("china.jpg")).convert("L").crop((0, 0, 640, 424))
    photograph.save(tmp_path / "a.jpg", quality=90)
    reduced, whole = decode(str(tmp_path / "a.jpg"), 424 // factor), decode(str(tmp_path / "a.jpg"))
    assert reduced.size == (640 // factor, 424 // factor)
    assert np.abs(np.asarray(reduced) - mean(np.asarray(whole), factor)).mean() < levels


@pytest.mark.parametrize("size", [256, 200, 64, 60])
def test_what_is_too_fine_for_the_pixels_is_gone(tmp_path, size):
    """A checkerboard of single pixels is grey, at whichever scale it is decoded."""
    board = np.indices((512, 512)).sum(0) % 2 * 255
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(image_decoding.pixels(str(tmp_path / "a.jpg"), (size, size, 1)) - 127.5).max() < 3


def test_what_is_too_large_is_refused_unread(tmp_path, monkeypatch):
    Image.new("L", (80, 75)).save(tmp_path / "a.png")
    monkeypatch.setattr(image_decoding, "LARGE", 1000)
    monkeypatch.setattr(image_decoding, "MOST", 5999)
    complaint = "has 80 x 75 pixels, more than can be decoded here: make it smaller"
    with pytest.raises(InputError, match=complaint):
        decode(str(tmp_path / "a.png"))
    monkeypatch.setattr(image_decoding, "MOST", 6000)
    assert rgb(tmp_path / "a.png").shape == (19, 20, 3)
    monkeypatch.setattr(memory, "available", lambda: 2 * 6 * 6000 - 1)
    with pytest.raises(InputError, match=complaint):
        decode(str(tmp_path / "a.png"))
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(InputError, match="has 1,073,741,824 bytes, expected at most 536,870,912"):
        decode(str(tmp_path / "a.png"))


def test_a_very_large_jpeg_takes_little_memory(tmp_path):
    """121 million pixels, 363 MB as RGB; and no warning of them."""
    code = (
        "import resource, sys, warnings\n"
        "warnings.simplefilter('error')\n"
        "from tfxfer import decoding\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak()\n"
        "print(decoding.decode(sys.argv[1]).size, peak() - before)"
    )
    Image.new("RGB", (11_000, 11_000), (200, 100, 50)).save(tmp_path / "a.jpg")
    words = [sys.executable, "-c", code, str(tmp_path / "a.jpg")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    size, megabytes = done.stdout.rsplit(maxsplit=1)
    assert size == "(5500, 5500)"
    assert float(megabytes) < 300


def test_pixels_are_resized_to_a_shape(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    np.testing.assert_array_equal(image_decoding.pixels(str(tmp_path / "a.png"), (6, 9, 3)), PIXELS)
    grey = image_decoding.pixels(str(tmp_path / "a.png"), (6, 9, 1))[..., 0]
    np.testing.assert_allclose(grey, PIXELS @ [0.299, 0.587, 0.114], atol=0.51)
    assert image_decoding.pixels(str(tmp_path / "a.png"), (4, 5, 3)).shape == (4, 5, 3)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(("aspect", "factor"), [("squash", 2), ("crop", 2), ("pad", 4)])
def test_the_aspect_is_that_of_the_upright_picture(tmp_path, monkeypatch, aspect, factor, orientation):
    """A JPEG of 96 x 128 for 30 x 30: decoded at 1/2, or at 1/4 where its longer side is what has to remain."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(PIXELS[:3, :4]).resize((128, 96), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "a.jpg", quality=90, exif=exif)
    whole, decoded = decode(str(tmp_path / "a.jpg")), []
    monkeypatch.setattr(
        image_decoding, "decode", lambda *args, decode=decode: decoded.append(decode(*args)) or decoded[-1]
    )
    found = image_decoding.pixels(str(tmp_path / "a.jpg"), (30, 30, 3), aspect=aspect)
    assert max(decoded[0].size) == 128 // factor
    expected = np.asarray(aspect_ratio.fit(whole, (30, 30), aspect)).astype(int)
    assert np.abs(found - expected).mean() < 4  # the whole picture's, not reduced
    black = (found == 0).all((1, 2)) if orientation == 1 else (found == 0).all((0, 2))
    assert np.flatnonzero(black).tolist() == ([0, 1, 2, 3, 26, 27, 28, 29] if aspect == "pad" else [])
