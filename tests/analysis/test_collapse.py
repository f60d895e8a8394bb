"""Neural collapse: figures by hand, a plain implementation, and known mistakes, which the same check must catch."""

from functools import partial
from itertools import combinations

import numpy as np
import pytest

from tfxfer.analysis.collapse import figures, neural_collapse
from tfxfer.analysis.moments import blocks, collect
from tfxfer.core.errors import InputError


def by_hand():
    """12 examples of three classes in three dimensions, unbalanced, whose figures are worked out here.

    m_c = (2, 0, 0), (-1, 1, 0), (-1, -1, 0), around mu_G = (5, 5, 5). Examples lie at mu_c +- (1, 0, 0); at mu_c +-
    (0, 1/2, 0) and mu_c +- (0, 0, 2); at mu_c +- (1, 0, 0), +- (0, 1/2, 0) and +- (0, 0, 1). So Sigma_B is
    diag(2, 2/3, 0), Sigma_W diag(1/3, 1/12, 5/6), class variances 1, 17/8, 3/4. W is the unit matrix. Of the examples,
    that of class 1 at +(0, 0, 2), h - mu_G + b = (-1.5, 1.25, 2), and that of class 2 at -(0, 0, 1), (-1.5, -0.75, -1),
    are classified other than by the nearest mean.
    """
    means = np.array([[2.0, 0, 0], [-1, 1, 0], [-1, -1, 0]]) + 5
    radii = [[1, 0, 0], [0, 0.5, 2], [1, 0.5, 1]]
    rows = [
        (mean + sign * row, c)
        for c, (mean, radius) in enumerate(zip(means, radii))
        for row in np.diag(radius)[np.nonzero(radius)]
        for sign in (1, -1)
    ]
    x, labels = (np.array(column) for column in zip(*rows))
    root = 2**0.5
    expected = {
        "nc1": ((1 / 3) / 2 + (1 / 12) / (2 / 3)) / 3,
        "equal_norms": (root / 3 * (2 - root)) / ((2 + 2 * root) / 3),
        "equal_angle": 1 / 3,  # cosines -1 / sqrt(2) twice, and 0
        "maximal_angle": (2 * (1 / root - 1 / 2) + 1 / 2) / 3,
        "cdnv": ((1 + 17 / 8) / 20 + (1 + 3 / 4) / 20 + (17 / 8 + 3 / 4) / 8) / 3,
        "classifier_equal_norms": 0,
        "classifier_equal_angle": 0,
        "classifier_maximal_angle": 1 / 2,
        "nc3": 2 - 2 * 3 / (3 * 8) ** 0.5,  # trace of M 3, |W|^2 3, |M|^2 8
        "nc4": 2 / 12,
    }
    order = np.random.default_rng(0).permutation(12)
    return x[order], labels[order], (np.eye(3), np.array([-0.5, 0.25, 0])), expected


def check(implementation, rtol: float = 1e-9) -> None:
    x, labels, classifier, expected = by_hand()
    found = implementation(x, labels, classifier)
    assert list(found) == list(expected)
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol, 1e-12)


