"""PCA and LDA against scikit-learn's, from data and from moments."""

import numpy as np
import pytest
from sklearn import decomposition
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from tfxfer.analysis.collapse import neural_collapse
from tfxfer.analysis.linear import LDA, PCA
from tfxfer.analysis.logistic import LogisticRegression
from tfxfer.analysis.moments import blocks, collect
from tfxfer.analysis.transferability import hscore, logme
from tfxfer.core import memory
from tfxfer.core.errors import InputError


def make(n=600, d=12, labels=(3, 5, 6, 20), dtype=np.float64, seed=0):
    """Unbalanced classes that overlap: float (n, d), integers (n,)."""
    rng = np.random.default_rng(seed)
    y = rng.choice(len(labels), n, p=np.arange(1, len(labels) + 1) / np.arange(1, len(labels) + 1).sum())
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 2 * rng.normal(size=(len(labels), d))[y]
    return x.astype(dtype), np.array(labels)[y]


@pytest.mark.parametrize("count", [None, 1, 5])
@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-9), (np.float32, 1e-4)])
def test_pca_is_scikit_learns(count, dtype, atol):
    x, _ = make(dtype=dtype)
    ours, theirs = PCA(count).fit(x), decomposition.PCA(count, svd_solver="full").fit(x.astype(np.float64))
    for name in ("components_", "explained_variance_", "explained_variance_ratio_", "mean_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), 1e-5, atol, err_msg=name)
    np.testing.assert_allclose(z := ours.transform(x), theirs.transform(x.astype(np.float64)), atol=10 * atol)
    np.testing.assert_allclose(ours.inverse_transform(z), theirs.inverse_transform(z.astype(float)), atol=10 * atol)
    assert z.dtype == dtype
    assert (ours.n_components_, ours.n_features_in_) == (count or 12, 12)


def test_pca_of_fewer_examples_than_features():
    x, _ = make(8)
    ours, theirs = PCA().fit(x), decomposition.PCA(svd_solver="full").fit(x)
    assert ours.components_.shape == (8, 12)
    np.testing.assert_allclose(ours.components_[:7], theirs.components_[:7], atol=1e-9)
    np.testing.assert_allclose(ours.explained_variance_, theirs.explained_variance_, atol=1e-12)


def same(ours: LDA, theirs, x, atol: float) -> None:
    """Equal but for a term that all classes of lsqr's scores have in common."""
    assert (ours.predict(x) == theirs.predict(x)).all()
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=atol)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    coef, expected = (model.coef_ - model.priors_ @ model.coef_ for model in (ours, theirs))
    np.testing.assert_allclose(coef, expected, atol=10 * atol)
    np.testing.assert_allclose(np.exp(ours.predict_log_proba(x)), ours.predict_proba(x), atol=1e-6)


@pytest.mark.parametrize("shrinkage", [0, 0.1, 0.9])
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-9), (np.float32, 1e-4)])
def test_lda_is_scikit_learns(shrinkage, constant, dtype, atol):
    x, y = make(dtype=dtype)
    x[:, 3] = 7.5 if constant else x[:, 3]
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(x.astype(np.float64), y)
    same(LDA(shrinkage).fit(x, y), theirs, x, atol)


def test_predictions_of_other_solvers():
    """Of svd, with another divisor of the covariance; on digits, where three pixels never change."""
    x, y = make()
    assert (LDA().fit(x, y).predict(x) == LinearDiscriminantAnalysis().fit(x, y).predict(x)).all()
    x, y = load_digits(return_X_y=True)
    assert (
        np.mean(LDA().fit(x[::2], y[::2]).predict(x) == LinearDiscriminantAnalysis().fit(x[::2], y[::2]).predict(x))
        > 0.995
    )
    pixels = x.astype(np.uint8)
    np.testing.assert_array_equal(LDA(0.1).fit(pixels, y).predict(pixels), LDA(0.1).fit(x, y).predict(x))


