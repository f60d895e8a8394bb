"""The decoder against arrays that pictures were made from, and against Pillow."""

import io
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from tfxfer.data import aspect_ratio, image_decoding
from tfxfer.data.aspect_ratio import ASPECTS
from tfxfer.data.lazy_images import Files
from tfxfer.export import image_ops

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 9, 3)).astype(np.uint8)


def content(image: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, kind, **options)
    return file.getvalue()


def decoded(picture: bytes, shape=(6, 9, 3), aspect="squash") -> np.ndarray:
    return image_ops.decode(tf.constant(picture), shape, aspect).numpy()


def turned(orientation: int, order: str = "<", kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif.endian = order
    exif[0x0112] = orientation
    exif[0x010F] = "a maker's name, longer than four bytes"
    return content(PIXELS, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(orientation, order, kind):
    picture = turned(orientation, order, kind)
    assert image_ops.orientation(tf.constant(picture)).numpy() == orientation
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(picture))))
    np.testing.assert_array_equal(decoded(picture, expected.shape), expected)


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_an_orientation_that_is_none_is_upright(orientation):
    assert image_ops.orientation(tf.constant(turned(orientation))).numpy() == 1


@pytest.mark.parametrize(
    "picture", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", content(PIXELS)]
)
def test_no_exif_is_upright(picture):
    assert image_ops.orientation(tf.constant(picture)).numpy() == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_an_exif_that_is_cut_short_or_changed_never_fails(kind):
    picture, rng = turned(6, kind=kind), np.random.default_rng(0)
    read = tf.function(image_ops.orientation, input_signature=[tf.TensorSpec((), tf.string)])
    for _ in range(200):
        damaged = bytearray(picture[: rng.integers(3, len(picture))])
        for place in rng.integers(2, len(damaged), 3):
            damaged[place] = rng.integers(256)
        assert 1 <= read(tf.constant(bytes(damaged))).numpy() <= 8


GREY = PIXELS[..., 0]
OPAQUE = np.dstack([PIXELS, np.where(GREY > 128, 255, 0).astype(np.uint8)])


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (PIXELS, PIXELS),
        (GREY, np.stack([GREY] * 3, -1)),
        (GREY > 128, np.stack([(GREY > 128) * 255] * 3, -1)),
        (GREY.astype(np.uint16) * 256 + 255, np.stack([GREY] * 3, -1)),
        (OPAQUE, np.where(OPAQUE[..., 3:] > 0, PIXELS, 255)),
    ],
    ids=["rgb", "grey", "one bit", "16 bits", "holes"],
)
def test_every_kind_of_png_becomes_rgb(picture, expected):
    np.testing.assert_array_equal(decoded(content(picture)), expected)


def test_transparency_lies_on_white_as_pillow_puts_it():
    picture = Image.fromarray(np.dstack([PIXELS, GREY]))
    expected = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    np.testing.assert_allclose(decoded(content(picture)).astype(int), np.asarray(expected), atol=1)


def test_palettes_are_looked_up_holes_too():
    picture = Image.fromarray(GREY % 4)
    picture.putpalette(PIXELS[0, :4].ravel().tolist())
    expected = PIXELS[0, :4][GREY % 4]
    np.testing.assert_array_equal(decoded(content(picture)), expected)
    holes = np.where((GREY % 4 == 2)[..., None], 255, expected)
    np.testing.assert_array_equal(decoded(content(picture, transparency=2)), holes)
    glass = Image.open(io.BytesIO(content(picture, transparency=bytes([0, 85, 170, 255]))))
    white = Image.new("RGBA", glass.size, "white")
    expected = np.asarray(Image.alpha_composite(white, glass.convert("RGBA")).convert("RGB"))
    np.testing.assert_allclose(decoded(content(glass)).astype(int), expected, atol=1)


def test_printers_colours():
    """CMYK, whose values JPEGs hold inverted."""
    smooth = Image.fromarray(PIXELS).resize((64, 48), Image.Resampling.BICUBIC)
    picture = content(smooth.convert("CMYK"), "JPEG", quality=95)
    expected = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    np.testing.assert_allclose(decoded(picture, (48, 64, 3)).astype(int), expected, atol=2)


def test_colours_become_grey_where_the_data_is():
    expected = np.asarray(Image.fromarray(PIXELS).convert("L"))
    np.testing.assert_allclose(decoded(content(PIXELS), (6, 9, 1))[..., 0].astype(int), expected, atol=1)
    np.testing.assert_array_equal(decoded(content(GREY), (6, 9, 1))[..., 0], GREY)


