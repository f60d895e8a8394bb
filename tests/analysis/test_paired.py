"""Paired comparison by hand, by SciPy's tests, by the plain sum of the binomial, and by simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from tfxfer.analysis import paired
from tfxfer.core.errors import InputError


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


def old(first, second):
    """The formulas for single examples: Agresti and Min's interval, SciPy's binomial test."""
    n, b, c = len(first), int((first & ~second).sum()), int((second & ~first).sum())
    middle = (c - b) / (n + 2)
    reach = stats.norm.ppf(0.975) * np.sqrt(b + c + 1 - (c - b) ** 2 / (n + 2)) / (n + 2)
    return middle - reach, middle + reach, stats.binomtest(b, b + c).pvalue


def test_an_image_each_is_mcnemars_test():
    rng = np.random.default_rng(0)
    for n in (5, 40, 1000):
        first, second = rng.random((2, n)) < [[0.7], [0.8]]
        plain, each = paired.difference(first, second), paired.difference(first, second, rng.permutation(n))
        assert each == pytest.approx(plain, rel=1e-12)
        assert each["clusters"] == n
        assert [each[key] for key in ("low", "high", "p")] == pytest.approx(old(first, second), rel=1e-9)


def test_versions_that_all_go_the_same_way_tell_nothing_new():
    first, second = results(60, 5, 15, 20)
    once = paired.difference(first, second)
    bases = np.tile(np.arange(100), 4)
    four = paired.difference(np.tile(first, 4), np.tile(second, 4), bases)
    assert (four["n"], four["clusters"], four["only_second"]) == (400, 100, 60)
    for key in ("difference", "low", "high", "p"):
        assert four[key] == pytest.approx(once[key])


@pytest.mark.parametrize("gains", [[2, 2, -1, 3, 0], [1, -2, 3, -4, 5, 0, 5], [-7], [0, 0], [1, 1, 1, -1, 2, 2, 5, -3]])
def test_sign_flips_are_counted(gains):
    """By all 2^n choices, and by SciPy's permutation test where it counts them too."""
    gains = np.array(gains)
    sums = [np.dot(signs, gains) for signs in itertools.product((-1, 1), repeat=len(gains))]
    known = np.mean(np.abs(sums) >= abs(gains.sum()))
    assert paired.sign_flip(gains) == pytest.approx(known)
    if len(gains) > 1:
        test = stats.permutation_test((gains,), np.sum, permutation_type="samples", n_resamples=np.inf)
        assert test.pvalue == pytest.approx(known)


def corrupted(rng, images=200, versions=5, better=0.0):
    """Two networks on five versions of each image: what makes an image hard is shared by both and by all versions,
    what a network makes of the image by all versions, and little is a version's own."""
    shared = rng.normal(size=(images, 1))
    for mean in (0.8, 0.8 + better):
        own = rng.normal(size=(images, 1)) + 0.3 * rng.normal(size=(images, versions))
        yield (mean + shared + own > 0).ravel()


@pytest.mark.parametrize("better", [0.0, 0.4])
def test_versions_of_images_do_not_overstate_significance(better):
    """Equal networks are told apart as rarely as claimed, and the interval holds the truth, in 1,000 repeats; versions
    taken for images of their own would tell equal ones apart in a third of the cases."""
    rng, bases = np.random.default_rng(0), np.repeat(np.arange(200), 5)
    spread = math.sqrt(1 + 1 + 0.3**2)
    truth = stats.norm.cdf((0.8 + better) / spread) - stats.norm.cdf(0.8 / spread)
    pairs = [tuple(corrupted(rng, better=better)) for _ in range(1000)]
    by_base, as_images = ([paired.difference(*pair, given) for pair in pairs] for given in (bases, None))
    held, falsely = (np.mean([x["low"] <= truth <= x["high"] for x in found]) for found in (by_base, as_images))
    assert 0.935 < held < 0.97
    assert falsely < 0.75
    if not better:
        rejected, before = (np.mean([x["p"] < 0.05 for x in found]) for found in (by_base, as_images))
        assert 0.03 < rejected < 0.06
        assert before > 0.25


def test_holm():
    """Holm 1979: 0.01 x 4, then the larger of that and 0.02 x 3, and so on."""
    assert paired.holm([0.04, 0.01, 0.02, 0.9]) == pytest.approx([0.08, 0.04, 0.06, 0.9])
    assert paired.holm([0.5, 0.6]) == [1, 1]
    assert paired.holm([]) == []


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((0,), (0,)), ((2, 2), (2, 2))])
def test_refused(shapes):
    with pytest.raises(InputError, match="the same examples"):
        paired.difference(*(np.zeros(shape, bool) for shape in shapes))


def test_clusters_refused():
    with pytest.raises(InputError, match="one for each of the 3 examples"):
        paired.difference(np.ones(3, bool), np.ones(3, bool), np.arange(4))