def plain(x, labels, classifier, batch=None, corner=-1, rank=None, centre=None, ddof=0) -> dict[str, float]:
    """The definitions, straightforwardly in float64, with room for mistakes."""
    weights, bias = classifier
    classes, d = weights.shape
    means = np.stack([x[labels == c].mean(0) for c in range(classes)])
    m = means - (means.mean(0) if centre is None else centre(x))
    within = np.zeros((d, d))
    for first in range(0, len(x), batch or len(x)):
        rows = slice(first, first + (batch or len(x)))
        part = (x - means[labels])[rows]
        within = part.T @ part / len(x)
    values, vectors = np.linalg.eigh(m.T @ m / classes)
    keep = slice(d - (rank or min(classes - 1, d)), None)
    inverse = vectors[:, keep] / (values[keep] + 1e-300) @ vectors[:, keep].T

    def simplex(rows):
        norms = np.linalg.norm(rows, axis=1)
        cosines = [rows[i] @ rows[j] / norms[i] / norms[j] for i, j in combinations(range(classes), 2)]
        maximal = np.mean([abs(cosine + 1 / (classes + corner)) for cosine in cosines])
        return norms.std(ddof=ddof) / norms.mean(), np.std(cosines, ddof=ddof), maximal

    variances = [((x[labels == c] - means[c]) ** 2).sum(1).mean() for c in range(classes)]
    pairs = combinations(range(classes), 2)
    cdnv = np.mean([(variances[i] + variances[j]) / 2 / ((means[i] - means[j]) ** 2).sum() for i, j in pairs])
    nearest = ((x[:, None] - means) ** 2).sum(2).argmin(1)
    names = ("equal_norms", "equal_angle", "maximal_angle")
    return {
        "nc1": np.trace(within @ inverse) / classes,
        **dict(zip(names, simplex(m))),
        "cdnv": cdnv,
        **{f"classifier_{name}": value for name, value in zip(names, simplex(weights))},
        "nc3": np.linalg.norm(weights / np.linalg.norm(weights) - m / np.linalg.norm(m)) ** 2,
        "nc4": np.mean((x @ weights.T + bias).argmax(1) != nearest),
    }


def test_by_hand():
    check(neural_collapse)
    check(plain)
    check(lambda x, labels, classifier: neural_collapse(x.astype(np.float32), labels, classifier), 1e-5)


MISTAKES = {
    "Sigma_W of the last batch": {"batch": 4},
    "1 / (C + 1)": {"corner": 1},
    "full rank": {"rank": 3},
    "mean of all examples": {"centre": lambda x: x.mean(0)},
    "ddof 1": {"ddof": 1},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_caught(mistake):
    with pytest.raises(AssertionError):
        check(partial(plain, **MISTAKES[mistake]))


@pytest.mark.parametrize(("classes", "d"), [(2, 5), (5, 8), (8, 3), (4, 1)])
def test_random_data(classes, d):
    """Unbalanced classes, also more than dimensions."""
    rng = np.random.default_rng(classes)
    labels = np.concatenate([np.repeat(np.arange(classes), 3), rng.integers(0, (classes + 1) // 2, 300)])
    x = rng.normal(size=(len(labels), d)) + 2 * rng.normal(size=(classes, d))[labels] + 3
    classifier = rng.normal(size=(classes, d)), rng.normal(size=classes)
    found, expected = neural_collapse(x, labels, classifier), plain(x, labels, classifier)
    assert list(found) == list(expected)
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-9, atol=1e-12)
    alone = neural_collapse(x.reshape(len(x), d, 1), labels)
    assert alone == {name: found[name] for name in ("nc1", "equal_norms", "equal_angle", "maximal_angle", "cdnv")}
    assert figures(collect(blocks(x, labels), classes), classifier).items() <= found.items()


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-9), (np.float32, 1e-5)])
def test_more_features_than_examples(dtype, rtol):
    """Of 40 images in 500 dimensions, with a classifier whose rows lie outside their span too."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) ** 2 % 5
    labels[:5] = range(5)
    x = (rng.normal(size=(40, 500)) + rng.normal(size=(5, 500))[labels] + 3).astype(dtype)
    classifier = rng.normal(size=(5, 500)), rng.normal(size=5)
    found, expected = neural_collapse(x, labels, classifier), plain(x.astype(np.float64), labels, classifier)
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol, 1e-12)
    assert neural_collapse(x, labels) == pytest.approx({name: expected[name] for name in list(found)[:5]}, rel=rtol)
    with pytest.raises(InputError, match="500 features contain NaN or infinity"):
        neural_collapse(x * np.nan, labels)


def simplex(classes: int, d: int) -> np.ndarray:
    """Equal lengths 1 and cosines -1 / (C - 1), turned at random: (classes, d)."""
    corners = np.eye(classes) - 1 / classes
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(d, classes)))[0]
    return corners @ turned.T / (1 - 1 / classes) ** 0.5


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_collapsed(dtype):
    means = simplex(10, 20)
    labels = np.arange(70) ** 2 % 10  # unbalanced
    labels[:10] = range(10)
    found = neural_collapse((means + 2).astype(dtype)[labels], labels, (means, -2 * means.sum(1)))
    assert len(found) == 10
    for name, value in found.items():
        assert abs(value) < (1e-12 if dtype == np.float64 else 1e-6), name


def test_normal_classes():
    """Means on a simplex of radius r, examples N(mu_c, s^2 I): Sigma_B has C - 1 eigenvalues r^2 / (C - 1) and
    |mu_c - mu_c'|^2 is 2 r^2 C / (C - 1), so NC1 is s^2 (C - 1)^2 / (r^2 C), CDNV d s^2 (C - 1) / (2 r^2 C)."""
    classes, d, r, s = 5, 6, 3.0, 0.5
    labels = np.arange(50_000) % classes
    x = np.random.default_rng(0).normal(size=(50_000, d)) * s + r * simplex(classes, d)[labels]
    found = neural_collapse(x.astype(np.float32), labels)
    assert found["nc1"] == pytest.approx(s**2 * (classes - 1) ** 2 / (r**2 * classes), rel=0.02)
    assert found["cdnv"] == pytest.approx(d * s**2 * (classes - 1) / (2 * r**2 * classes), rel=0.02)
    assert max(found[name] for name in ("equal_norms", "equal_angle", "maximal_angle")) < 0.01


