"""Abstention thresholds by hand, by SciPy's exact test, and by simulation of what they promise."""

import numpy as np
import pytest
from scipy import stats

from tfxfer import analysis
from tfxfer.analysis import abstention
from tfxfer.core.errors import InputError


def pairs(sure):
    """Probabilities of two classes, of which the first is predicted."""
    return np.stack([sure, 1 - np.asarray(sure)], 1)


@pytest.mark.parametrize(("n", "precision", "found"), [(85, 0.95, False), (86, 0.95, True), (436, 0.99, False)])
def test_all_right_takes_so_many_images(n, precision, found):
    """0.95^86 = 0.0121 is below 0.05 / 4, and 0.95^85 is not."""
    assert (precision**n <= 0.05 / 4) == found
    sure = np.linspace(0.6, 0.9, n)
    answer = analysis.abstention_threshold(pairs(sure), np.zeros(n, int), precision)
    assert answer.needed == {0.95: 86, 0.99: 437}[precision]
    if found:
        assert (answer.threshold, answer.precision, answer.answered) == (0.6, 1, 1)
        assert (answer.low, answer.high) == analysis.intervals.wilson(1, n)
        assert "at least 0.6000 are answered: 100.0% of 86 images, with precision 1.0000 (0.9" in answer.text
    else:
        assert (answer.threshold, answer.answered) == (None, 0)
        assert np.isnan([answer.precision, answer.low, answer.high]).all()
        assert f"at least {answer.needed} images of high confidence that are all right" in answer.text
        assert answer.facts == {"threshold": None, "reached": None, "answered": 0}


def test_it_ends_where_mistakes_begin():
    """200 right ones, then one in two: the test fails once 15 or so of the latter are in."""
    sure = np.linspace(0.99, 0.6, 400)
    labels = np.where(np.arange(400) < 200, 0, np.arange(400) % 2)
    answer = analysis.abstention_threshold(pairs(sure), labels, 0.95)
    n = next(
        n for n in range(200, 400) if stats.binomtest(int(labels[: n + 1].sum()), n + 1, 0.05, "less").pvalue > 0.0125
    )
    assert 205 < n < 240
    assert answer.answered == n / 400
    assert answer.precision == 1 - labels[:n].mean()
    assert sure[n] < answer.threshold <= sure[n - 1]
    assert answer.threshold == pytest.approx(sure[n - 1], abs=1e-6)


def test_equal_confidences_go_together():
    """100 at 0.9 would pass with the first half of those at 0.8, of which the second half is wrong."""
    sure, labels = np.repeat([0.9, 0.8], [100, 100]), np.repeat([0, 1], [150, 50])
    answer = analysis.abstention_threshold(pairs(sure), labels, 0.9)
    assert (answer.threshold, answer.answered, answer.precision) == (0.9, 0.5, 1)
    near = np.where(sure == 0.8, 0.9 - 1e-8, sure)  # the same to six digits
    assert analysis.abstention_threshold(pairs(near), labels, 0.9).threshold is None
    order = np.random.default_rng(0).permutation(200)
    assert analysis.abstention_threshold(pairs(sure[order]), labels[order], 0.9) == answer


def test_a_mistake_among_the_surest_is_no_end():
    """The first start fails there; those further on have images enough."""
    labels = (np.arange(1000) == 3).astype(int)
    answer = analysis.abstention_threshold(pairs(np.linspace(0.99, 0.6, 1000)), labels, 0.95)
    assert answer.answered == 1


def test_the_promise_is_kept_and_not_at_any_price():
    """Confidences of honest probabilities: in 19 of 20 sets the precision holds for all other images."""
    rng = np.random.default_rng(0)
    everyone = np.sort(1 - rng.beta(0.4, 2, 100_000).clip(0, 0.5))
    above = everyone[::-1].cumsum()[::-1] / np.arange(len(everyone), 0, -1)  # precision from each confidence on
    answered, kept = [], []
    for _ in range(400):
        sure = rng.choice(everyone, 500)
        answer = abstention.of_confidences(sure, rng.random(500) < sure, 0.95)
        if answer.threshold is not None:
            place = np.searchsorted(everyone, answer.threshold)
            kept.append(above[place] >= 0.95)
            answered.append(1 - place / len(everyone))
    best = 1 - np.argmax(above >= 0.95) / len(everyone)
    assert len(kept) > 390
    assert np.mean(kept) > 0.93
    assert best - 0.25 < np.mean(answered) < best


def test_less_confidence_answers_more():
    rng = np.random.default_rng(1)
    sure = 1 - rng.beta(0.4, 2, 500).clip(0, 0.5)
    right = rng.random(500) < sure
    shares = [abstention.of_confidences(sure, right, 0.9, confidence).answered for confidence in (0.99, 0.9, 0.5)]
    assert 0 < shares[0] < shares[1] < shares[2]


@pytest.mark.parametrize("wrong", [{"precision": 1}, {"precision": 0.0}, {"precision": "0.9"}, {"confidence": 95}])
def test_bad_input(wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(InputError, match=f"{name} {value!r}: expected a share above 0 and below 1"):
        analysis.abstention_threshold(pairs([0.9]), np.zeros(1, int), **{"precision": 0.9} | wrong)
    with pytest.raises(InputError, match="expected a softmax's output, not logits"):
        analysis.abstention_threshold(np.ones((3, 2)), np.zeros(3, int), 0.9)
