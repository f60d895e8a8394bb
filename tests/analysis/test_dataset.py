import numpy as np
import pytest
from conftest import make_pictures

from tfxfer import data
from tfxfer.analysis import dataset
from tfxfer.core.errors import InputError


def test_counts_are_those_of_the_labels(pictures):
    found = dataset.counts(pictures)
    assert {split: sum(row) for split, row in found.items()} == {"train": 270, "validation": 30, "test": 100}
    assert found["train"] == [27] * 10


def test_pixel_figures_are_numpys(pictures):
    found = dataset.pixels(pictures)
    known = np.concatenate([pictures.rows[split].images for split in ("train", "validation")]).astype(float)
    np.testing.assert_array_equal(found.histogram, np.bincount(known.astype(int).ravel(), minlength=256))
    assert found.mean == pytest.approx(known.mean())
    assert found.std == pytest.approx(known.std())
    assert found.median == np.median(known)


def test_the_median_of_few_values():
    for values in ([3], [0, 0, 7], [1, 5], [2, 2, 9, 9, 9]):
        found = dataset.Pixels(np.bincount(values, minlength=256)).median
        assert found == sorted(values)[(len(values) - 1) // 2]


def test_equal_images_are_found_on_both_sides():
    train, labels = make_pictures(100)
    test, test_labels = make_pictures(50, seed=1)
    test[7], test[8] = train[3], train[3]
    train[10] = train[20]
    labels[10] = (labels[20] + 1) % 10
    with pytest.warns(UserWarning, match="test images also in training or validation: 2,"):
        splits = data.from_arrays((train, labels), (test, test_labels))
    first, second = dataset.duplicates(splits)
    assert sorted(member["id"] for member in first) == [3, 107, 108]
    assert dataset.leaks(first)
    assert {member["split"] for member in first} - {"validation", "train"} == {"test"}
    assert sorted(member["id"] for member in second) == [10, 20]
    assert not dataset.leaks(second)
    assert {member["class"] for member in second} == {str(labels[10]), str(labels[20])}
    assert dataset.duplicates(data.from_arrays(make_pictures(60), make_pictures(30, seed=5))) == []


def test_wrong_labels_are_suspected():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    x = np.eye(3)[labels] * 4 + rng.normal(size=(300, 3))
    wrong = rng.choice(300, 9, replace=False)
    given = labels.copy()
    given[wrong] = (labels[wrong] + 1) % 3
    margin, other = dataset.suspicious(x, given)
    assert ((margin >= -1) & (margin <= 1)).all()
    ranked = np.argsort(-margin)
    assert len(set(ranked[:12]) & set(wrong)) >= 8
    found = [row for row in ranked[:9] if row in wrong]
    assert (other[found] == labels[found]).mean() > 0.8
    again, _ = dataset.suspicious(x, given)
    np.testing.assert_array_equal(margin, again)


def test_too_few_images_of_a_class():
    with pytest.raises(InputError, match="2 images of a class, 2 classes: expected 5 of each"):
        dataset.suspicious(np.zeros((12, 2)), np.array([0] * 10 + [1] * 2))
    with pytest.raises(InputError, match="1 classes"):
        dataset.suspicious(np.zeros((12, 2)), np.zeros(12, int))
