import numpy as np
import pytest
import tensorflow as tf
from conftest import make_pictures, write_idx_set

from tfxfer import data
from tfxfer.core.errors import InputError
from tfxfer.data.splits import first_of_each, stratified

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def test_elements_are_dicts_of_uint8_image_label_and_id(digits):
    spec = digits.train.element_spec
    assert spec["image"] == tf.TensorSpec((8, 8, 1), tf.uint8)
    assert spec["label"].dtype == spec["id"].dtype == tf.int64
    assert int(digits.test.cardinality()) == digits.size("test") == 450
    example = next(iter(digits.train))
    source = data.sources.find("digits").train
    np.testing.assert_array_equal(example["image"], source.images[int(example["id"])])
    assert int(example["label"]) == source.labels[int(example["id"])]


def test_splits_share_no_image_and_leave_none_out(digits):
    ids = np.concatenate([digits.ids[name] for name in SPLITS])
    assert sorted(ids) == list(range(1797))


def test_shares_are_of_what_is_there_and_refused_where_there_is_a_set(digits, tmp_path):
    splits = data.load("digits", validation=0.2, test=0.5)
    assert [splits.size(name) for name in SPLITS] == [718, 180, 899]
    same = data.load("digits", validation=0.1, test=0.25)
    assert same.fingerprint == digits.fingerprint
    write_idx_set(tmp_path)
    assert data.load(f"idx:{tmp_path}", validation=0.2).size("validation") == 40
    with pytest.raises(InputError, match=r"test 0\.25: idx:.* has its own test images, which are used: leave test"):
        data.load(f"idx:{tmp_path}", test=0.25)


def test_published_test_set_stays_whole_and_its_ids_follow_training(tmp_path):
    write_idx_set(tmp_path)
    splits = data.load(f"idx:{tmp_path}")
    assert sorted(splits.ids["test"]) == list(range(200, 250))
    assert sorted([*splits.ids["train"], *splits.ids["validation"]]) == list(range(200))
    images, _ = make_pictures(50, seed=2)
    np.testing.assert_array_equal(splits.rows["test"].images[..., 0], images[splits.ids["test"] - 200])


@pytest.mark.parametrize("split", SPLITS)
def test_every_prefix_is_stratified(digits, split):
    labels = digits.rows[split].labels
    shares = np.bincount(labels) / len(labels)
    for n in (10, 57, 100, len(labels)):
        counts = np.bincount(labels[:n], minlength=10)
        assert np.abs(counts - n * shares).max() <= 1.5


def test_stratified_order_of_unequal_classes():
    labels = np.repeat([0, 1, 2], [90, 9, 1])
    order = stratified(labels, seed=0)
    assert sorted(order) == list(range(100))
    assert np.bincount(labels[order[:50]], minlength=3) == pytest.approx([45, 4.5, 0.5], abs=0.6)
    within = [i for i in order if labels[i] == 0]
    assert within != sorted(within)


def test_seed_fixes_the_splits(digits):
    again, other = data.load("digits"), data.load("digits", seed=1)
    for name in SPLITS:
        np.testing.assert_array_equal(digits.ids[name], again.ids[name])
        assert set(digits.ids[name]) != set(other.ids[name])
    assert digits.fingerprint == again.fingerprint != other.fingerprint


def test_limit_takes_a_quarter_for_the_others_and_nests(digits):
    hundred, two = data.load("digits", limit=100), data.load("digits", limit=200)
    assert [hundred.size(name) for name in SPLITS] == [100, 25, 25]
    assert np.bincount(hundred.rows["train"].labels).tolist() == [10] * 10
    for name in SPLITS:
        assert set(hundred.ids[name]) <= set(two.ids[name]) <= set(digits.ids[name])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"limit": 9}, "limit 9 is less than one image for each of the 10 classes"),
        ({"validation": 0.0}, "validation 0.0: expected a share"),
        ({"test": 1.5}, "test 1.5: expected a share"),
    ],
)
def test_bad_shares(options, complaint):
    with pytest.raises(InputError, match=complaint):
        data.load("digits", **options)


def test_batches_agree_with_single_examples(digits):
    batches = list(digits.batches("validation", 50))
    assert [len(batch["id"]) for batch in batches] == [50, 50, 35]
    singles = list(digits.validation)
    np.testing.assert_array_equal(tf.concat([b["image"] for b in batches], 0), [s["image"] for s in singles])
    np.testing.assert_array_equal(tf.concat([b["id"] for b in batches], 0), digits.ids["validation"])


