import numpy as np
import pytest
from skimage.measure import block_reduce

from tfxfer.analysis import pooled_layers
from tfxfer.core import memory
from tfxfer.core.concatenated import Concatenated
from tfxfer.core.errors import InputError


def test_cells_in_closed_form():
    """4 x 4 numbers in at most 4: quarters; in at most 3 or 1: all; in 16: themselves."""
    maps = np.arange(16.0).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(pooled_layers.pool(maps, 4), [[2.5, 4.5, 10.5, 12.5]])
    np.testing.assert_array_equal(pooled_layers.pool(maps, 3), [[7.5]])
    np.testing.assert_array_equal(pooled_layers.pool(maps, 1), [[7.5]])
    np.testing.assert_array_equal(pooled_layers.pool(maps, 16), maps.reshape(1, 16))
    np.testing.assert_array_equal(pooled_layers.pool(maps.reshape(1, 16, 1), 4), [[1.5, 5.5, 9.5, 13.5]])
    np.testing.assert_array_equal(pooled_layers.pool(maps.reshape(1, 16), 4), maps.reshape(1, 16))


@pytest.mark.parametrize(("shape", "target", "side"), [((7, 7, 3), 50, 2), ((5, 9, 2), 12, 3), ((6, 6, 100), 8, 6)])
def test_uneven_cells(shape, target, side):
    """Against scikit-image's blocks, whose padding does not count in the mean."""
    maps = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    found = pooled_layers.pool(maps, target)
    expected = block_reduce(maps, (1, side, side, 1), np.nanmean, cval=np.nan)
    np.testing.assert_allclose(found, expected.reshape(3, -1), rtol=1e-5, atol=1e-6)
    assert found.shape[1] == pooled_layers.length(shape, target) <= max(target, shape[-1])
    assert found.dtype == np.float32


def test_layers_side_by_side_and_columns_of_them(monkeypatch):
    monkeypatch.setattr(pooled_layers, "ROWS", 4)
    rng = np.random.default_rng(0)
    maps, vectors = rng.normal(size=(10, 4, 4, 2)), rng.normal(size=(10, 3)).astype(np.float32)
    whole = pooled_layers.matrix({"a": maps, "b": vectors}, 8)
    np.testing.assert_allclose(whole, np.hstack([pooled_layers.pool(maps, 8), vectors]), rtol=1e-6)
    shards = {"a": Concatenated([maps[:3], maps[3:]]), "b": vectors}
    np.testing.assert_array_equal(pooled_layers.matrix(shards, 8, np.array([1, 9])), whole[:, [1, 9]])


def test_too_much_for_memory(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 100)
    with pytest.raises(InputError, match=r"10 images of 3 features of 1 layers needs .* GB of memory"):
        pooled_layers.matrix({"a": np.zeros((10, 3))}, 8)
