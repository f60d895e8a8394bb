import numpy as np
import pytest

from tfxfer import analysis
from tfxfer.analysis import metrics
from tfxfer.core.errors import InputError


@pytest.fixture(scope="module")
def blobs():
    """Three far Gaussian classes in 60 dimensions: float32 (150, 60) and labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(150) % 3
    return (rng.normal(size=(150, 60)) + 12 * np.eye(60)[labels]).astype(np.float32), labels


def test_pca_is_the_singular_value_decomposition(blobs):
    x, _ = blobs
    centred = x - x.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    ours, reference = analysis.project(x, "pca"), centred @ axes[:2].T
    np.testing.assert_allclose(np.abs(ours), np.abs(reference), atol=1e-3)


@pytest.mark.parametrize("method", ["pca", "tsne", "lle"])
def test_separates_what_is_separate_and_repeats(blobs, method):
    x, labels = blobs
    points = analysis.project(x, method, seed=3)
    assert points.shape == (150, 2)
    assert metrics.knn_purity(points, labels) > 0.95
    np.testing.assert_array_equal(points, analysis.project(x, method, seed=3))


@pytest.mark.parametrize("method", ["pca", "tsne", "lle"])
def test_few_points_and_few_dimensions(method):
    x = np.random.default_rng(0).normal(size=(5, 3))
    assert analysis.project(x, method).shape == (5, 2)


def test_bad_input():
    with pytest.raises(InputError, match="projection 'umap': expected one of pca, tsne, lle"):
        analysis.project(np.zeros((9, 2)), "umap")
    with pytest.raises(InputError, match=r"shape \(3, 2\)"):
        analysis.project(np.zeros((3, 2)))
    with pytest.raises(InputError, match="finite"):
        analysis.project(np.full((9, 2), np.nan))
