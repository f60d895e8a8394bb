import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tfxfer import analysis
from tfxfer.errors import InputError


@pytest.mark.parametrize(("method", "least"), [("lda", 0.93), ("logistic", 0.95)])
def test_pixels_of_digits(method, least):
    """scikit-learn's own examples give about 0.95 and 0.97 on these pixels."""
    x, y = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(x, y, random_state=0, stratify=y)
    scores = analysis.probe(train_x, train_y, test_x, test_y, method)
    assert scores["test_accuracy"] > least
    assert scores["train_accuracy"] > scores["test_accuracy"] - 0.01


def test_units_do_not_matter():
    """Features are standardised: a column in other units changes nothing."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = rng.normal(size=(200, 4)) + y[:, None]
    scaled = x * [1, 1e4, 1e-4, 1]
    first = analysis.probe(x[:100], y[:100], x[100:], y[100:], "logistic")
    assert first == analysis.probe(scaled[:100], y[:100], scaled[100:], y[100:], "logistic")
    assert 0.7 < first["test_accuracy"] < 1


def test_unknown_method():
    with pytest.raises(InputError, match="probe 'tree': expected one of lda, logistic"):
        analysis.probe(np.zeros((2, 2)), np.arange(2), np.zeros((2, 2)), np.arange(2), "tree")
