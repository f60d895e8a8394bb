import numpy as np
import pytest
from sklearn.linear_model import MultiTaskLasso
from sklearn.preprocessing import StandardScaler

from tfxfer.analysis import group_lasso

pytestmark = pytest.mark.usefixtures("one_thread")


def planted(n=200, d=60, informative=(3, 17, 40), seed=0, noise=1.0):
    """Features of which a few follow the class; float32 (n, d) in units of their own, and labels of 4 classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 4
    x = noise * rng.normal(size=(n, d))
    x[:, informative] += 2 * rng.normal(size=(4, len(informative)))[labels]
    return (x * rng.uniform(0.01, 100, d) + rng.normal(size=d) * 10).astype(np.float32), labels


def test_planted_features_are_found():
    x, labels = planted()
    (found,) = group_lasso.select(x, labels, [3])
    np.testing.assert_array_equal(found.features, [3, 17, 40])
    assert 0.05 < found.strength < 1


def test_orthogonal_features_in_closed_form():
    """Z^T Z / n = I: a row is the gradient shrunk by the penalty, so the order is that of the gradients, and as many
    rows are above zero as gradients are above the penalty."""
    rng = np.random.default_rng(0)
    n, d = 64, 10
    basis = np.linalg.qr(np.hstack([np.ones((n, 1)), rng.normal(size=(n, d))]))[0][:, 1:] * np.sqrt(n)
    labels = np.arange(n) % 2
    targets = np.eye(2)[labels] - 0.5
    gradients = np.linalg.norm(basis.T @ targets, axis=1) / n
    for count in (1, 4, 9):
        (found,) = group_lasso.select(basis, labels, [count])
        np.testing.assert_array_equal(found.features, np.sort(np.argsort(-gradients)[:count]))
        assert (gradients > found.strength * gradients.max() * (1 - 1e-6)).sum() >= count
        assert (gradients > found.strength / group_lasso.STEP * gradients.max() * (1 + 1e-6)).sum() < count


def test_rows_are_those_of_scikit_learn_on_all_features():
    """The strong rule leaves out nothing that belongs there."""
    x, labels = planted(d=300)
    z, targets = StandardScaler().fit_transform(x.astype(float)), np.eye(4)[labels] - 0.25
    most = np.linalg.norm(z.T @ targets, axis=1).max() / len(z)
    path = group_lasso._path(x.astype(float), labels)
    for _ in range(6):
        strength, lengths, gradients = next(path)
        plain = MultiTaskLasso(alpha=strength * most, fit_intercept=False, tol=1e-8, max_iter=10_000).fit(z, targets)
        np.testing.assert_allclose(lengths, np.linalg.norm(plain.coef_, axis=0), atol=3e-3)
        residual = np.linalg.norm(z.T @ (targets - z @ plain.coef_.T), axis=1) / len(z)
        np.testing.assert_allclose(gradients, residual, atol=3e-3)


def test_of_two_equal_features_with_noise_one_is_enough():
    """What a ranking by each feature alone could not: a copy of the best comes after a weaker one of its own."""
    rng = np.random.default_rng(1)
    labels = np.arange(400) % 4
    first, second = np.where(labels % 2, 2.0, -2.0), np.where(labels > 1, 1.0, -1.0)
    strong = first + 0.3 * rng.normal(size=400)
    x = np.stack([strong, strong + 0.01 * rng.normal(size=400), second + rng.normal(size=400)], 1)
    (found,) = group_lasso.select(np.hstack([x, rng.normal(size=(400, 20))]), labels, [2])
    assert 2 in found.features


def test_counts_share_a_path_and_reach_all_features():
    x, labels = planted(n=40, d=100)
    found = group_lasso.select(x, labels, [100, 5, 90, 5])
    assert [len(selection.features) for selection in found] == [100, 5, 90, 5]
    assert found[0].strength == 0
    np.testing.assert_array_equal(found[0].features, np.arange(100))
    np.testing.assert_array_equal(found[1].features, group_lasso.select(x, labels, [5])[0].features)
    assert len(np.unique(found[2].features)) == 90  # more than a classifier of 40 images has rows


def test_constant_features_come_last():
    x, labels = planted()
    x[:, [0, 5]] = 1e4, 0
    (found,) = group_lasso.select(x, labels, [58])
    assert not {0, 5} & {*found.features}
    (found,) = group_lasso.select(np.ones((8, 4), np.float32), np.arange(8) % 2, [2])
    assert len(found.features) == 2


def test_blocks_make_no_difference(monkeypatch):
    x, labels = planted()
    (whole,) = group_lasso.select(x, labels, [10])
    monkeypatch.setattr(group_lasso, "BLOCK", 7)
    np.testing.assert_array_equal(group_lasso.select(x, labels, [10])[0].features, whole.features)
