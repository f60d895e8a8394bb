"""Subsets are nested, have k of each class, and set aside a fifth of what they have."""

import numpy as np
import pytest

from tfxfer.core.errors import InputError
from tfxfer.recipes.shared import label_subsets

LABELS = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [40, 12, 3]))  # the last class is rare
SHOTS = ["1", "5", "10", "all"]


def test_each_subset_has_k_of_each_class_and_contains_the_smaller_ones():
    subsets = label_subsets.nested(LABELS, SHOTS, seed=[0, 3])
    smaller = set()
    for shots, expected in zip(SHOTS, ([1, 1, 1], [5, 5, 3], [10, 10, 3], [40, 12, 3]), strict=True):
        rows = subsets[shots].rows
        assert len({*rows}) == len(rows) == len(subsets[shots])
        np.testing.assert_array_equal(np.bincount(LABELS[rows]), expected)
        assert smaller <= {*rows}
        smaller = {*rows}


def test_a_fifth_of_each_class_is_set_aside_and_stays_set_aside():
    subsets = label_subsets.nested(LABELS, SHOTS, seed=0)
    aside = {shots: {*subset.rows[subset.chosen_by]} for shots, subset in subsets.items()}
    counts = [np.bincount(LABELS[list(rows)], minlength=3).tolist() for rows in aside.values() if rows]
    assert (aside["1"], counts) == (set(), [[1, 1, 0], [2, 2, 0], [8, 2, 0]])
    assert aside["5"] < aside["10"] < aside["all"]
    assert not aside["10"] & ({*subsets["10"].rows} - aside["10"])


def test_draws_differ_and_are_the_same_again():
    first, again, other = (label_subsets.nested(LABELS, ["5"], [0, draw])["5"].rows for draw in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert {*first} != {*other}
    assert (np.diff(first) < 0).any()  # in random order, not by class


def test_what_is_the_same_as_all_is_left_out():
    assert label_subsets.smaller(["5", "39", "40", "100", "all"], LABELS) == ["5", "39", "all"]
    with pytest.raises(InputError, match="shots 40,50: no class has more than 40 images: give smaller numbers, or all"):
        label_subsets.smaller(["40", "50"], LABELS)
    assert label_subsets.parse(" 20,all, 3") == ["3", "20", "all"]


@pytest.mark.parametrize("text", ["", "0,1", "1,1", "01,1", "all,all", "-1", "1.5", "some", "1,,2"])
def test_other_shots_are_refused(text):
    with pytest.raises(InputError, match=r"shots .*: expected numbers of images a class, each once, such as 1,5"):
        label_subsets.parse(text)
