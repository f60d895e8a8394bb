import numpy as np
import pytest
from scipy import optimize
from sklearn.covariance import ledoit_wolf

from tfxfer import analysis
from tfxfer.analysis import transferability
from tfxfer.core.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")

SCORES = {
    "logme": analysis.logme,
    "hscore": analysis.hscore,
    "plain": lambda x, labels: analysis.hscore(x, labels, shrinkage=0.0),
}


def make(n: int, d: int, signal: float = 1.0, offset: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Three Gaussian classes of unequal size: float64 (n, d) and labels."""
    rng = np.random.default_rng(n + d)
    labels = np.array([0, 0, 0, 1, 1, 2])[np.arange(n) % 6]
    return rng.normal(size=(n, d)) * np.linspace(0.5, 2, d) + signal * np.eye(d)[labels] + offset, labels


def highest_evidence(x: np.ndarray, y: np.ndarray) -> float:
    """max log N(y; 0, x x^T / alpha + I / beta), from the n x n covariance, by a search that knows no derivative."""

    def cost(log_variances):
        prior, noise = np.exp(log_variances)
        covariance = prior * x @ x.T + noise * np.eye(len(x))
        return 0.5 * (y @ np.linalg.solve(covariance, y) + np.linalg.slogdet(2 * np.pi * covariance)[1])

    starts = [(prior, noise) for prior in (-4, 0, 4) for noise in (-4, -1)]
    options = {"xatol": 1e-5, "fatol": 1e-9, "maxiter": 4000}
    return -min(optimize.minimize(cost, start, method="Nelder-Mead", options=options).fun for start in starts)


@pytest.mark.parametrize(("n", "d"), [(40, 6), (30, 30), (24, 50)])
@pytest.mark.parametrize(("signal", "offset"), [(0.0, 0.0), (1.5, 0.0), (1.0, 3.0)])
def test_logme_is_the_highest_evidence(n, d, signal, offset):
    x, labels = make(n, d, signal, offset)
    expected = np.mean([highest_evidence(x, 1.0 * (labels == c)) for c in range(3)]) / n
    assert analysis.logme(x, labels) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("offset", [50.0, 100.0, 200.0])
@pytest.mark.parametrize(("n", "d"), [(120, 20), (40, 60)])
def test_logme_of_features_far_from_zero(n, d, offset):
    """The evidence has several maxima: the highest one, by a search over all of alpha / beta, from the covariance."""
    x, labels = make(n, d, offset=offset)

    def evidence(log_ratio: float, y: np.ndarray) -> float:
        covariance = x @ x.T + np.exp(log_ratio) * np.eye(n)  # times beta's share, which has a closed form
        scale = y @ np.linalg.solve(covariance, y) / n
        return -0.5 * (n * np.log(2 * np.pi * scale) + np.linalg.slogdet(covariance)[1] + n)

    expected = []
    for y in np.eye(3)[labels].T:
        points = np.linspace(-8, 25, 166)
        best = points[np.argmax([evidence(point, y) for point in points])]
        around = best - 0.2, best + 0.2
        expected.append(-optimize.minimize_scalar(lambda p, y=y: -evidence(p, y), bounds=around).fun)
    assert analysis.logme(x, labels) == pytest.approx(np.mean(expected) / n, abs=1e-6)


def test_logme_of_dependent_features():
    """Nine features of rank 4: the five eigenvalues that are rounding must not count."""
    x, labels = make(40, 4)
    repeated = np.concatenate([x, x, x[:, :1]], axis=1)
    expected = np.mean([highest_evidence(repeated, 1.0 * (labels == c)) for c in range(3)]) / 40
    assert analysis.logme(repeated, labels) == pytest.approx(expected, abs=1e-7)


def test_logme_of_nothing():
    """Features of zeros leave N(y; 0, |y|^2 / n)."""
    labels = np.array([0, 0, 0, 1])
    expected = -0.5 * np.mean([np.log(2 * np.pi * share) + 1 for share in (3 / 4, 1 / 4)])
    assert analysis.logme(np.zeros((4, 3)), labels) == pytest.approx(expected)


def test_logme_of_the_labels_themselves_is_high_and_finite():
    x, labels = make(60, 8)
    assert 5 < analysis.logme(np.eye(3)[labels], labels) < 20
    assert analysis.logme(x, labels) < 1


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(("n", "d"), [(40, 6), (24, 50)])
def test_what_changes_nothing(score, n, d):
    x, labels = make(n, d, offset=1.0)
    score, order = SCORES[score], np.random.default_rng(0).permutation(n)
    expected = pytest.approx(score(x, labels), rel=1e-6)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(d, d)))[0]
    assert score(x @ rotation, labels) == expected
    assert score(1e3 * x, labels) == expected
    assert score(x[order], labels[order]) == expected
    assert score(x, 7 - 3 * labels) == expected  # other names, other order
    assert score(x.astype(np.float32), labels) == pytest.approx(score(x, labels), rel=1e-4)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(("n", "d"), [(40, 6), (24, 50)])
def test_blocks_add_up(score, n, d, monkeypatch):
    x, labels = make(n, d, offset=1.0)
    whole = SCORES[score](x, labels)
    monkeypatch.setattr(transferability, "ROWS", 7)
    assert SCORES[score](x, labels) == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize("score", SCORES)
def test_signal_counts(score):
    scores = [SCORES[score](*make(200, 10, signal)) for signal in (0.0, 1.0, 3.0)]
    assert scores == sorted(scores)
    assert scores[0] < scores[2]


def test_hscore_by_hand():
    """Class means (1, 0) and (5, 0), covariance diag(5, 1), its mean eigenvalue 3."""
    x, labels = np.array([[0, 1], [2, -1], [4, -1], [6, 1]]), np.array([0, 0, 1, 1])
    assert analysis.hscore(x, labels, shrinkage=0.0) == pytest.approx(4 / 5)
    assert analysis.hscore(x, labels, shrinkage=0.5) == pytest.approx(0.5 * 4 / (0.5 * 5 + 0.5 * 3))
    assert analysis.hscore(x, labels, shrinkage=1.0) == 0
    assert analysis.hscore(x[:, :1], labels) == pytest.approx(4 / 5)  # one feature: nothing to shrink


@pytest.mark.parametrize(("n", "d"), [(200, 5), (60, 40), (24, 50)])
def test_hscore_is_the_papers_formula(n, d):
    x, labels = make(n, d, signal=4.0, offset=5.0)
    covariance, shrinkage = ledoit_wolf(x)
    means = np.stack([x[labels == label].mean(0) for label in labels])
    between = (1 - shrinkage) * np.cov(means, rowvar=False, bias=True)
    assert 0 < shrinkage < 1
    assert analysis.hscore(x, labels) == pytest.approx(np.trace(np.linalg.solve(covariance, between)))


def test_bounds_of_the_plain_hscore():
    labels = np.arange(60) % 5
    separate, independent = np.eye(5)[labels], np.stack([np.arange(60) // 30, np.arange(60) // 5 % 2], axis=1)
    assert analysis.hscore(separate, labels, shrinkage=0.0) == pytest.approx(4)
    assert analysis.hscore(independent, labels, shrinkage=0.0) == pytest.approx(0, abs=1e-12)
    noise = np.random.default_rng(0).normal(size=(60, 59))
    assert 0 < analysis.hscore(noise[:, :20], labels, shrinkage=0.0) < 4
    assert analysis.hscore(noise, labels, shrinkage=0.0) == pytest.approx(4)  # as many features as images: no use
    assert analysis.hscore(noise, labels) < 1
    assert analysis.hscore(np.ones((60, 3)), labels) == analysis.hscore(np.ones((60, 3)), labels, shrinkage=0.0) == 0


def test_plain_hscore_knows_no_units():
    x, labels = make(50, 6)
    mapped = x @ np.random.default_rng(0).normal(size=(6, 6)) + 3
    expected = analysis.hscore(x, labels, shrinkage=0.0)
    assert analysis.hscore(mapped, labels, shrinkage=0.0) == pytest.approx(expected)


def test_leep_by_hand():
    """P(0 | z = 0) = 1 / 1.5, P(1 | z = 0) = 0.5 / 1.5, P(1 | z = 1) = 1: each label gets 2 / 3."""
    assert analysis.leep(np.array([[1, 0], [0.5, 0.5]]), np.array([0, 1])) == pytest.approx(np.log(2 / 3))


def test_leep_from_nothing_to_everything():
    """0 if source classes determine labels, minus the labels' entropy if they say nothing; unused ones don't count."""
    labels = np.array([0, 1, 2, 2, 1, 2])
    assert analysis.leep(np.eye(9)[3 + 2 * labels], labels) == pytest.approx(0, abs=1e-12)
    entropy = -sum(share * np.log(share) for share in (1 / 6, 2 / 6, 3 / 6))
    assert analysis.leep(np.full((6, 4), 0.25, np.float32), labels) == pytest.approx(-entropy)
    between = analysis.leep(0.5 * np.eye(3)[labels] + 0.5 / 3, labels)
    assert -entropy < between < 0


@pytest.mark.parametrize("score", [analysis.logme, analysis.hscore, analysis.leep])
def test_bad_input(score):
    x, labels = np.full((6, 2), 0.5), np.arange(6) % 2
    for features, classes, complaint in (
        (x[:, None], labels, r"\(6, 1, 2\), labels int64 \(6,\): expected numbers \(n, d\) and integers"),
        (x, labels[:5], r"\(6, 2\), labels int64 \(5,\)"),
        (x, labels[:, None], r"labels int64 \(6, 1\)"),
        (x, 1.0 * labels, "labels float64"),
        (x.astype(str), labels, "expected numbers"),
        (np.where(np.arange(6)[:, None] > 3, np.nan, x), labels, "of 2 images are not finite, first row 4: leave"),
        (x, 0 * labels, "labels: expected at least 2 classes to tell apart, got 1"),
        (x[:0], labels[:0], "labels: expected at least 2 classes to tell apart, got 0"),
    ):
        with pytest.raises(InputError, match=complaint):
            score(features, classes)


def test_bad_shrinkage_and_probabilities():
    x, labels = np.full((4, 2), 0.5), np.arange(4) % 2
    with pytest.raises(InputError, match=r"shrinkage 1.5: expected 0 \(the plain H-score\) to 1"):
        analysis.hscore(x, labels, shrinkage=1.5)
    with pytest.raises(InputError, match=r"from 3, rows summing to 6 to 6: expected none below 0 and sums of 1"):
        analysis.leep(6 * x, labels)
    with pytest.raises(InputError, match=r"from -0\.5, rows summing to 1 to 1"):
        analysis.leep(x + np.array([-1, 1]), labels)