def test_nearly_collapsed_in_single_precision():
    """Within classes, deviations are 1e-5 of what is between them: float32 features still tell how much."""
    rng = np.random.default_rng(0)
    labels = np.sort(np.arange(2000) % 4)
    x = (rng.normal(size=(2000, 6)) * 1e-4 + 10 * simplex(4, 6)[labels]).astype(np.float32)
    classifier = simplex(4, 6), np.zeros(4)
    single, double = (neural_collapse(x.astype(dtype), labels, classifier) for dtype in (np.float32, np.float64))
    np.testing.assert_allclose(single["nc1"], double["nc1"], rtol=1e-4)
    np.testing.assert_allclose(single["cdnv"], double["cdnv"], rtol=1e-4)
    assert 0 < single["nc1"] < 1e-9


def test_degenerate_means():
    """Two classes with the same examples leave a rank out; means on a line have no angle in the middle."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 8)).astype(np.float32)
    first = np.concatenate([x, x[:10][::-1]]), np.repeat(np.arange(5), 10)
    assert neural_collapse(x, first[1][:40])["nc1"] < 10
    found = neural_collapse(*first)
    assert found["nc1"] < 10
    assert found["cdnv"] > 1e6
    line = neural_collapse(np.array([[-1.0], [-1], [0], [0], [1], [1]]), np.arange(6) // 2)
    assert line["nc1"] == 0
    assert np.isnan(line["equal_angle"])
    assert neural_collapse(np.array([[0.0], [1], [0], [1]]), np.arange(4) // 2)["nc1"] == np.inf


@pytest.mark.parametrize(
    ("labels", "classifier", "said"),
    [
        ([0, 0, 0], None, "collapse of 1 class: expected at least 2"),
        ([0, 2, 5], None, "class 1, 3, 4 of 6 has no examples"),
        (
            [0, 1, 2],
            (np.zeros((2, 3)), np.zeros(3)),
            r"expected weights \(3, 2\); this is a Keras kernel: transpose it",
        ),
        ([0, 1, 2], (np.zeros((3, 5)), np.zeros(3)), r"expected weights \(3, 2\) and bias \(3,\) for 2 features"),
        ([0, 1, 2], (np.zeros((3, 2)), np.zeros(())), r"bias \(\): expected weights \(1, 2\)"),
        ([0, 1, 2], (np.zeros((2, 2)), np.zeros(2)), "labels int64 from 0 to 2: expected integers from 0 to 1"),
    ],
)
def test_wrong_input(labels, classifier, said):
    with pytest.raises(InputError, match=said):
        neural_collapse(np.eye(3)[:, :2], np.array(labels), classifier)
