"""Paired comparison by hand, by the plain sum of the binomial, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from tfxfer.analysis import paired
from tfxfer.errors import InputError


def results(both, only_first, only_second, neither):
    counts = (both, only_first, only_second, neither)
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def test_by_hand():
    found = paired.difference(*results(60, 5, 15, 20))
    assert (found["n"], found["only_first"], found["only_second"]) == (100, 5, 15)
    assert (found["first_accuracy"], found["second_accuracy"]) == (0.65, 0.75)
    assert found["difference"] == pytest.approx(0.10)
    # (15.5 - 5.5) / 102, and its error sqrt(21 - 100 / 102) / 102
    middle, error = 10 / 102, math.sqrt(21 - 100 / 102) / 102
    assert found["low"] == pytest.approx(middle - 1.959964 * error, abs=1e-7)
    assert found["high"] == pytest.approx(middle + 1.959964 * error, abs=1e-7)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (0, 1), (3, 3), (5, 15), (40, 12)])
def test_p_is_the_sum_of_the_binomials_tails(b, c):
    n = b + c
    tail = sum(math.comb(n, k) for k in range(min(b, c) + 1)) / 2**n
    found = paired.difference(*results(10, b, c, 10))
    assert found["p"] == pytest.approx(min(1, 2 * tail))


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    for _ in range(1000):
        cells = rng.choice(4, 200, p=[0.7, 0.04, 0.10, 0.16])
        found = paired.difference((cells == 0) | (cells == 1), (cells == 0) | (cells == 2))
        held += found["low"] <= 0.06 <= found["high"]
    assert 0.93 < held / 1000 < 0.975


def test_the_interval_is_near_scipys_bootstrap():
    rng = np.random.default_rng(0)
    first, second = rng.random(2000) < 0.8, rng.random(2000) < 0.75
    found = paired.difference(second, first)
    gains = first.astype(float) - second
    interval = stats.bootstrap((gains,), np.mean, n_resamples=4000, rng=rng).confidence_interval
    assert found["difference"] == pytest.approx(gains.mean())
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high), abs=0.0015)


def test_order_only_changes_the_sign():
    first, second = results(7, 2, 9, 3)
    there, back = paired.difference(first, second), paired.difference(second, first)
    assert there["p"] == back["p"]
    assert (there["low"], there["high"]) == pytest.approx((-back["high"], -back["low"]))


def test_holm():
    """Holm 1979: 0.01 x 4, then the larger of that and 0.02 x 3, and so on."""
    assert paired.holm([0.04, 0.01, 0.02, 0.9]) == pytest.approx([0.08, 0.04, 0.06, 0.9])
    assert paired.holm([0.5, 0.6]) == [1, 1]
    assert paired.holm([]) == []


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((0,), (0,)), ((2, 2), (2, 2))])
def test_refused(shapes):
    with pytest.raises(InputError, match="the same examples"):
        paired.difference(*(np.zeros(shape, bool) for shape in shapes))
