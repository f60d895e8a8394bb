import pickle

import numpy as np
import pytest
import sklearn.svm
from sklearn.base import clone
from sklearn.datasets import load_digits

from tfxfer.analysis import svm
from tfxfer.analysis.svm import SVC


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x / 16, y


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_scores_are_scikit_learns(digits, classes, kernel, monkeypatch):
    """But for one in a hundred, where a pair is so close that the two solutions differ in who wins it.

    Labels from 5 on are no places in arrays; the kernel comes in several blocks.
    """
    monkeypatch.setattr(svm, "_ENTRIES", 10_000)
    x, y = digits[0][digits[1] < classes], 5 + digits[1][digits[1] < classes]
    theirs = sklearn.svm.SVC(C=2, kernel=kernel, tol=1e-6, break_ties=True).fit(x[:300], y[:300])
    ours = SVC(C=2, kernel=kernel)
    for dtype in (np.float64, np.float32):
        ours = clone(ours).fit(x[:300].astype(dtype), y[:300])
        scores = ours.decision_function(x.astype(dtype))
        assert scores.dtype == dtype
        assert scores.shape == theirs.decision_function(x).shape
        assert np.mean(np.abs(scores - theirs.decision_function(x)) < 0.02) > 0.99
        assert np.mean(ours.predict(x.astype(dtype)) == theirs.predict(x)) > 0.995


def test_scores_are_those_of_the_class_it_extends(digits):
    """The same support vectors, scored by oneDAL, or where there is none by libsvm."""
    x, y = digits
    ours = SVC(C=10).fit(x[:400], y[:400])
    base = svm.svm.SVC(C=10, break_ties=True).fit(x[:400], y[:400])
    np.testing.assert_allclose(ours.decision_function(x), base.decision_function(x), atol=1e-5)
    np.testing.assert_array_equal(ours.predict(x), base.predict(x))


def test_pair_by_hand():
    """Support vectors at -1 and 1 with coefficients -1/2 and 1/2: the score is x, the margin at 1."""
    x = np.array([[-1.0], [1.0], [3.0], [-4.0]])
    ours = SVC(kernel="linear", C=100).fit(x, [0, 1, 1, 0])
    np.testing.assert_allclose(ours.decision_function(np.array([[-2.0], [0.5]])), [-2, 0.5], atol=1e-3)


def test_pickles_small_and_repeats(digits):
    x, y = digits[0].astype(np.float32), digits[1]
    ours = SVC(C=10).fit(x[:400], y[:400])
    kept = pickle.dumps(ours)
    assert len(kept) < 1.5 * (ours.support_vectors_.nbytes + ours.dual_coef_.nbytes) + 5000
    np.testing.assert_array_equal(pickle.loads(kept).decision_function(x), ours.decision_function(x))
    np.testing.assert_array_equal(
        ours.fit(x[:400], y[:400]).decision_function(x), pickle.loads(kept).decision_function(x)
    )
