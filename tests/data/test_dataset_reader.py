"""tf.data pipelines as users of Keras have them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_pictures
from PIL import Image

from tfxfer import data, features, model
from tfxfer.core import memory
from tfxfer.core.errors import InputError

IMAGES, LABELS = make_pictures(60)
IMAGES = IMAGES[..., None]
Slices = tf.data.Dataset.from_tensor_slices


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path / "cache"))


PIPELINES = {
    "single pairs": lambda: (Slices((IMAGES, LABELS)), {}),
    "batches": lambda: (Slices((IMAGES, LABELS)).batch(7), {}),
    "one-hot batches": lambda: (Slices((IMAGES, np.eye(10, dtype=np.float32)[LABELS])).batch(7), {}),
    "a column of labels": lambda: (Slices((IMAGES, LABELS[:, None])).batch(7), {}),
    "dicts": lambda: (Slices({"image": IMAGES, "label": LABELS, "id": LABELS}), {}),
    "dicts of other names": lambda: (
        Slices({"x": IMAGES, "y": LABELS.astype(np.int32)}).batch(16),
        {"image_key": "x", "label_key": "y"},
    ),
    "floats to 1": lambda: (Slices((IMAGES / 255, LABELS)).batch(7), {"pixel_range": (0, 1)}),
    "floats from -1": lambda: (Slices((np.float32(IMAGES / 127.5 - 1), LABELS)), {"pixel_range": (-1, 1)}),
    "integers": lambda: (Slices((IMAGES.astype(np.int32), LABELS)), {"pixel_range": (0, 255)}),
    "of unknown length": lambda: (Slices((IMAGES, LABELS)).filter(lambda *_: True).batch(7), {}),
    "with weights": lambda: (Slices((IMAGES, LABELS, np.ones(60))).batch(7), {}),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_every_form_is_the_arrays(name):
    pipeline, options = PIPELINES[name]()
    found = data.from_dataset(pipeline, **options)
    for split in ("train", "validation", "test"):
        rows, ids = found.rows[split], found.ids[split]
        np.testing.assert_array_equal(rows.images, IMAGES[ids])
        np.testing.assert_array_equal(rows.labels, LABELS[ids])
    assert sorted(np.concatenate(list(found.ids.values()))) == list(range(60))


def test_all_three_parts_stay_as_they_are():
    rows = {"train": slice(40), "validation": slice(40, 50), "test": slice(50, 60)}
    parts = {name: Slices((IMAGES[index], LABELS[index])) for name, index in rows.items()}
    found = data.from_dataset(**parts)
    assert {split: found.size(split) for split in parts} == {"train": 40, "validation": 10, "test": 10}
    assert sorted(found.ids["test"]) == list(range(50, 60))
    expected = data.from_dataset(**parts)
    assert expected.fingerprint == found.fingerprint


def test_too_large_for_memory_goes_through_the_cache(monkeypatch):
    expected = data.from_dataset(Slices((IMAGES, LABELS)).batch(7))
    monkeypatch.setattr(memory, "fits", lambda nbytes: False)
    found = data.from_dataset(Slices((IMAGES, LABELS)).batch(7))
    images = found.rows["train"].images
    assert not isinstance(images, np.ndarray)
    np.testing.assert_array_equal(images[:], expected.rows["train"].images)
    np.testing.assert_array_equal(found.rows["test"].labels, expected.rows["test"].labels)
    again = data.from_dataset(Slices((IMAGES, LABELS)).batch(7))
    assert again.fingerprint == found.fingerprint
    with pytest.raises(InputError, match="gives other images, or in another order, when it is read again"):
        data.from_dataset(Slices((IMAGES, LABELS)).shuffle(60))


def test_keras_s_own_reader_of_folders(tmp_path):
    """Class names and images as Keras gives them; at their own size, which needs no resizing, those of `folder:`."""
    for number, (image, label) in enumerate(zip(IMAGES[..., 0], LABELS)):
        (tmp_path / "set" / f"digit {label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "set" / f"digit {label}" / f"{number:02}.png")
    options = {"image_size": (28, 28), "shuffle": False, "batch_size": 16, "verbose": False}
    keras_s = keras.utils.image_dataset_from_directory(tmp_path / "set", **options)
    found = data.from_dataset(keras_s, pixel_range=(0, 255))
    ours = data.load(tmp_path / "set", image_size=28)
    assert found.classes == ours.classes == tuple(f"digit {label}" for label in range(10))
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(found.rows[split].labels, ours.rows[split].labels)
        np.testing.assert_array_equal(found.rows[split].images, ours.rows[split].images[:])


def test_features_of_kerass_directory_are_those_of_the_folder(tmp_path):
    """Enlarged, both resize bilinearly between the same places; to whole numbers here, to fractions in Keras.

    Reduced, they differ by more: Keras takes two pixels in each direction, however many there are for one, where a
    folder's images are antialiased (photos of 500 x 375 to 96: 2 levels a pixel, 8% of the features). EfficientNet-
    Lite0 is that sensitive: pictures of 64 x 64 to 96, which differ by one level at most, differ in 5% of the features.
    """
    rng = np.random.default_rng(0)
    for number in range(40):
        folder = tmp_path / "set" / f"class {number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        smooth = Image.fromarray(rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)).resize((28, 28), Image.BICUBIC)
        smooth.save(folder / f"{number}.png")
    pipeline = keras.utils.image_dataset_from_directory(
        tmp_path / "set", image_size=(48, 48), shuffle=False, batch_size=16, verbose=0
    )
    theirs, ours = data.from_dataset(pipeline, pixel_range=(0, 255)), data.load(tmp_path / "set", image_size=48)
    net = model.build("efficientnet_lite0", ours, 48)
    for split in ("train", "validation", "test"):
        mine, other = (features.extract(net, getattr(splits, split))["embedding"] for splits in (ours, theirs))
        assert np.linalg.norm(other - mine) < 2e-2 * np.linalg.norm(mine)
    assert np.abs(ours.rows["train"].images[:].astype(int) - theirs.rows["train"].images).max() <= 1


@pytest.mark.parametrize(
    ("train", "options", "message"),
    [
        (lambda: Slices(IMAGES), {}, r"train: elements are .*: expected pairs \(image, label\)"),
        (
            lambda: Slices({"pixels": IMAGES, "label": LABELS}),
            {},
            "elements have pixels, label, not image: give image_key",
        ),
        (lambda: Slices((IMAGES[..., 0], LABELS)), {}, r"expected \(height, width, channels\), .*give grey"),
        (lambda: Slices((IMAGES / 255, LABELS)), {}, "pixels are float64, pixel_range is None: give their lowest"),
        (lambda: Slices((IMAGES, LABELS)), {"pixel_range": (0, 255)}, "leave it out, uint8 is 0 to 255"),
        (
            lambda: Slices((IMAGES / 1.0, LABELS)),
            {"pixel_range": (0, 1)},
            "pixels are 0 to 2.*, outside of pixel_range",
        ),
        (lambda: Slices((IMAGES / 255, LABELS)), {"pixel_range": (1, 0)}, "pixel_range .1, 0.: expected the lowest"),
        (lambda: Slices((IMAGES, LABELS / 2)), {}, "labels float64 .*: expected whole numbers, or one-hot"),
        (lambda: Slices((IMAGES, LABELS)).repeat(), {}, "train: has no end: leave out repeat"),
        (lambda: Slices((IMAGES, LABELS)).filter(lambda *_: False), {}, "train: is empty"),
        (lambda: Slices((IMAGES, LABELS)), {"classes": ["a", "b"]}, "labels outside 0 to 1"),
        (
            lambda: Slices((IMAGES, LABELS)),
            {"test": lambda: Slices((IMAGES[:, :20], LABELS))},
            "test images .20, 28, 1.: resize one",
        ),
        (lambda: Slices((IMAGES, LABELS)), {"test": (IMAGES, LABELS)}, "expected a tf.data.Dataset"),
        (
            lambda: Slices((IMAGES, LABELS)).batch(25).map(lambda x, y: (x[:, tf.shape(x)[0] // 25 :], y)),
            {},
            "images of .*: resize them to one size",
        ),
    ],
)
def test_what_is_wrong_is_one_line(train, options, message):
    with pytest.raises(InputError, match=message) as caught:
        data.from_dataset(train(), **{name: of() if callable(of) else of for name, of in options.items()})
    assert "\n" not in str(caught.value)
