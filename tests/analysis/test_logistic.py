import warnings

import numpy as np
import pytest
from sklearn import linear_model
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from tfxfer.analysis.logistic import LogisticRegression
from tfxfer.core import memory
from tfxfer.core.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return StandardScaler().fit_transform(x)[:500], y[:500]


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("C", [0.001, 1.0, 100.0])
def test_is_scikit_learns(digits, classes, C):
    """The same minimum, found by other steps; in float32 as near as its default tolerance."""
    x, y = digits[0][digits[1] < classes], digits[1][digits[1] < classes]
    theirs = linear_model.LogisticRegression(C=C, tol=1e-8, max_iter=20_000).fit(x, y)
    ours = LogisticRegression(C=C, tol=1e-6).fit(x, y)
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.intercept_.shape == theirs.intercept_.shape
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=2e-4)
    half = LogisticRegression(C=C).fit(x.astype(np.float32), y)
    assert half.coef_.dtype == half.predict_proba(x.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(half.predict_proba(x.astype(np.float32)), theirs.predict_proba(x), atol=0.02)


def test_gradient_vanishes_at_the_solution(digits):
    """First-order conditions: X^T (p - y) C + coef = 0, and residuals of each class sum to 0."""
    x, y = digits
    ours = LogisticRegression(C=0.1, tol=1e-7).fit(x, y)
    residual = ours.predict_proba(x) - np.eye(10)[y]
    np.testing.assert_allclose(0.1 * residual.T @ x + ours.coef_, 0, atol=1e-2)
    np.testing.assert_allclose(residual.sum(0), 0, atol=1e-2)


def test_fewer_steps_than_scikit_learn_where_features_are_correlated():
    rng = np.random.default_rng(0)
    x = StandardScaler().fit_transform(np.cumsum(rng.normal(size=(400, 60)), axis=1))
    y = (x @ rng.normal(size=(60, 4))).argmax(1)
    theirs = linear_model.LogisticRegression(max_iter=5000).fit(x, y)
    ours = LogisticRegression().fit(x, y)
    assert ours.n_iter_[0] < theirs.n_iter_[0] / 1.5
    assert ours.score(x, y) == pytest.approx(theirs.score(x, y), abs=0.01)


def test_stopped_early_says_so(digits):
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        LogisticRegression(max_iter=3).fit(*digits)


def test_more_features_than_examples_and_constant_ones():
    x = np.zeros((6, 50), np.float32)
    x[:, 0] = [1, 2, 3, -1, -2, -3]
    y = np.array([7, 7, 7, 3, 3, 3])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = LogisticRegression().fit(x, y)
    np.testing.assert_array_equal(ours.predict(x), y)
    assert ours.coef_[0, 0] > 0
    assert not ours.coef_[0, 1:].any()


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_more_features_than_examples_is_scikit_learns(digits, classes, dtype):
    """60 examples of 640 features: by the 60 x 60 side, to the minimum that scikit-learn finds among all features."""
    rng = np.random.default_rng(0)
    x = np.concatenate([digits[0], digits[0] @ rng.normal(size=(64, 576)) / 8 + rng.normal(size=(500, 576))], 1)
    x, y = x[digits[1] < classes][:60].astype(dtype), digits[1][digits[1] < classes][:60]
    before = x.copy()
    theirs = linear_model.LogisticRegression(tol=1e-9, max_iter=20_000).fit(x.astype(np.float64), y)
    ours = LogisticRegression(tol=1e-6).fit(x, y)
    np.testing.assert_array_equal(x, before)
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.coef_.dtype == dtype
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=2e-4)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x.astype(np.float64)), atol=1e-3)


def test_what_does_not_fit_into_memory_is_refused_before_it_is_begun(digits, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 1000)
    said = "logistic regression of 500 examples of 64 features needs 0.0 GB of memory, and 0.0 GB are free: use fewer"
    with pytest.raises(InputError, match=said):
        LogisticRegression().fit(*digits)


def test_bad_input(digits):
    with pytest.raises(InputError, match="1 class"):
        LogisticRegression().fit(np.eye(3), np.zeros(3, int))
    with pytest.raises(InputError, match="C=0: expected a number above 0"):
        LogisticRegression(C=0).fit(*digits)
