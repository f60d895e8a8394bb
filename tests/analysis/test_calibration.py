"""Temperature scaling in closed form, by scikit-learn and by SciPy; what a calibration is worth, by hand."""

import numpy as np
import pytest
from scipy import optimize, special
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from tfxfer import analysis
from tfxfer.analysis import calibration, metrics
from tfxfer.core.errors import InputError


def honest(factor=1.0):
    """Logits, times a factor, of probabilities that are exactly how often each class is there."""
    groups = [((0.5, 0.3, 0.2), (5, 3, 2)), ((0.1, 0.6, 0.3), (1, 6, 3)), ((0.1, 0.1, 0.8), (2, 2, 16))]
    logits = [np.log(np.tile(shares, (sum(counts), 1))) for shares, counts in groups]
    return factor * np.concatenate(logits), np.concatenate([np.repeat(np.arange(3), counts) for _, counts in groups])


def drawn(n=400, classes=5, factor=3.0, seed=0):
    """Logits of honest probabilities, times a factor, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, classes))
    labels = (special.softmax(logits, 1).cumsum(1) > rng.random((n, 1))).argmax(1)
    return (factor * logits).astype(np.float32), labels


@pytest.mark.parametrize("factor", [0.02, 0.5, 1, 3, 90])
def test_a_known_factor_comes_back(factor):
    logits, labels = honest(factor)
    assert analysis.temperature(logits, labels) == pytest.approx(factor, rel=1e-9)
    assert analysis.temperature(logits + 100 * np.arange(len(labels))[:, None], labels) == pytest.approx(factor)


def test_it_is_the_lowest_cross_entropy():
    """Scikit-learn's cross-entropy, on a grid and at SciPy's minimum."""
    logits, labels = drawn()

    def loss(divisor):
        return log_loss(labels, special.softmax(logits.astype(float) / divisor, 1), labels=range(5))

    found = analysis.temperature(logits, labels)
    assert 2 < found < 4
    assert found == pytest.approx(optimize.minimize_scalar(loss, bounds=(0.1, 20), options={"xatol": 1e-7}).x, rel=1e-5)
    assert all(loss(found) <= loss(divisor) for divisor in np.geomspace(0.1, 20, 50))


def test_of_two_classes_it_is_a_logistic_regression_with_one_weight():
    logits, labels = drawn(classes=2)
    fitted = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    fitted.fit(logits[:, 1:].astype(float) - logits[:, :1], labels)
    assert analysis.temperature(logits, labels) == pytest.approx(1 / fitted.coef_.item(), rel=1e-5)


@pytest.mark.parametrize("n", [1, 9, 200])
def test_all_right_leaves_room_for_one_mistake_more(n):
    """sigmoid(a / T) = (n + 1) / (n + 2) where the classes that are second are all a below."""
    logits = np.tile([4.0, -3.0, -500.0], (n, 1))
    assert analysis.temperature(logits, np.zeros(n, int)) == pytest.approx(7 / np.log(n + 1))
    logits, labels = drawn(factor=40)
    right = logits.argmax(1) == labels
    sure = special.softmax(logits[right] / analysis.temperature(logits[right], labels[right]), 1).max(1).mean()
    assert sure == pytest.approx(1 - 1 / (right.sum() + 2), abs=2e-3)


def test_where_there_is_no_minimum():
    labels = np.array([0, 1, 2, 0])
    assert analysis.temperature(np.ones((4, 3)), labels) == 1
    assert analysis.temperature(-np.eye(3)[labels], labels) == calibration.HIGHEST  # worse than chance
    logits, labels = honest()
    assert analysis.temperature(logits * 1e-3, labels) == calibration.LOWEST
    assert analysis.temperature(logits * 1e3, labels) == calibration.HIGHEST


@pytest.mark.parametrize(
    ("logits", "labels", "complaint"),
    [
        (np.zeros((3, 2)), np.zeros(2, int), r"logits \(3, 2\), labels \(2,\): expected"),
        (np.zeros(3), np.zeros(3, int), r"expected \(n, 2 or more classes\)"),
        (np.zeros((0, 2)), np.zeros(0, int), "expected"),
        (np.full((3, 2), np.nan), np.zeros(3, int), "expected finite numbers"),
        (np.zeros((3, 2)), np.array([0, 1, 2]), "labels: expected integers from 0 to 1"),
        (np.zeros((3, 2)), np.zeros(3), "labels: expected integers from 0 to 1"),
    ],
)
def test_bad_input(logits, labels, complaint):
    with pytest.raises(InputError, match=complaint):
        analysis.temperature(logits, labels)


def test_both_at_once():
    logits, labels = drawn(2000)
    found = calibration.fit(logits, labels, 0.9)
    assert found["temperature"] == analysis.temperature(logits, labels)
    shares = special.softmax(logits.astype(float) / found["temperature"], 1)
    alone = analysis.abstention_threshold(shares, labels, 0.9)
    assert (found["threshold"], found["reached"], found["answered"]) == (
        alone.threshold,
        alone.precision,
        alone.answered,
    )
    assert 0.1 < found["answered"] < 0.9
    assert (found["precision"], found["images"]) == (0.9, 2000)
    assert calibration.fit(logits, labels) == found | dict.fromkeys(("threshold", "precision", "reached", "answered"))
    small = calibration.fit(logits[:20], labels[:20], 0.9)
    assert (small["threshold"], small["reached"], small["answered"]) == (None, None, 0)


def test_what_it_is_worth_by_hand():
    logits = np.log([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    labels = np.array([0, 1, 1, 1])
    known = {"temperature": 2.0, "threshold": 0.8, "precision": 0.6}
    found = calibration.measure(logits, labels, known)
    # bins of 0.9 (one of two right), 0.8 and 0.6 (right)
    assert found["ece"] == pytest.approx((2 * 0.4 + 0.2 + 0.4) / 4)
    assert found["answered"] == 0.75  # 0.8 itself is answered
    assert found["answered_accuracy"] == pytest.approx(2 / 3)
    assert found["answered_accuracy_low"] < 2 / 3 < found["answered_accuracy_high"]
    assert found["ece_uncalibrated"] == metrics.expected_calibration_error(special.softmax(2 * logits, 1), labels)
    assert set(calibration.measure(logits, labels, known | {"threshold": None})) == {"ece", "ece_uncalibrated"}
    assert calibration.measure(logits, labels, known | {"threshold": 1.0})["answered"] == 0


def test_it_helps_on_other_images():
    logits, labels = drawn(4000)
    known = calibration.fit(logits[:2000], labels[:2000], 0.9)
    found = calibration.measure(logits[2000:] / known["temperature"], labels[2000:], known)
    assert found["ece"] < 0.03 < 0.2 < found["ece_uncalibrated"]
    assert found["answered_accuracy"] > 0.9
