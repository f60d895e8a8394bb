import numpy as np
import pytest
from conftest import make_pictures

from tfxfer import data, features, model
from tfxfer.core.errors import InputError

SPLITS = ("train", "validation", "test")
GROUPS = {"high": ["7", "8", "9"], "low": [str(i) for i in range(7)]}


def test_images_keep_split_order_and_id(pictures):
    found = data.relabel(pictures, GROUPS)
    assert found.classes == ("high", "low")
    for split in SPLITS:
        np.testing.assert_array_equal(found.ids[split], pictures.ids[split])
        np.testing.assert_array_equal(found.rows[split].images, pictures.rows[split].images)
        np.testing.assert_array_equal(found.rows[split].labels, np.where(pictures.rows[split].labels >= 7, 0, 1))
    example = next(iter(found.test))
    assert int(example["label"]) == (0 if pictures.rows["test"].labels[0] >= 7 else 1)
    assert found.fingerprint != pictures.fingerprint
    assert found.describe()["name"] == "arrays in 2 groups"


def test_classes_in_no_group_are_left_out_and_named(pictures):
    with pytest.warns(UserWarning, match="320 images of 0, 1, 2, 3, 4, 5, 6, 9 belong to no group and are left out"):
        found = data.relabel(pictures, {"seven": ["7"], "eight": ["8"]})
    for split in SPLITS:
        known = pictures.rows[split].labels
        rows = np.flatnonzero((known == 7) | (known == 8))
        np.testing.assert_array_equal(found.ids[split], pictures.ids[split][rows])
        np.testing.assert_array_equal(found.rows[split].labels, known[rows] - 7)


def test_facts_and_leaks_move_along(pictures):
    corrupted = data.relabel(data.corrupt(pictures, "contrast", 5), GROUPS)
    assert set(corrupted.rows["test"].facts) == {"base", "corruption", "severity"}
    np.testing.assert_array_equal(corrupted.bases("test"), pictures.bases("test"))


@pytest.mark.parametrize(
    ("groups", "complaint"),
    [
        ({"a": ["1", "one"], "b": ["2"]}, "group a: unknown class 'one', expected some of 0, 1, 2"),
        ({"a": ["1"], "b": ["2", "1"]}, "class '1' is named twice, the second time in b: name it once"),
        ({"a": ["1", "1"], "b": ["2"]}, "class '1' is named twice"),
        ({"a": ["1"], "b": []}, "expected at least 2, none of them empty"),
        ({"a": ["1", "2"]}, "expected at least 2"),
        ({"a": "12", "b": ["3"]}, "group a is the text '12': expected a list of classes"),
    ],
)
def test_bad_groups(pictures, groups, complaint):
    with pytest.raises(InputError, match=complaint):
        data.relabel(pictures, groups)


def test_a_group_needs_training_images():
    images, labels = make_pictures(100)
    splits = data.from_arrays((images, labels), make_pictures(50, seed=1))
    some = splits.only(train=np.flatnonzero(splits.rows["train"].labels > 3))
    with pytest.raises(InputError, match="group low has no training image"):
        data.relabel(some, {"low": list("0123"), "high": list("456789")})


# --- permuted pixels ---


def test_pixels_move_alike_in_all_images(pictures):
    found = data.permute_pixels(pictures, seed=3)
    order = found.transforms[-1].order
    assert sorted(order) == list(range(28 * 28))
    assert (order == np.arange(28 * 28)).mean() < 0.02
    for split in SPLITS:
        (batch,) = found.batches(split, 500)
        plain = pictures.rows[split].images.reshape(-1, 28 * 28)
        np.testing.assert_array_equal(batch["image"].numpy().reshape(-1, 28 * 28), plain[:, order])
        np.testing.assert_array_equal(batch["label"], pictures.rows[split].labels)
    example = next(iter(found.test))["image"]
    assert example.shape == (28, 28, 1)


def test_colours_stay_together():
    images = np.random.default_rng(0).integers(0, 256, (40, 6, 9, 3)).astype(np.uint8)
    splits = data.from_arrays((images[:30], np.arange(30) % 2), (images[30:], np.arange(10) % 2))
    found = data.permute_pixels(splits, seed=1)
    (batch,) = found.batches("test", 10)
    expected = splits.rows["test"].images.reshape(10, 54, 3)[:, found.transforms[-1].order].reshape(10, 6, 9, 3)
    np.testing.assert_array_equal(batch["image"], expected)


def test_the_seed_is_the_permutation(pictures):
    first, again, other = (data.permute_pixels(pictures, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.transforms[-1].order, again.transforms[-1].order)
    assert first.fingerprint == again.fingerprint
    assert len({first.fingerprint, other.fingerprint, pictures.fingerprint}) == 3


def test_permuting_and_relabelling_in_either_order(pictures):
    first = data.permute_pixels(data.relabel(pictures, GROUPS), 5)
    second = data.relabel(data.permute_pixels(pictures, 5), GROUPS)
    net = model.build("pixels", first)
    a, b = (features.extract(net, splits.test, ("image",)) for splits in (first, second))
    np.testing.assert_array_equal(a["image"], b["image"])
    np.testing.assert_array_equal(a.labels, b.labels)