@pytest.mark.parametrize("size", [(3, 4), (24, 31), (6, 4)])
def test_resizing_is_pillows(size):
    """Pillow's bilinear filter is antialiased too."""
    expected = np.asarray(Image.fromarray(PIXELS).resize(size[::-1], Image.Resampling.BILINEAR))
    np.testing.assert_allclose(decoded(content(PIXELS), (*size, 3)).astype(int), expected, atol=1)


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("size", [6, 4, 17])
def test_what_is_served_is_what_was_learned_from(tmp_path, size, aspect):
    """A file given to the SavedModel and the same file in a folder that is trained on, to one level."""
    palette = Image.fromarray(GREY % 4)
    palette.putpalette(PIXELS[0, :4].ravel().tolist())
    kinds = {
        "rgb.png": content(PIXELS),
        "grey.png": content(GREY),
        "deep.png": content(GREY.astype(np.uint16) * 256 + 255),
        "holes.png": content(OPAQUE),
        "palette.png": content(palette, transparency=2),
        "turned.jpg": turned(6),
        "turned.png": turned(8, kind="PNG"),
        "smooth.jpg": content(Image.fromarray(PIXELS).resize((64, 48), Image.Resampling.BICUBIC), "JPEG"),
    }
    for name, picture in kinds.items():
        (tmp_path / name).write_bytes(picture)
    paths = np.array([str(tmp_path / name) for name in kinds])
    for served, learned in zip(kinds.values(), Files(paths, size, aspect=aspect)[:]):
        np.testing.assert_allclose(decoded(served, (size, size, 3), aspect).astype(int), learned, atol=1)


@pytest.mark.parametrize("aspect", ["crop", "pad"])
@pytest.mark.parametrize("side", [(7, 400), (400, 7), (1, 90), (50, 50), (51, 50), (201, 200), (300, 397)])
def test_pictures_of_any_aspect_are_placed_as_in_training(tmp_path, side, aspect):
    """In a graph that does not know their size, as a server has it; black is black to the pixel."""
    picture = content(RNG.integers(0, 256, (*side, 3)).astype(np.uint8))
    (tmp_path / "a").write_bytes(picture)
    given = [tf.TensorSpec((), tf.string)]
    read = tf.function(lambda content: image_ops.decode(content, (24, 24, 3), aspect), input_signature=given)
    learned = image_decoding.pixels(str(tmp_path / "a"), (24, 24, 3), aspect=aspect)
    served = read(tf.constant(picture)).numpy()
    np.testing.assert_allclose(served.astype(int), learned, atol=1)
    where = aspect_ratio.place(side, (24, 24), aspect)
    outside = np.ones((24, 24), bool)
    outside[max(0, where.top) : where.top + where.height, max(0, where.left) : where.left + where.width] = False
    assert outside.any() == (aspect == "pad" and where[:2] != (24, 24))
    assert (served[outside] == 0).all()
    assert (learned[outside] == 0).all()


@pytest.mark.parametrize("picture", [b"", b"no picture", content(PIXELS)[:60], turned(1)[:400]])
def test_what_is_no_picture_is_an_error(picture):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoded(picture)


@pytest.mark.parametrize("kind", ["WEBP", "BMP", "GIF", "TIFF"])
def test_other_kinds_are_refused(kind):
    """TensorFlow reads some of them, and shows what a palette or transparency hides."""
    with pytest.raises(tf.errors.InvalidArgumentError, match="image_bytes: expected a JPEG or PNG file"):
        decoded(content(np.dstack([PIXELS, GREY]), kind))


@pytest.mark.parametrize("shape", [(97, 97, 3), (48, 30, 3), (24, 24, 3), (12, 12, 3), (5, 7, 3), (24, 24, 1)])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("aspect", ASPECTS)
def test_jpegs_are_reduced_as_in_training(tmp_path, shape, orientation, aspect):
    """To a level: Pillow rounds after each of two passes and is off by 1/2 + 1/2 at most, TensorFlow rounds once and is
    off by 1/2; whole numbers that differ by 3/2 at most differ by 1. Grey is rounded once more: by 2."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(PIXELS).resize((131, 97), Image.Resampling.BICUBIC)
    (tmp_path / "a").write_bytes(content(picture, "JPEG", quality=90, exif=exif))
    learned = image_decoding.pixels(str(tmp_path / "a"), shape, aspect=aspect)
    served = decoded((tmp_path / "a").read_bytes(), shape, aspect)
    np.testing.assert_allclose(served.astype(int), learned, atol=1 if shape[2] == 3 else 2)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_large_pictures_are_reduced_as_in_training(tmp_path, monkeypatch, factor):
    """A JPEG to one level; a PNG is not reduced, so that a coarse one may differ by more."""
    for module in (image_ops, image_decoding):
        monkeypatch.setattr(module, "LARGE", 200 * 300 // factor**2)
    smooth = Image.fromarray(PIXELS).resize((300, 200), Image.Resampling.BICUBIC)
    for kind, levels in (("JPEG", 1), ("PNG", 2)):
        (tmp_path / "a").write_bytes(content(smooth, kind))
        learned = image_decoding.pixels(str(tmp_path / "a"), (24, 24, 3))
        served = decoded((tmp_path / "a").read_bytes(), (24, 24, 3))
        np.testing.assert_allclose(served.astype(int), learned, atol=levels)


def test_a_header_that_claims_a_million_by_a_million_is_refused():
    """In no time: nothing is allocated for it."""
    picture = bytearray(content(PIXELS))
    picture[16:24] = (10**6).to_bytes(4, "big") * 2
    picture[29:33] = zlib.crc32(picture[12:29]).to_bytes(4, "big")
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoded(bytes(picture))
