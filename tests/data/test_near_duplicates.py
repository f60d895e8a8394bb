"""Near-copies: planted, found, told from look-alikes, refused."""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import fft

from tfxfer import data
from tfxfer.core.errors import InputError
from tfxfer.data import image_frequencies, near_duplicates
from tfxfer.data.image_alignment import residuals

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def planted():
    """200 images like photographs: of 50 test images 24 are near-copies of training images, six of each kind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("near_duplicates").planted(200, 64, 3)


@pytest.fixture
def photo_like(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("photo_like")


def test_low_frequencies_are_scipys_of_area_means():
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3)).astype(np.uint8)
    small, frequencies = image_frequencies.describe(image)
    assert (small.shape, small.dtype, frequencies.shape) == ((1, 32, 32), np.uint8, (1, 75))
    means = image.astype(float).reshape(1, 32, 2, 32, 3, 3).mean((2, 4))
    expected = fft.dctn(means[0, ..., 1], norm="ortho")[:5, :5]
    np.testing.assert_allclose(frequencies[0].reshape(3, 5, 5)[1], expected, rtol=1e-3, atol=0.01)


@pytest.mark.parametrize("shape", [(40, 30, 3), (28, 28, 1), (8, 8, 1), (3, 4, 1)])
def test_frequencies_of_mirrored_images_follow(shape):
    images = np.random.default_rng(1).integers(0, 256, (4, *shape)).astype(np.uint8)
    _, frequencies = image_frequencies.describe(images)
    _, flipped = image_frequencies.describe(images[:, :, ::-1])
    np.testing.assert_allclose(image_frequencies.mirrored(frequencies), flipped, atol=0.01)


def smooth(n, side=32, seed=0):
    """Blurred noise, float32 (n, side, side) from 0 to 255."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 10, 10)).astype(np.uint8)
    pictures = [np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC)) for one in coarse]
    return np.stack(pictures).astype(np.float32)


def test_shifted_and_resized_images_align():
    images = smooth(6)
    assert residuals(images, images).max() < 1e-5
    assert residuals(images, 0.5 * images + 40).max() < 1e-5  # brightness and contrast do not count
    assert residuals(images, np.roll(images, (3, -2), (1, 2))).max() < 1e-5
    resized = np.stack([Image.fromarray(one).resize((32, 32), box=(2, 1, 29, 28)) for one in images])
    assert residuals(resized, images).max() < 0.03
    assert residuals(images, smooth(6, seed=9)).min() > 0.2
    assert residuals(np.full((1, 32, 32), 7, np.float32), images[:1]) == pytest.approx(1)


def test_planted_copies_are_found_and_nothing_else(planted):
    splits, kinds, sources = planted
    copies = near_duplicates.find(splits)
    right = copies.other_row == sources[copies.row]
    assert right.mean() >= 0.95
    assert right.sum() >= 0.8 * (kinds != "").sum()  # with features of a network, 0.9
    assert copies.mirrored[right].tolist() == (kinds[copies.row[right]] == "mirrored").tolist()
    assert {"jpeg", "mirrored"} <= set(kinds[copies.row])
    assert copies.summary() == {"across_test": len(copies), "across_validation": 0}
    first = copies.pairs()[0]
    assert (first["split"], first["other"]["split"]) == ("test", "train")
    assert first["id"] == splits.ids["test"][copies.row[0]]
    assert (np.diff(copies.difference) >= 0).all()


def test_features_propose_copies_that_frequencies_miss(planted, monkeypatch):
    splits, kinds, sources = planted
    known = {"train": np.eye(150)}
    known["test"] = np.eye(150)[np.maximum(sources, 0)] * (sources >= 0)[:, None]
    copies = near_duplicates.find(splits, known)
    assert (copies.other_row == sources[copies.row]).sum() >= 0.95 * (kinds != "").sum()
    some = near_duplicates.find(splits, {"train": known["train"][:80], "test": known["test"][:30]})
    assert len(near_duplicates.find(splits)) <= len(some) <= len(copies)


def test_digits_are_no_copies_of_each_other():
    """1,797 real digits of 8 x 8 pixels, many of which look alike."""
    splits = data.load("digits")
    assert len(near_duplicates.find(splits)) <= 9  # 0.5%


def test_images_without_contrast_or_company_are_no_copies():
    flat = np.repeat(np.arange(40, dtype=np.uint8), 28 * 28).reshape(40, 28, 28)
    splits = data.from_arrays((flat[:30], np.arange(30) % 2), (flat[30:], np.arange(10) % 2), strict=True)
    assert len(near_duplicates.find(splits)) == 0
    few = replace(splits, rows=splits.rows | {"train": splits.rows["train"].take(slice(2))})
    few = replace(few, ids=few.ids | {"train": few.ids["train"][:2]}).only(validation=slice(0))
    assert len(near_duplicates.find(few)) == 0


@pytest.fixture
def leaking(photo_like):
    images, labels = photo_like.photographs(60, 48, 5)
    rng = np.random.default_rng(0)
    images[50] = photo_like.near_copy(images[3], "jpeg", rng)
    images[51] = images[4]
    return (images[:48], labels[:48]), (images[48:], labels[48:])


def test_a_leak_is_refused_with_strict(leaking):
    (images, labels), (test, others) = leaking
    test = np.delete(test, 3, 0)  # the equal one
    clean = data.from_arrays((images, labels), (test, np.delete(others, 3)))
    copies = near_duplicates.find(clean)
    with pytest.warns(UserWarning, match=r"^arrays: test images with a near-copy in training or validation .*: 1,"):
        noted = near_duplicates.check(clean, copies, False)
    assert noted.describe()["near_duplicates"] == {"across_test": 1, "across_validation": 0}
    with pytest.raises(InputError, match=r"such as test 50 and (train|validation) 3: remove the copies, or leave out"):
        data.from_arrays((images, labels), (test, np.delete(others, 3)), strict=True)
    assert near_duplicates.check(clean, near_duplicates.find(clean.only(test=slice(2))), True) is clean


def test_equal_images_are_for_duplicates(leaking):
    with pytest.warns(UserWarning, match="images that occur more than once: 2 "):
        splits = data.from_arrays(*leaking)
    assert [pair["id"] for pair in near_duplicates.find(splits).pairs()] == [50]
