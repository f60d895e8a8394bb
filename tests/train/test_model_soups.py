"""Model soups: the mean of all, or of those that do not make validation worse."""

import keras
import numpy as np
import pytest

from tfxfer import model, train
from tfxfer.core.errors import InputError


def noisy(arrays, scale, seed):
    rng = np.random.default_rng(seed)
    return [
        (array + scale * rng.normal(size=array.shape)).astype(array.dtype) if array.dtype.kind == "f" else array
        for array in arrays
    ]


def accuracy(net, splits):
    batches = list(splits.batches("validation", 64))
    right = [net(batch["image"], training=False).numpy().argmax(1) == batch["label"] for batch in batches]
    return np.concatenate(right).mean()


@pytest.fixture
def net(trained_cnn):
    """The trained `cnn`, given back as it was."""
    start = model.values(trained_cnn)
    yield trained_cnn
    model.assign_values(trained_cnn, start)


def test_a_uniform_soup_is_the_mean(net):
    start = model.values(net)
    lists = [
        [array + array.dtype.type(step) if array.dtype.kind == "f" else array for array in start] for step in (0, 3, 6)
    ]
    found = train.soup(net, lists)
    assert found == train.Soup([0, 1, 2], [], {}, [])
    for value, parts in zip(model.values(net), zip(*lists), strict=True):
        if value.dtype.kind == "f":
            np.testing.assert_allclose(value, np.mean(parts, axis=0, dtype=float), rtol=1e-6)
        else:
            np.testing.assert_array_equal(value, parts[-1])


def test_a_soup_of_one_is_that_one(net, pictures):
    only = noisy(model.values(net), 0.01, 0)
    for options in ({}, {"splits": pictures, "method": "greedy"}):
        assert train.soup(net, [only], **options).kept == [0]
        for value, array in zip(model.values(net), only, strict=True):
            np.testing.assert_array_equal(value, array)


def test_a_greedy_soup_leaves_out_a_bad_ingredient(net, pictures):
    start = model.values(net)
    bad = [-4 * array if array.dtype.kind == "f" else array for array in start]
    lists = [bad, noisy(start, 0.01, 1), noisy(start, 0.01, 2)]
    found = train.soup(net, lists, pictures, method="greedy")
    assert sorted(found.kept) == [1, 2]
    for value, *parts in zip(model.values(net), *lists[1:], strict=True):
        if value.dtype.kind == "f":
            np.testing.assert_allclose(value, np.mean(parts, axis=0), rtol=1e-5, atol=1e-7)
    assert found.figures["val_accuracy"] == pytest.approx(accuracy(net, pictures))
    alone = []
    for arrays in lists:
        model.assign_values(net, arrays)
        alone.append(accuracy(net, pictures))
    assert [row["val_accuracy"] for row in found.rows] == pytest.approx(alone)
    assert [row["ingredient"] for row in found.rows] == [0, 1, 2]
    assert alone[found.kept[0]] == max(alone)
    assert found.figures["val_accuracy"] >= max(alone)
    uniform = train.soup(net, lists)
    assert uniform.kept == [0, 1, 2]
    assert accuracy(net, pictures) < max(alone)


def test_a_measure_decides_and_equals_are_taken(net, pictures):
    """Biases of 0, 1 and 5, of which 0 is best; with 1 it is as good, by the measure, and with 5 it is worse."""
    start = model.values(net)
    index = next(i for i, variable in enumerate(net.variables) if variable is net.get_layer("logits").bias)
    lists = [[*start[:index], np.full(10, value, np.float32), *start[index + 1 :]] for value in (5, 1, 0)]

    def measure(net):
        return {"wanted": float(net.get_layer("logits").bias.numpy()[0] <= 0.6)}

    found = train.soup(net, lists, pictures, method="greedy", metric="wanted", measure=measure)
    assert found.kept == [2, 1]
    np.testing.assert_allclose(net.get_layer("logits").bias, 0.5)
    assert found.figures["wanted"] == 1


def test_statistics_of_a_soup_are_recomputed(pictures):
    keras.utils.set_random_seed(0)
    image = keras.Input((12, 12, 3))
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(4, 3, strides=3, name="conv")(image))
    net = model.build(keras.Model(image, x, name="small"), pictures, image_size=12, scaling="unit")
    start = model.values(net)
    lists = [noisy(start, 0.1, seed) for seed in (0, 1)]
    with pytest.raises(InputError, match="moving statistics of 1 batch norm layers differ"):
        train.soup(net, lists)
    assert train.soup(net, lists, statistics="averaged").recomputed == []
    averaged = model.values(net)
    for value, parts in zip(averaged, zip(*lists), strict=True):
        if value.dtype.kind == "f":
            np.testing.assert_allclose(value, np.mean(parts, axis=0), rtol=1e-5, atol=1e-7)
    assert train.soup(net, lists, pictures).recomputed == ["norm"]
    conv = keras.Model(net.input, net.get_layer("conv").output)
    outputs = np.concatenate([conv(batch["image"]) for batch in pictures.batches("train", 64)])
    np.testing.assert_allclose(net.get_layer("norm").moving_mean, outputs.mean((0, 1, 2)), rtol=1e-3, atol=1e-5)
    uniform = model.values(net)
    model.assign_values(net, start)
    assert train.interpolate(net, *lists, 0.5, pictures) == ["norm"]  # which is the same thing
    for value, array in zip(model.values(net), uniform, strict=True):
        np.testing.assert_allclose(value, array, rtol=1e-6)


def test_what_does_not_fit_is_refused(net, pictures):
    start = model.values(net)
    for weights, options, complaint in (
        ([], {}, "weights: expected a list of what model.values"),
        (None, {}, "weights: expected a list .* got None"),
        (start, {}, r"weights\[0\]: expected the list of arrays that model.values"),
        ([start, start[1:]], {}, r"weights\[1\]: \d+ arrays, cnn has \d+"),
        ([start], {"method": "best"}, "method 'best': expected one of uniform, greedy"),
        ([start], {"method": "greedy"}, "a greedy soup chooses by validation: give splits"),
        ([start], {"method": "greedy", "splits": pictures, "metric": "loss"}, "metric 'loss': expected one of val_acc"),
        ([start], {"statistics": "kept"}, "statistics 'kept': expected one of recomputed, averaged"),
        ([start], {"splits": "digits"}, "splits: expected tfxfer's splits"),
    ):
        with pytest.raises(InputError, match=complaint):
            train.soup(net, weights, **options)
    for value, array in zip(model.values(net), start, strict=True):
        np.testing.assert_array_equal(value, array)
