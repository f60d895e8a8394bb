"""CKA between layers from sums over batches: that of all examples at once, however they are divided and added."""

import numpy as np
import pytest
from test_kernel_alignment import hsic1, make

from tfxfer import analysis
from tfxfer.analysis import layer_similarity
from tfxfer.core.errors import InputError


def layers(n=90, dtype=np.float64):
    """Two layers of one network, (n, 5) and maps (n, 1, 7, 1), and two of another, of which the first is the same."""
    x, y = make(n)
    z = make(n, 5, 4, seed=2)[0][:, :3] * 5 + x[:, :3]
    y = y.reshape(n, 1, 7, 1)
    return {"a": x.astype(dtype), "b": y.astype(dtype)}, {"a": x.astype(dtype), "c": z.astype(dtype)}


def cut(pair, *edges):
    """Batches that begin at these rows."""
    ends = range(len(edges) + 1)
    return [tuple({name: np.split(x, edges)[i] for name, x in side.items()} for side in pair) for i in ends]


def whole(pair):
    """What `analysis.cka` gives for each pair of layers."""
    return [[analysis.cka(x, y) for y in pair[1].values()] for x in pair[0].values()]


@pytest.mark.parametrize("edges", [(), (1, 2, 2, 60), tuple(range(10, 90, 10))])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-9), (np.float32, 1e-9), (np.float16, 1e-9)])
def test_it_does_not_matter_how_examples_are_divided(edges, dtype, rtol):
    """In one batch, in batches of 1, 1, 0, 58 and 30, and in nine: the features are given, and the rest is float64."""
    pair = layers(dtype=dtype)
    sums = layer_similarity.collect(cut(pair, *edges))
    assert (sums.n, sums.rows, sums.columns) == (90, ["a", "b"], ["a", "c"])
    np.testing.assert_allclose(sums.cka(), whole(pair), rtol)
    assert sums.cka()[0, 0] == pytest.approx(1)


def test_sums_of_different_examples_add_up():
    first, second, third = (layer_similarity.collect([batch]) for batch in cut(layers(), 7, 50))
    for sums in (first + second + third, third + (second + first)):
        np.testing.assert_allclose(sums.cka(), whole(layers()), 1e-9)
        np.testing.assert_allclose(sums.minibatch_cka(), layer_similarity.collect(cut(layers(), 7, 50)).minibatch_cka())
    far = [{name: x + 1e3 for name, x in side.items()} for side in layers()]
    with pytest.raises(InputError, match="sums of other layers cannot be added"):
        first + layer_similarity.collect([(far[0], far[0])])
    with pytest.raises(InputError, match="with the same exact"):
        first + layer_similarity.collect([far], exact=False)


def test_means_that_drift_cost_no_precision():
    """Batches a thousand standard deviations apart: what is between them counts, exactly."""
    x, y = make(80)
    x, y = x + 1e3 * np.repeat([0, 1], 40)[:, None], y - 1e3 * np.repeat([0, 1], 40)[:, None]
    pair = {"x": x}, {"y": y}
    np.testing.assert_allclose(layer_similarity.collect(cut(pair, 40)).cka(), whole(pair), 1e-9)


def test_the_minibatch_estimate_is_that_of_the_paper():
    """Batches of 30: the means of HSIC1 over them; a remainder of three examples does not count."""
    first, second = layers(93)
    sums = layer_similarity.collect(cut((first, second), 30, 60, 90), exact=False)
    batches = [slice(0, 30), slice(30, 60), slice(60, 90)]

    def mean(x, y):
        x, y = x.reshape(93, -1), y.reshape(93, -1)
        return np.mean([hsic1(x[rows], y[rows]) for rows in batches])

    expected = [[mean(x, y) / np.sqrt(mean(x, x) * mean(y, y)) for y in second.values()] for x in first.values()]
    np.testing.assert_allclose(sums.minibatch_cka(), expected, 1e-8, 1e-9)
    with pytest.raises(InputError, match="these sums have no scatter: collect them with exact=True"):
        sums.cka()


def test_in_one_batch_both_unbiased_estimates_are_the_same():
    pair = layers()
    found = layer_similarity.collect([pair], exact=False).minibatch_cka()
    expected = [[analysis.cka(x, y, unbiased=True) for y in pair[1].values()] for x in pair[0].values()]
    np.testing.assert_allclose(found, expected, 1e-9)


def test_a_layer_that_is_dead_has_no_similarity():
    first, second = layers()
    first["dead"] = np.full((90, 4), 0.1)
    sums = layer_similarity.collect(cut((first, second), 20, 50))
    for found in (sums.cka(), sums.minibatch_cka()):
        assert np.isnan(found[2]).all()
        assert np.isfinite(found[:2]).all()


A = np.ones((4, 2))


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        ([], "no examples to compute CKA from"),
        ([({"a": A[:0]}, {"b": A[:0]})], "no examples to compute CKA from"),
        ([({"a": A}, {})], r"a batch of \[4\] examples: expected layers on both sides"),
        ([({}, {})], r"a batch of \[\] examples: expected layers on both sides"),
        ([({"a": A}, {"b": A[:3]})], r"a batch of \[3, 4\] examples"),
        ([({"a": A[:, 0]}, {"b": A})], r"a: a batch of float64 \(4,\): expected numbers \(n, ...\)"),
        ([({"a": A}, {"b": A.astype(str)})], r"b: a batch of <U32 \(4, 2\): expected numbers"),
        ([({"a": A}, {"b": A * np.inf})], "b contains NaN or infinity"),
        ([({"a": A}, {"b": A}), ({"a": A}, {"c": A})], "sums of other layers cannot be added"),
        ([({"a": A}, {"b": A}), ({"a": A}, {"b": A[:, :1]})], "sums of other layers cannot be added"),
    ],
)
def test_wrong_input(batches, said):
    with pytest.raises(InputError, match=said):
        layer_similarity.collect(batches)


def test_what_does_not_fit_is_refused_first(monkeypatch):
    monkeypatch.setattr("tfxfer.core.memory.available", lambda: 1000)
    with pytest.raises(InputError, match=r"CKA of layers with up to 7 features needs 0\.0 GB"):
        layer_similarity.collect([layers()])
    assert layer_similarity.collect([layers()], exact=False).minibatch_cka().shape == (2, 2)
