"""Wilson's interval by SciPy's, by hand, and by simulation of images that were made of fewer images."""

import numpy as np
import pytest
from scipy import stats

from tfxfer.analysis import intervals
from tfxfer.core.errors import InputError


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 1), (0, 30), (30, 30), (443, 450), (3, 7), (9961, 10_000)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_is_scipys(right, n, confidence):
    known = stats.binomtest(right, n).proportion_ci(confidence, method="wilson")
    assert intervals.wilson(right / n, n, confidence) == pytest.approx((known.low, known.high), abs=1e-12)
    found = intervals.accuracy(np.arange(n) < right, confidence=confidence)
    assert found == pytest.approx((known.low, known.high), abs=1e-12)


def test_wilson_by_hand():
    """The ends are where |share - p| is 1.959964 times the error sqrt(p (1 - p) / n) that p itself would have."""
    for end in intervals.wilson(0.9, 50):
        assert abs(0.9 - end) == pytest.approx(1.959964 * np.sqrt(end * (1 - end) / 50), rel=1e-6)
    assert intervals.wilson(1.0, 100) == pytest.approx((100 / (100 + 1.959964**2), 1), rel=1e-6)


def test_an_image_each_is_no_cluster():
    right = np.random.default_rng(0).random(300) < 0.9
    assert intervals.accuracy(right, np.arange(300)[::-1]) == pytest.approx(intervals.accuracy(right), abs=1e-12)
    assert intervals.effective_size(right) == pytest.approx(300)


def test_versions_that_all_go_the_same_way_tell_nothing_new():
    """Five of each count as one in the effective size, whatever their order; so do they where all or none are right."""
    order = np.random.default_rng(0).permutation(500)
    for right in (np.arange(100) % 7 > 0, np.ones(100, bool), np.zeros(100, bool)):
        versions, bases = np.repeat(right, 5)[order], np.repeat(np.arange(100) * 3 + 1, 5)[order]
        assert intervals.effective_size(versions, bases) == pytest.approx(100)
        assert intervals.accuracy(versions, bases) == pytest.approx(intervals.accuracy(right))


def test_all_right_of_clusters_of_several_sizes():
    """Kish's n^2 / sum of m^2."""
    bases = np.repeat(np.arange(4), [1, 2, 3, 10])
    assert intervals.effective_size(np.ones(16, bool), bases) == pytest.approx(16**2 / (1 + 4 + 9 + 100))


def test_versions_that_go_their_own_ways_count_nearly_all():
    right = np.random.default_rng(0).random(5000) < 0.7
    assert 4000 < intervals.effective_size(right, np.repeat(np.arange(1000), 5)) <= 5000


def draws(rng, repeats, images, versions, mean, own):
    """Results of a classifier (repeats, images, versions): an image is hard in all of its versions, more or less."""
    hard = rng.normal(size=(repeats, images, 1))
    return mean + hard + own * rng.normal(size=(repeats, images, versions)) > 0


@pytest.mark.parametrize(("images", "mean", "own"), [(20, 1.0, 0.3), (100, 1.0, 1.0), (100, 2.5, 0.1), (400, 2.0, 0.5)])
def test_it_holds_the_truth_as_often_as_it_says(images, mean, own):
    truth, bases = stats.norm.cdf(mean / np.hypot(1, own)), np.repeat(np.arange(images), 5)
    found = draws(np.random.default_rng(0), 1000, images, 5, mean, own).reshape(1000, -1)
    ends = np.array([intervals.accuracy(right, bases) for right in found])
    held = np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1]))
    assert 0.93 < held < 0.975
    alone = np.array([intervals.wilson(right.mean(), right.size) for right in found])
    assert np.mean((alone[:, 0] <= truth) & (truth <= alone[:, 1])) < 0.85  # five versions taken for five images


@pytest.mark.parametrize(("share", "n"), [(-0.1, 5), (1.1, 5), (0.5, 0), (np.nan, 5)])
def test_refused(share, n):
    with pytest.raises(InputError, match="expected 0 to 1, of more than 0"):
        intervals.wilson(share, n)


def test_results_refused():
    with pytest.raises(InputError, match="at least one"):
        intervals.accuracy(np.zeros(0, bool))
    with pytest.raises(InputError, match="one for each of the 3 examples"):
        intervals.accuracy(np.ones(3, bool), np.arange(2))


def test_all_or_half_right_by_hand():
    """Wilson's, (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n); not empty where all are right."""
    z = 1.959963984540054
    assert intervals.wilson(1.0, 10) == pytest.approx((10 / (10 + z**2), 1.0))
    assert sum(intervals.wilson(0.5, 10)) == pytest.approx(1)
