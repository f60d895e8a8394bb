"""Frost's textures: crops of photographs, reduced as the benchmark reduces them, and what is generated instead."""

import shutil
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfxfer.core.errors import InputError
from tfxfer.data import corruptions
from tfxfer.data.corruptions import textures
from tfxfer.data.corruptions.draws import Draws

SHARES = ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six photographs, named as the benchmark's, beside what else lies in its folder."""
    folder = tmp_path_factory.mktemp("create_c")
    for number in range(1, 7):
        Image.fromarray(noise(160 + 10 * number, 300 - 10 * number, number)).save(folder / f"frost{number}.png")
    (folder / "make_cifar_c.py").write_text("code")
    return folder


@pytest.mark.parametrize("severity", corruptions.SEVERITIES)
def test_frost_is_every_fifth_pixel_of_a_photograph_added(folder, severity):
    images = noise(60 * 32, 32).reshape(60, 32, 32, 3)
    given = corruptions.corrupt(tf.constant(images), tf.range(60, dtype=tf.int64), "frost", severity, 0, folder).numpy()
    draws = Draws(tf.range(60), zlib.crc32(b"frost 0"))
    which, down, right = draws.integers(low=0, high=5), draws.uniform(), draws.uniform()
    share, ice = SHARES[severity - 1]
    expected = []
    for image, number, y, x in zip(images, which.numpy(), down.numpy(), right.numpy()):
        photograph = noise(170 + 10 * number, 290 - 10 * number, number + 1)[2::5, 2::5]
        top, left = int(y * (photograph.shape[0] - 32)), int(x * (photograph.shape[1] - 32))
        crop = photograph[top : top + 32, left : left + 32].astype(float)
        expected.append(np.uint8(np.clip(share * image + ice * crop, 0, 255)))
    np.testing.assert_allclose(given.astype(int), expected, atol=1)
    assert (given != expected).mean() < 0.002  # where the sum is a whole number, rounding decides
    assert set(which.numpy()) == set(range(5))


def test_on_grey_images_photographs_are_grey(folder):
    images = noise(5 * 32, 32).reshape(5, 32, 32, 3)[..., :1] // 2
    ids = tf.range(5, dtype=tf.int64)
    grey = corruptions.corrupt(tf.constant(images), ids, "frost", 2, 0, folder).numpy()[..., 0]
    colored = corruptions.corrupt(tf.repeat(images, 3, -1), ids, "frost", 2, 0, folder).numpy()
    np.testing.assert_allclose(grey, colored @ [0.299, 0.587, 0.114], atol=1.5)


@pytest.mark.parametrize("size", [28, 64, 96, 224])
def test_at_other_sizes_photographs_are_resized_bilinearly(size):
    """So that a crop shows as much of the ice; as tf.image.resize does where sides come out whole."""
    pixels = noise(160, 320)
    sides = pixels.shape[0] * size // 160, pixels.shape[1] * size // 160
    expected = tf.image.resize(pixels.astype(np.float32), sides).numpy()
    found = textures._reduce(pixels, 160 / size)
    np.testing.assert_allclose(found, expected, atol=0.51)


@pytest.mark.parametrize("size", [28, 32, 96])
def test_generated_textures_have_the_photographs_colour_and_spread(size):
    """Red, green and blue of 800 random crops of 32 x 32 from each of the benchmark's five, reduced by OpenCV."""
    given = tf.function(lambda: textures.generate(Draws(tf.range(1000), 0), size))().numpy().astype(float)
    assert given.min() >= 0
    assert given.max() <= 1
    np.testing.assert_allclose(given.mean((0, 1, 2)), (0.565, 0.649, 0.696), atol=0.02)
    np.testing.assert_allclose(given.std((1, 2)).mean(0), (0.092, 0.086, 0.086), rtol=0.05)
    np.testing.assert_allclose(given.mean((1, 2)).std(0), (0.200, 0.141, 0.135), rtol=0.06)


def test_of_the_benchmarks_six_its_code_uses_five(folder, tmp_path):
    found = textures.read_photographs(folder)
    assert list(found.pixels) == [f"frost{number}.png" for number in range(1, 6)]
    shutil.copytree(folder, tmp_path / "more")
    (tmp_path / "more" / "frost6.png").rename(tmp_path / "more" / "ice.png")
    assert len(textures.read_photographs(tmp_path / "more").pixels) == 6


def test_photographs_are_known_by_what_they_are(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "copy")
    known, copy = textures.read_photographs(folder), textures.read_photographs(tmp_path / "copy")
    assert known == copy
    assert repr(known) == repr(copy)
    Image.fromarray(noise(200, 200)).save(tmp_path / "copy" / "frost2.png")
    assert repr(textures.read_photographs(tmp_path / "copy")) != repr(known)
    monkeypatch.setattr(textures, "BENCHMARK_SHA256", known.sha256)
    assert textures.remark(known) == "frost uses the benchmark's photographs of ice"
    assert textures.remark(textures.read_photographs(tmp_path / "copy")).endswith("copy, which are not the benchmark's")
    assert "generated textures" in textures.remark(None)


def test_folders_without_photographs_of_use(folder, tmp_path, monkeypatch):
    for name in ("empty", "small", "torn"):
        (tmp_path / name).mkdir()
    Image.fromarray(noise(164, 900)).save(tmp_path / "small" / "ice.png")
    (tmp_path / "torn" / "ice.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    complaints = {
        tmp_path / "none": "none is not a folder: expected one with photographs of ice",
        folder / "frost1.png": "frost1.png is not a folder",
        tmp_path
        / "empty": "empty: no .jpg, .jpeg or .png files in it: expected photographs of ice, such as frost1.png",
        tmp_path / "small": r"ice.png: 900 x 164 pixels, expected a photograph of at least 165 x 165",
        tmp_path / "torn": "ice.png: ",
    }
    for path, complaint in complaints.items():
        with pytest.raises(InputError, match=complaint):
            textures.read_photographs(path)
    monkeypatch.setattr(textures, "MAX_PIXELS", 100_000)
    with pytest.raises(InputError, match="more than 100,000 pixels in all: use fewer or smaller ones"):
        textures.read_photographs(folder)