def test_shuffled_epochs_differ_and_repeat_with_the_seed(digits):
    def epochs(seed):
        ids = np.concatenate([b["id"] for b in digits.batches("train", 100, seed, epochs=2)])
        return np.split(ids, 2)

    first, again, other = epochs(0), epochs(0), epochs(1)
    assert sorted(first[0]) == sorted(digits.ids["train"])
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], other[0])


def test_fingerprint_sees_pixels_labels_and_class_names():
    train, test = make_pictures(100), make_pictures(50, seed=1)
    base = data.from_arrays(train, test).fingerprint
    touched = train[0].copy()
    touched[5, 3, 3] ^= 1
    assert data.from_arrays((touched, train[1]), test).fingerprint != base
    assert data.from_arrays((train[0], (train[1] + 1) % 10), test).fingerprint != base
    assert data.from_arrays(train, test, classes=tuple("abcdefghij")).fingerprint != base


def test_arrays_are_checked():
    images, labels = make_pictures(100)
    with pytest.raises(InputError, match=r"float64 .* multiply floats .* by 255"):
        data.from_arrays((images / 255, labels), (images, labels))
    with pytest.raises(InputError, match="labels outside 0 to 4"):
        data.from_arrays((images, labels), (images, labels), classes=tuple("abcde"))
    with pytest.raises(InputError, match="labels float64"):
        data.from_arrays((images, labels / 2), (images, labels))
    with pytest.raises(InputError, match="resize one to the other"):
        data.from_arrays((images, labels), (images[:, :20], labels))
    with pytest.raises(InputError, match="contains only the class 0"):
        data.from_arrays((images, labels * 0), (images, labels * 0))
    with pytest.raises(InputError, match="no training image of class k"):
        data.from_arrays((images, labels), (images, labels), classes=tuple("abcdefghijk"))


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        (3, {}, r"data set 3: expected one of digits, .*, or a folder's path"),
        (None, {}, r"data set None: expected one of"),
        (make_pictures(2), {}, r"data set an object of class tuple: expected one of"),
        ("digits", {"data_dir": 3}, r"data_dir 3: expected the path of the folder"),
        ("cifar10_corrupted", {"data_dir": 3}, r"data_dir 3: expected the path of the folder"),
        ("digits", {"limit": "100"}, r"limit '100': expected a whole number"),
        ("digits", {"limit": 99.5}, r"limit 99.5: expected a whole number"),
        ("folder:x", {"image_size": "96"}, r"image_size '96': expected a whole number"),
        ("digits", {"seed": None}, r"seed None: expected a whole number"),
        ("digits", {"seed": -1}, r"seed -1: expected a whole number, 0 or more"),
        ("digits", {"validation": "0.1"}, "validation '0.1': expected a share between 0 and 1"),
        ("digits", {"test": float("nan")}, "test nan: expected a share between 0 and 1"),
    ],
)
def test_wrong_objects(name, options, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        data.load(name, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("train", "options", "complaint"),
    [
        (None, {}, r"train None: expected a pair of arrays, images and labels"),
        (make_pictures(20)[0], {}, r"train an object of class ndarray: expected a pair of arrays"),
        ((*make_pictures(20), 3), {}, r"train an object of class tuple: expected a pair of arrays"),
        (([[1], [2, 3]], [0, 1]), {}, r"train an object of class tuple: expected a pair of arrays"),
        (make_pictures(20), {"classes": "cats"}, r"classes 'cats': expected a list of names"),
        (make_pictures(20), {"classes": 10}, r"classes 10: expected a list of names"),
        (make_pictures(20), {"limit": "9"}, r"limit '9': expected a whole number"),
        (make_pictures(20), {"validation": 2}, "validation 2: expected a share"),
    ],
)
def test_wrong_arrays(train, options, complaint):
    with pytest.raises(InputError, match=complaint):
        data.from_arrays(train, make_pictures(20), **options)


def test_numbers_of_numpy_are_numbers():
    options = {"limit": np.int64(50), "seed": np.uint8(3), "validation": np.float32(0.2)}
    assert (
        data.load("digits", **options).fingerprint == data.load("digits", limit=50, seed=3, validation=0.2).fingerprint
    )


def test_some_of_each_class_however_rare():
    labels = np.concatenate([np.arange(2000) % 2, [2] * 3, np.arange(100) % 2])
    rows = first_of_each(labels, 100)
    assert rows.tolist() == [*range(100), 2000, 2001, 2002]
    assert np.bincount(labels[first_of_each(labels, 10, least=8)]).tolist() == [8, 8, 3]
    assert first_of_each(labels, 10**6).tolist() == list(range(len(labels)))