def test_two_classes():
    x, y = make(labels=(-1, 4))
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(x, y)
    ours = LDA().fit(x, y)
    for name in ("coef_", "intercept_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-9)
    np.testing.assert_allclose(ours.decision_function(x), theirs.decision_function(x), atol=1e-9)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-9)
    assert (ours.predict(x) == theirs.predict(x)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", ["few", "copies", "collapsed"])
def test_singular_covariance(case, dtype):
    """Directions without variance do not count, and rounding is no variance: the pseudo-inverse of the right rank."""
    rng = np.random.default_rng(0)
    y, means = np.arange(120) % 4, rng.normal(size=(4, 40))
    x = rng.normal(size=(120, 40)) + means[y]
    if case == "few":
        x, y, rank = x[:30], y[:30], 26
    elif case == "copies":
        x, rank = np.concatenate([x, x], 1), 40
    else:  # but for the first five columns, which hardly vary either
        x, rank = 10 * means[y] + np.pad(rng.normal(size=(120, 5)) / 1e3, ((0, 0), (0, 35))), 5
    x = x.astype(dtype)
    wide = x.astype(np.float64)
    centred = wide - np.stack([wide[y == c].mean(0) for c in range(4)])[y]
    values, vectors = np.linalg.eigh(centred.T @ centred / len(x))
    means = np.stack([wide[y == c].mean(0) for c in range(4)]) - wide.mean(0)
    coef = means @ (vectors[:, -rank:] / values[-rank:]) @ vectors[:, -rank:].T
    found = LDA().fit(x, y)
    np.testing.assert_allclose(found.coef_, coef, rtol=0, atol=np.abs(coef).max() * 1e-3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_more_features_than_examples(dtype):
    """By coordinates in the span of the examples: the same as by (d, d) matrices, which moments give."""
    rng = np.random.default_rng(0)
    y = np.arange(50) % 4
    x = (rng.normal(size=(50, 300)) + rng.normal(size=(4, 300))[y] + 5).astype(dtype)
    moments = collect(blocks(x, y), 4)
    for shrinkage in (0.0, 0.3):
        ours, whole = LDA(shrinkage).fit(x, y), LDA.from_moments(moments, shrinkage)
        for name in ("coef_", "intercept_", "means_", "xbar_"):
            expected = getattr(whole, name)
            atol = np.abs(expected).max() * (1e-8 if dtype == np.float64 else 1e-3)
            np.testing.assert_allclose(getattr(ours, name), expected, 0, atol, err_msg=name)
        assert ours.n_features_in_ == 300
    theirs = decomposition.PCA(10, svd_solver="full").fit(x.astype(np.float64))
    for name in ("components_", "explained_variance_", "explained_variance_ratio_", "mean_"):
        ours = getattr(PCA(10).fit(x), name)
        expected = np.asarray(getattr(theirs, name))
        if name == "components_":  # the signs are ours
            assert (np.take_along_axis(ours, np.abs(ours).argmax(1)[:, None], 1) > 0).all()
            ours, expected = np.abs(ours), np.abs(expected)
        np.testing.assert_allclose(ours, expected, 1e-6, 1e-8, err_msg=name)


def test_memory_is_asked_for_by_the_smaller_side(monkeypatch):
    """What (d, d) matrices of 20,000 features have no room in, 20 examples of them need not."""
    monkeypatch.setattr(memory, "available", lambda: 50e6)
    x, y = np.random.default_rng(0).normal(size=(20, 20_000)).astype(np.float32), np.arange(20) % 2
    assert LDA(0.1).fit(x, y).coef_.shape == (1, 20_000)
    assert PCA(2).fit(x).components_.shape == (2, 20_000)
    assert np.isfinite(neural_collapse(x, y)["nc1"])
    assert np.isfinite([logme(x, y), hscore(x, y)]).all()
    assert LogisticRegression().fit(x, y).coef_.shape == (1, 20_000)
    with pytest.raises(InputError, match=r"covariance of 20,000 features needs 19\.2 GB"):
        collect(blocks(x, y), 2)


def test_large_means():
    """In float32, with a mean 10,000 times the standard deviation."""
    rng = np.random.default_rng(0)
    y = np.arange(900) % 3
    x = (rng.normal(size=(900, 6)) + rng.normal(size=(3, 6))[y] + 1e4).astype(np.float32)
    wide = x.astype(np.float64)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(wide - 1e4, y)
    np.testing.assert_allclose(LDA().fit(x, y).predict_proba(x), theirs.predict_proba(wide - 1e4), atol=1e-4)
    z = decomposition.PCA(2, svd_solver="full").fit_transform(wide)
    np.testing.assert_allclose(PCA(2).fit_transform(x), z, atol=1e-3)


def test_one_pass_for_both():
    """From moments: the same as from data; classes without examples are left out."""
    x, y = make()
    moments = collect(blocks(x, y), 30)
    pca, lda = PCA.from_moments(moments, 3), LDA.from_moments(moments, 0.1)
    np.testing.assert_allclose(pca.transform(x), PCA(3).fit_transform(x), atol=1e-9)
    np.testing.assert_allclose(lda.predict_proba(x), LDA(0.1).fit(x, y).predict_proba(x), atol=1e-9)
    assert lda.classes_.tolist() == [3, 5, 6, 20]
    assert lda.score(x, y) == LDA(0.1).fit(x, y).score(x, y)


def test_conventions():
    x, y = make()
    for made in (PCA(3), LDA(0.2)):
        copy = clone(made)
        assert copy.get_params() == made.get_params()
        assert copy.set_params(**made.get_params()).fit(x, y) is copy
        assert copy.n_features_in_ == 12
        with pytest.raises(ValueError, match="expecting 12 features"):
            (copy.transform if isinstance(copy, PCA) else copy.predict)(x[:, :5])
        with pytest.raises(ValueError, match="NaN"):
            made.fit(x * np.nan, y)
        with pytest.raises(ValueError, match="not fitted yet"):
            (made.transform if isinstance(made, PCA) else made.predict)(x)
    assert cross_val_score(make_pipeline(PCA(11), LDA()), x, y, cv=3).min() > 0.5
    names = np.array(["a", "b", "c", "d"])[np.unique(y, return_inverse=True)[1]]
    assert set(LDA().fit(x, names).predict(x)) <= set(names)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x, y: PCA(13).fit(x), "n_components=13 of 600 examples of 12 features: expected None or 1 to 12"),
        (lambda x, y: PCA(0.9).fit(x), "n_components=0.9"),
        (lambda x, y: LDA(1.5).fit(x, y), "shrinkage=1.5: expected 0 to 1"),
        (lambda x, y: LDA().fit(x, y * 0), "of 1 class"),
    ],
)
def test_wrong_input(call, said):
    with pytest.raises(InputError, match=said):
        call(*make())
