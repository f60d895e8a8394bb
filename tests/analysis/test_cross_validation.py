"""Cross-validated predictions against scikit-learn's, fold by fold."""

import numpy as np
import pytest
from sklearn import linear_model
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from tfxfer.analysis.cross_validation import predictions
from tfxfer.core.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x[:300], y[:300]


@pytest.mark.parametrize("wide", [False, True])
def test_is_scikit_learns(digits, wide):
    """Also with more features than examples, which are rotated once."""
    x, y = digits
    x = np.concatenate([x, x @ np.random.default_rng(0).normal(size=(64, 400))], 1) if wide else x
    folds = StratifiedKFold(5, shuffle=True, random_state=7)
    theirs = linear_model.LogisticRegression(max_iter=5000)
    expected = cross_val_predict(theirs, StandardScaler().fit_transform(x), y, cv=folds)
    assert np.mean(predictions(x, y, seed=7) == expected) > 0.995
    np.testing.assert_array_equal(predictions(x, y, np.arange(300), 7), predictions(x, y, seed=7))


def test_copies_of_an_image_are_in_one_fold():
    """Labels are noise: copies in other folds would give them away."""
    rng = np.random.default_rng(0)
    x, y, bases = rng.normal(size=(40, 80)), rng.permutation(np.arange(40) % 2), np.arange(40)
    x, y, bases = np.repeat(x, 5, 0), np.repeat(y, 5), np.repeat(bases, 5)
    assert np.mean(predictions(x, y) == y) > 0.99
    assert np.mean(predictions(x, y, bases) == y) < 0.75


def test_small_classes(digits):
    """A class of one image is never learned from when it is asked for; two images a class make two folds."""
    x, y = digits
    rare = np.where(np.arange(300) == 5, 10, y)
    assert predictions(x, rare)[5] != 10
    some = np.concatenate([np.flatnonzero(y == c)[:2] for c in range(10)])
    assert predictions(x[some], y[some]).shape == (20,)
    for labels in (np.arange(10), np.zeros(10, int)):
        with pytest.raises(InputError, match="expected at least two classes, and at least two images of one of them"):
            predictions(x[:10], labels)
