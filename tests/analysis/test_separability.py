import numpy as np

from tfxfer import analysis


def test_separation_rises_with_distance():
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 4

    def look(distance):
        x = rng.normal(size=(120, 8)) + distance * np.eye(8)[labels]
        return analysis.separation(x[:60], labels[:60], x[60:], labels[60:])

    (near, _), (far, arrays) = look(0.5), look(8.0)
    assert set(far) == {"probe_accuracy", "silhouette", "knn_purity"}
    assert all(far[name] > near[name] for name in far)
    assert far["probe_accuracy"] == far["knn_purity"] == 1.0
    np.testing.assert_array_equal(arrays.pop("probe"), labels[60:])
    assert {name: value.shape for name, value in arrays.items()} == dict.fromkeys(("pca", "tsne", "lle"), (60, 2))
