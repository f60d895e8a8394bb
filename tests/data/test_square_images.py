"""Images of one size that are not square, in arrays."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfxfer import data
from tfxfer.core.errors import InputError
from tfxfer.data import image_decoding
from tfxfer.data.aspect_ratio import ASPECTS
from tfxfer.data.splits import SPLITS

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 9, 14, 3)).astype(np.uint8)
LABELS = np.arange(24) % 2


@pytest.fixture(params=["npz", "npy"])
def name(request, tmp_path):
    """In memory, or on disk until they are needed."""
    if request.param == "npz":
        np.savez(tmp_path / "a.npz", x=IMAGES, y=LABELS)
        return f"npz:{tmp_path / 'a.npz'}"
    np.save(tmp_path / "x.npy", IMAGES)
    np.save(tmp_path / "y.npy", LABELS)
    return f"npz:{tmp_path / 'x.npy'},{tmp_path / 'y.npy'}"


PADDED = np.pad(IMAGES, ((0, 0), (2, 3), (0, 0), (0, 0)))


@pytest.mark.parametrize("aspect", ASPECTS)
def test_they_are_cut_or_filled(name, aspect):
    expected = {"squash": IMAGES, "crop": IMAGES[:, :, 2:11], "pad": PADDED}[aspect]
    splits = data.load(name, aspect=aspect)
    assert splits.image_shape == expected.shape[1:]
    assert splits.aspect == splits.describe()["aspect"] == aspect
    for split in SPLITS:
        rows, ids = splits.rows[split], splits.ids[split]
        np.testing.assert_array_equal(rows.images[:], expected[ids])
        np.testing.assert_array_equal(rows.take(slice(1, 3)).images[0], expected[ids[1]])
        (batch,) = splits.batches(split, 24)
        np.testing.assert_array_equal(batch["image"], expected[ids])


@pytest.mark.parametrize("aspect", ["crop", "pad"])
def test_a_file_of_such_an_image_becomes_the_same_pixels(name, aspect, tmp_path):
    splits = data.load(name, aspect=aspect)
    number = splits.ids["test"][0]
    Image.fromarray(IMAGES[number]).save(tmp_path / "a.png")
    found = image_decoding.pixels(str(tmp_path / "a.png"), splits.image_shape, aspect=aspect)
    np.testing.assert_array_equal(found, splits.rows["test"].images[0])


def test_they_are_known_by_what_they_are(name):
    plain, crop, pad = (data.load(name, aspect=aspect).fingerprint for aspect in ("squash", "crop", "pad"))
    assert data.load(name).fingerprint == plain
    assert data.load(name, aspect="crop").fingerprint == crop
    assert len({plain, crop, pad}) == 3


def test_square_images_stay_what_they_are():
    """And what is computed from them stays known: pictures given to the network later are another matter."""
    plain, crop = data.load("digits", limit=40), data.load("digits", limit=40, aspect="crop")
    assert (plain.fingerprint, plain.image_shape) == (crop.fingerprint, crop.image_shape)
    assert (plain.aspect, crop.aspect) == ("squash", "crop")


def test_a_programs_own_data():
    """As arrays and as pipelines, such as Keras's that crop themselves."""
    arrays = data.from_arrays((IMAGES[:16], LABELS[:16]), (IMAGES[16:], LABELS[16:]), aspect="crop")
    pipelines = [
        tf.data.Dataset.from_tensor_slices((IMAGES[part, :, 2:11], LABELS[part])) for part in (slice(16), slice(16, 24))
    ]
    same = data.from_dataset(*pipelines, aspect="crop")
    for splits in (arrays, same):
        assert (splits.aspect, splits.image_shape) == ("crop", (9, 9, 3))
        np.testing.assert_array_equal(splits.rows["test"].images[:], IMAGES[splits.ids["test"], :, 2:11])
    for wrong in (lambda: data.from_arrays(*[(IMAGES, LABELS)] * 2, aspect=1), lambda: data.from_dataset(1, aspect=1)):
        with pytest.raises(InputError, match="aspect 1: expected one of squash, crop, pad"):
            wrong()


def test_another_word_is_refused_before_anything_is_read():
    with pytest.raises(InputError, match="aspect 'stretch': expected one of squash, crop, pad"):
        data.load("nowhere", aspect="stretch")
