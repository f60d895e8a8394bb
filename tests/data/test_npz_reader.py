import numpy as np
import pytest
from conftest import make_pictures

from tfxfer import data
from tfxfer.core.errors import InputError
from tfxfer.data import npz_reader

TRAIN, TEST = make_pictures(60), make_pictures(20, seed=1)


@pytest.mark.parametrize("names", npz_reader.NAMES["train"][:2])
def test_keras_s_and_medmnist_s_names(tmp_path, names):
    """What `from_arrays` makes of the same arrays; labels may be one column."""
    test = tuple(name.replace("train", "test") for name in names)
    arrays = dict(zip((*names, *test), (TRAIN[0], TRAIN[1][:, None], *TEST)))
    np.savez(tmp_path / "set.npz", **arrays)
    found, expected = data.load(tmp_path / "set.npz"), data.from_arrays(TRAIN, TEST)
    assert found.classes == expected.classes
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(found.rows[split].images, expected.rows[split].images)
        np.testing.assert_array_equal(found.rows[split].labels, expected.rows[split].labels)


def test_a_pool_with_gaps_in_its_labels(tmp_path):
    np.savez_compressed(tmp_path / "set.npz", X=TRAIN[0], y=3 * TRAIN[1] - 7)
    found = data.load(f"npz:{tmp_path / 'set.npz'}")
    assert found.classes == tuple(str(3 * label - 7) for label in range(10))
    assert found.size("train") + found.size("validation") + found.size("test") == 60


def test_two_files_stay_on_disk(tmp_path):
    np.save(tmp_path / "images.npy", TRAIN[0])
    np.save(tmp_path / "labels.npy", np.eye(10, dtype=np.uint8)[TRAIN[1]])
    name = f"npz:{tmp_path / 'images.npy'},{tmp_path / 'labels.npy'}"
    found = data.load(name)
    rows = found.rows["train"]
    assert not isinstance(rows.images, np.ndarray)
    ids = found.ids["train"]
    np.testing.assert_array_equal(rows.images[:][..., 0], TRAIN[0][ids])
    np.testing.assert_array_equal(rows.labels, TRAIN[1][ids])
    assert data.load(name).fingerprint == found.fingerprint


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": TRAIN[0]}, "contains a: expected x_train and y_train, train_images and train_labels, x and y"),
        ({"x": TRAIN[0] / 255, "y": TRAIN[1]}, r"images float64 .*: multiply floats in \[0, 1\] by 255"),
        ({"x": TRAIN[0], "y": TRAIN[1][:-1]}, r"labels int64 \(59,\): expected uint8"),
        ({"x": TRAIN[0], "y": TRAIN[1] / 2}, "labels float64"),
        ({"x": TRAIN[0], "y": np.array([{}] * 60)}, "cannot be read .Object arrays cannot be loaded"),
        (
            {"x_train": TRAIN[0], "y_train": TRAIN[1], "x_test": TEST[0], "y_test": TEST[1] + 5},
            "label 10 of test is not",
        ),
        ({"x_train": TRAIN[0], "y_train": TRAIN[1], "x_test": TEST[0][:, 1:], "y_test": TEST[1]}, "resize one to the"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, arrays, message):
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(InputError, match=message) as caught:
        npz_reader.read(str(tmp_path / "set.npz"))
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path):
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 torn")
    for name, message in (("torn.npz", "cannot be read"), ("none.npz", "No such file")):
        with pytest.raises(InputError, match=message):
            npz_reader.read(str(tmp_path / name))
    np.save(tmp_path / "images.npy", TRAIN[0])
    with pytest.raises(InputError, match=r"one array, expected images and labels: give npz:IMAGES\.npy,LABELS\.npy"):
        npz_reader.read(str(tmp_path / "images.npy"))
