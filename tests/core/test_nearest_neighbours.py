"""Neighbours are scikit-learn's, whatever the blocks are."""

import sys
import types

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from tfxfer.core import nearest_neighbours
from tfxfer.core.concatenated import Concatenated
from tfxfer.core.errors import InputError
from tfxfer.core.nearest_neighbours import nearest


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    return rng.normal(5, 1, (60, 7)).astype(np.float32), rng.normal(5, 1, (300, 7)).astype(np.float32)


@pytest.mark.parametrize("block", [1, 16, 4096])
@pytest.mark.parametrize("k", [1, 5, 300])
def test_they_are_scikit_learns(vectors, monkeypatch, block, k):
    monkeypatch.setattr(nearest_neighbours, "BLOCK", block)
    queries, references = vectors
    found = nearest(queries, Concatenated([references[:100], references[100:]]), k)
    exact = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(references.astype(np.float64))
    distances, rows = exact.kneighbors(queries.astype(np.float64))
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances, atol=1e-12)


def test_far_from_zero_a_copy_is_the_nearest():
    """In float32, |x|^2 of these is exact to 0.1 only; the nearest two are 0 and 0.01 away."""
    references = 1000 + np.arange(50, dtype=np.float32)[:, None] * 0.01 * np.ones((1, 4), np.float32)
    found = nearest(references, references, 1)
    np.testing.assert_array_equal(found.rows[:, 0], np.arange(50))
    assert not found.distances.any()


def test_equal_distances_are_in_the_order_of_rows():
    assert nearest(np.zeros((1, 2)), np.eye(2)[[0, 1, 0, 1]], 4).rows.tolist() == [[0, 1, 2, 3]]


class IndexFlatL2:
    """The part of faiss that is used, after its documentation: squared distances and rows, both (n, k)."""

    def __init__(self, d):
        self.added = np.zeros((0, d), np.float32)

    def add(self, x):
        self.added = np.concatenate([self.added, x])

    def search(self, x, k):
        squares = ((x[:, None] - self.added) ** 2).sum(2)
        rows = np.argsort(squares, 1)[:, :k]
        return np.take_along_axis(squares, rows, 1), rows


def test_faiss_is_used_for_many_if_it_is_there(vectors, monkeypatch):
    queries, references = vectors
    expected = nearest(queries, references, 5)
    faiss = types.ModuleType("faiss")
    faiss.IndexFlatL2, faiss.__spec__ = IndexFlatL2, types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "faiss", faiss)
    monkeypatch.setattr(nearest_neighbours, "FAISS_FROM", 299)
    monkeypatch.setattr(nearest_neighbours, "_by_blocks", lambda *_: pytest.fail("not by faiss"))
    found = nearest(queries, references, 5)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.distances, expected.distances)


def test_what_does_not_fit():
    x = np.zeros((3, 2))
    with pytest.raises(InputError, match=r"queries \(3, 2\), references \(3, 1\): expected \(n, d\) and \(m, d\)"):
        nearest(x, x[:, :1], 1)
    for k in (0, 4):
        with pytest.raises(InputError, match=f"k {k}: expected 1 to 3"):
            nearest(x, x, k)
    assert nearest(x[:0], x, 2).rows.shape == (0, 2)
