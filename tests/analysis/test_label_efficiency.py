"""Labels needed: closed forms of curves that cross, never cross, and go down by chance."""

import numpy as np
import pytest

from tfxfer.analysis.label_efficiency import Demand, demand, labels_needed, text
from tfxfer.core.errors import InputError

LABELS = np.array([10, 100, 1000])


def test_a_line_over_the_logarithm_is_crossed_where_it_says():
    """Accuracy 0.2 log10(n): 0.2, 0.4 and 0.6; reached at 10^(wanted / 0.2), whichever segment that is on."""
    wanted = np.array([0.25, 0.3, 0.4, 0.55, 0.6])
    curve = 0.2 * np.log10(LABELS)[None]
    found = [labels_needed(LABELS, curve, value).item() for value in wanted]
    np.testing.assert_allclose(found, 10 ** (wanted / 0.2), rtol=1e-9)


def test_the_ends():
    curves = np.array([[0.5, 0.6, 0.7], [0.91, 0.92, 0.93], [0.1, 0.2, 0.9]])
    np.testing.assert_array_equal(labels_needed(LABELS, curves, 0.9), [np.inf, 10, 1000])


def test_a_value_that_is_high_by_chance_does_not_count_for_itself():
    """0.9 and then 0.5 are one level of 0.7 for a curve that does not fall; it is crossed behind them."""
    curve = np.array([[0.3, 0.9, 0.5, 0.9]])
    found = labels_needed(np.array([1, 10, 100, 1000]), curve, 0.8)
    np.testing.assert_allclose(found, 10**2.5)  # halfway from 0.7 to 0.9
    assert labels_needed(np.array([1, 10, 100, 1000]), curve, 0.95) == np.inf


@pytest.mark.parametrize(
    ("needed", "expected"),
    [
        ([30, 10, 20], (20, 10, 30, 1)),
        ([40, 10, 20, 30], (25, 10, 40, 1)),
        ([10, np.inf, 20], (20, 10, np.inf, 2 / 3)),
        ([10, np.inf], (np.inf, 10, np.inf, 0.5)),
        ([np.inf, np.inf], (np.inf, np.inf, np.inf, 0)),
        ([7], (7, 7, 7, 1)),
    ],
)
def test_median_and_range_count_draws_that_do_not_reach_it(needed, expected):
    assert demand(np.array(needed)) == Demand(*expected)


def test_the_interval_contains_the_median_as_often_as_it_says():
    """Of n draws of any distribution, the range misses its median only if all are on one side: 2 / 2^n."""
    draws = np.random.default_rng(0).lognormal(size=(4000, 5))
    inside = np.mean([found.low <= 1 <= found.high for found in map(demand, draws)])
    assert inside == pytest.approx(1 - 2 / 2**5, abs=0.01)  # three standard errors


def test_words():
    assert text(Demand(25.4, 12.0, 40.0, 1), 10, 1000) == "26 labels (12 to 40)"
    assert text(Demand(10, 10, 40.0, 1), 10, 1000) == "at most 10 labels (at most 10 to 40)"
    assert text(Demand(np.inf, 900, np.inf, 0.4), 10, 1000) == (
        "more than 1,000 labels (900 to more than 1,000; reached in 40% of the draws)"
    )


@pytest.mark.parametrize(
    ("labels", "accuracies", "said"),
    [
        ([1, 2], [0.5, 0.6], r"accuracies \(2,\) for labels \(2,\)"),
        ([1, 2], [[0.5]], r"accuracies \(1, 1\) for labels \(2,\)"),
        ([], [[]], r"for labels \(0,\)"),
        ([2, 2], [[0.5, 0.6]], "labels 2, 2: expected ascending"),
        ([0, 2], [[0.5, 0.6]], "labels 0, 2: expected ascending"),
    ],
)
def test_wrong_arrays(labels, accuracies, said):
    with pytest.raises(InputError, match=said):
        labels_needed(np.array(labels), np.array(accuracies), 0.5)
