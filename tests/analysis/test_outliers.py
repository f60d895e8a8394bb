"""Mahalanobis distances against SciPy's, and planted outliers."""

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from tfxfer.analysis import metrics, outliers
from tfxfer.analysis.moments import blocks, collect
from tfxfer.core.errors import InputError


def test_distances_are_scipys():
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    x = rng.normal(size=(90, 4)) @ rng.normal(size=(4, 4)) + 5 * np.eye(4)[labels]
    means = np.stack([x[labels == c].mean(0) for c in range(3)])
    within = sum((x[labels == c] - means[c]).T @ (x[labels == c] - means[c]) for c in range(3)) / 90
    shrunk = 0.7 * within + 0.3 * np.trace(within) / 4 * np.eye(4)
    expected = [min(mahalanobis(row, mean, np.linalg.inv(shrunk)) for mean in means) for row in x]
    moments = collect(blocks(x, labels), 4)  # the last class has no examples
    np.testing.assert_allclose(outliers.Mahalanobis(moments, 0.3).distances(x), expected, rtol=1e-9)


def test_planted_outliers_do_not_hide_each_other():
    """Of 400 examples 12 are far away in three directions: their own moments would make them usual."""
    rng = np.random.default_rng(1)
    labels = np.arange(400) % 4
    x = rng.normal(size=(400, 120)) + 3 * np.eye(120)[labels]
    x[:12] += 12 * np.eye(120)[50 + np.arange(12) % 3]
    scores = outliers.outlier_scores(x, labels, 4)
    assert metrics.auroc(scores[:12], scores[12:]) > 0.99
    np.testing.assert_array_equal(scores, outliers.outlier_scores(x, labels, 4))


def test_a_single_outlier_among_few_examples_of_many_features():
    x = np.random.default_rng(2).normal(size=(50, 80))
    x[3] *= 6
    assert outliers.outlier_scores(x, np.arange(50) % 2, 2).argmax() == 3


def test_what_cannot_be_scored():
    with pytest.raises(InputError, match="9 examples: expected at least 10"):
        outliers.outlier_scores(np.zeros((9, 2)), np.zeros(9, int), 1)
    with pytest.raises(InputError, match="features do not vary within classes"):
        outliers.outlier_scores(np.ones((20, 2)), np.arange(20) % 2, 2)
    with pytest.raises(InputError, match="shrinkage=0: expected above 0"):
        outliers.Mahalanobis(collect(blocks(np.ones((20, 2)), np.zeros(20, int)), 1), 0)
