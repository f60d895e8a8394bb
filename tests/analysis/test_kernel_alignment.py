"""Linear CKA: closed forms, the definition with kernels, invariance, and what it is not defined for."""

import numpy as np
import pytest

from tfxfer import analysis
from tfxfer.core.errors import InputError


def make(n=60, d1=5, d2=7, seed=0):
    """Correlated features with large means: (n, d1) and (n, d2)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d1))
    return x + 20, x @ rng.normal(size=(d1, d2)) + rng.normal(size=(n, d2)) - 9


def by_kernels(x, y) -> float:
    """CKA by definition: HSIC0 with the centring matrix, in float64."""
    x, y = (values.reshape(len(values), -1).astype(np.float64) for values in (x, y))
    h = np.eye(len(x)) - 1 / len(x)

    def hsic(k, l):  # noqa: E741
        return np.trace(k @ h @ l @ h) / (len(k) - 1) ** 2

    k, l = x @ x.T, y @ y.T  # noqa: E741
    return hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))


def hsic1(x, y) -> float:
    """HSIC_1 of Song et al. 2012, as it is written there, with kernels."""
    n, one = len(x), np.ones(len(x))
    k, l = ((z @ z.T) * (1 - np.eye(n)) for z in (x, y))  # noqa: E741
    inner = (
        np.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ l @ one)
    )
    return inner / (n * (n - 3))


def unbiased_by_kernels(x, y) -> float:
    return hsic1(x, y) / np.sqrt(hsic1(x, x) * hsic1(y, y))


@pytest.mark.parametrize("shape", [(60, 5, 7), (6, 40, 3), (6, 3, 40), (2, 1, 1)])
def test_equals_the_definition(shape):
    """More examples than features, and fewer of them on either side."""
    x, y = make(*shape)
    assert analysis.cka(x, y) == pytest.approx(by_kernels(x, y), rel=1e-9)
    if len(x) >= 4:
        assert analysis.cka(x, y, unbiased=True) == pytest.approx(unbiased_by_kernels(x, y), rel=1e-8)


def test_closed_forms():
    """One feature each: the squared correlation; orthogonal halves: 0; two of three equal features, by hand."""
    x, y = make(50, 1, 1)
    assert analysis.cka(x, y) == pytest.approx(np.corrcoef(x[:, 0], y[:, 0])[0, 1] ** 2)
    waves = np.sin(2 * np.pi * np.outer(np.arange(64) / 64, (1, 2, 3, 4)))
    assert analysis.cka(waves[:, :2], waves[:, 2:]) < 1e-20
    # |x^T y|^2 = 2, |x^T x| = sqrt(2), |y^T y| = sqrt(3), in units of the sines' squared norm
    assert analysis.cka(waves[:, :2], waves[:, :3]) == pytest.approx(2 / np.sqrt(6))


@pytest.mark.parametrize("unbiased", [False, True])
def test_rotation_scale_and_translation_change_nothing(unbiased):
    x, y = make()
    rng = np.random.default_rng(1)
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    expected = analysis.cka(x, y, unbiased)
    for scale in (1e-150, 0.3, -1e150):
        assert analysis.cka(scale * (x @ turn), y, unbiased) == pytest.approx(expected, rel=1e-8)
    assert analysis.cka(x @ turn + 3, x, unbiased) == pytest.approx(1)
    assert analysis.cka(y, x, unbiased) == pytest.approx(expected)
    assert analysis.cka(x * np.arange(1, 6), y, unbiased) != pytest.approx(expected, rel=1e-3)  # other linear maps do


def test_float32_is_computed_in_float64():
    """Means 1,000 times the spread, where float32 products would lose all digits; and feature maps."""
    x, y = make(200, 12, 8)
    x, y = (x + 1000).astype(np.float32), y.astype(np.float32)
    assert analysis.cka(x, y) == pytest.approx(by_kernels(x.astype(np.float64) - x.mean(0, np.float64), y), rel=1e-9)
    assert analysis.cka(x.reshape(200, 2, 2, 3), y) == analysis.cka(x, y)


def test_only_the_unbiased_estimate_tells_that_features_are_unrelated():
    """Forty examples of 400 features each, all independent: the plain estimate is near 1."""
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(40, 400)), rng.normal(size=(40, 400))) for _ in range(20)]
    assert np.mean([analysis.cka(*pair) for pair in pairs]) > 0.85
    found = [analysis.cka(*pair, unbiased=True) for pair in pairs]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(20) + 1e-3


@pytest.mark.parametrize("constant", [np.full((9, 3), 0.1), np.full((9, 3), np.float32(1e30)), np.zeros((9, 2))])
def test_of_features_that_never_change_it_is_not_defined(constant):
    x = make(9)[0]
    for unbiased in (False, True):
        assert np.isnan(analysis.cka(constant, x, unbiased))
        assert np.isnan(analysis.cka(x, constant, unbiased))


X = np.zeros((5, 2))


@pytest.mark.parametrize(
    ("x", "y", "unbiased", "said"),
    [
        (X, X[:4], False, "features of 5 and of 4 examples: expected the same examples in both"),
        (X[:, 0], X, False, r"features float64 \(5,\): expected numbers \(n, ...\)"),
        (X, X.astype(str), False, r"features <U32 \(5, 2\): expected numbers"),
        (X, X[:, :0], False, r"features float64 \(5, 0\): expected numbers"),
        (X[:1], X[:1], False, "1 examples: expected at least 2"),
        (X[:3], X[:3], True, "3 examples: expected at least 4"),
        (X, X + np.nan, False, "features contain NaN or infinity: leave out or repair those examples"),
        (X - np.inf, X, True, "features contain NaN or infinity"),
    ],
)
def test_wrong_input(x, y, unbiased, said):
    with pytest.raises(InputError, match=said):
        analysis.cka(x, y, unbiased)


def test_what_does_not_fit_is_refused_first(monkeypatch):
    monkeypatch.setattr("tfxfer.core.memory.available", lambda: 1000)
    with pytest.raises(InputError, match=r"CKA of 60 examples of 7 features needs 0\.0 GB of memory"):
        analysis.cka(*make())
