"""WiSE-FT: exact ends, means in between, moving statistics recomputed, and the best weight by validation."""

import keras
import numpy as np
import pytest
from keras import layers

from tfxfer import model, train
from tfxfer.core.errors import InputError
from tfxfer.features import activation_cache
from tfxfer.train import interpolation


def normalised():
    """Three convolutions, each with batch norm, and dropout before the last."""
    x = image = keras.Input((12, 12, 3))
    for name in ("a", "b", "c"):
        x = layers.Dropout(0.5, name="drop")(x) if name == "c" else x
        x = layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name=name)(x)
        x = layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization(name=f"{name}_bn")(x))
    return keras.Model(image, x, name="normalised")


@pytest.fixture(scope="module")
def net(pictures):
    keras.utils.set_random_seed(0)
    return model.build(normalised(), pictures, image_size=12, scaling="unit")


def ends(net, *names, seed=0):
    """Two sets of weights that differ in these layers alone: in all of a layer, or in a variable ("b_bn/gamma")."""
    rng = np.random.default_rng(seed)
    before = model.values(net)
    after = [
        array + rng.uniform(0.1, 0.5, array.shape).astype(array.dtype)
        if array.dtype.kind == "f"
        and any(variable.path.startswith(f"{name}/") or variable.path == name for name in names)
        else array + array.dtype.type(array.dtype.kind != "f")  # random states differ, too
        for variable, array in zip(net.variables, before)
    ]
    return before, after


def assert_equal(net, arrays):
    for variable, array in zip(net.variables, arrays, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), array, variable.path)


@pytest.mark.parametrize("weight", [0, 1, 0.0, 1.0, np.float32(1)])
def test_the_ends_are_exact_with_their_statistics(net, weight):
    before, after = ends(net, "a_bn", "b", "b_bn", "logits")
    model.assign_values(net, [array * 0 for array in before])
    assert train.interpolate(net, before, after, weight) == []
    assert_equal(net, after if weight else before)
    model.assign_values(net, before)


@pytest.mark.parametrize("weight", [0.5, 0.3])
def test_between_them_weights_are_means_and_what_did_not_move_stays(net, pictures, weight):
    before, after = ends(net, "b", "b_bn/gamma", "logits")
    assert train.interpolate(net, before, after, weight) == []
    moved = 0
    for variable, first, last in zip(net.variables, before, after, strict=True):
        value = keras.ops.convert_to_numpy(variable)
        if first.dtype.kind != "f":
            np.testing.assert_array_equal(value, last)
        elif np.array_equal(first, last):
            np.testing.assert_array_equal(value, first)
        else:
            moved += 1
            np.testing.assert_array_equal(
                value, ((1 - weight) * first.astype(float) + weight * last.astype(float)).astype(np.float32)
            )
    assert moved == 4  # among them no statistics
    model.assign_values(net, before)


@pytest.mark.parametrize("cache", ["memory", "off"])
@pytest.mark.parametrize("trainable", [0, "all"])
def test_statistics_are_those_of_a_plain_pass_in_training_mode(net, pictures, cache, trainable):
    """Those of layers whose statistics moved; a_bn keeps its own and stays in inference mode, however it is frozen."""
    before, after = ends(net, "b", "b_bn", "c_bn", "logits")
    model.unfreeze_last(net, trainable, train_batch_norm=True)
    assert train.interpolate(net, before, after, 0.25, pictures, cache=cache, batch_size=50) == ["b_bn", "c_bn"]
    found = model.values(net)

    norms = [net.get_layer(name) for name in ("b_bn", "c_bn")]
    for layer in net.layers:
        layer.trainable = layer in norms
    momenta = [norm.momentum for norm in norms]
    net.get_layer("drop").rate = 0.0
    sums, n = [0.0] * 4, pictures.size("train")
    for norm in norms:
        norm.momentum = 0.0
    for batch in pictures.batches("train", -(-n // -(-n // 50)), seed=0):
        net(batch["image"], training=True)
        new = [x.numpy() for norm in norms for x in (norm.moving_mean.value, norm.moving_variance.value)]
        sums = [total + len(batch["id"]) / n * each for total, each in zip(sums, new)]
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    net.get_layer("drop").rate = 0.5

    statistics = [id(x) for norm in norms for x in (norm.moving_mean, norm.moving_variance)]
    compared = 0
    for variable, value, first, last in zip(net.variables, found, before, after, strict=True):
        if id(variable) in statistics:
            compared += 1
            np.testing.assert_allclose(value, sums[statistics.index(id(variable))], rtol=1e-3, atol=1e-5)
        elif value.dtype.kind == "f":
            np.testing.assert_allclose(value, 0.75 * first + 0.25 * last, rtol=1e-6, atol=1e-7)
    assert compared == 4
    model.assign_values(net, before)
    model.unfreeze_last(net, 0)


def test_averaged_statistics_take_no_images(net, pictures):
    before, after = ends(net, "b", "b_bn", "logits")
    assert train.interpolate(net, before, after, 0.25, statistics="averaged") == []
    found = model.values(net)
    for value, first, last in zip(found, before, after, strict=True):
        if value.dtype.kind == "f":
            np.testing.assert_allclose(value, 0.75 * first + 0.25 * last, rtol=1e-6, atol=1e-7)
    curve = train.interpolation_curve(net, pictures, before, after, (0.25,), statistics="averaged")
    assert curve.recomputed == []
    assert_equal(net, found)
    model.assign_values(net, before)


def test_real_fine_tuning_with_batch_norm(net, pictures):
    """Averages of the statistics would be others, and validation says so at the ends what plain Keras says."""
    model.unfreeze_last(net, "all", train_batch_norm=True)
    before = model.values(net)
    train.fit(net, pictures, epochs=4, learning_rate=1e-2)
    after = model.values(net)
    curve = train.interpolation_curve(net, pictures, before, after, (0, 0.5, 1))
    assert curve.recomputed == ["a_bn", "b_bn", "c_bn"]
    assert [row["weight"] for row in curve.rows] == [0, 0.5, 1]
    for row, values in zip(curve.rows[::2], (before, after), strict=True):
        model.assign_values(net, values)
        batches = list(pictures.batches("validation", 64))
        logits = np.concatenate([net(batch["image"], training=False) for batch in batches])
        labels = np.concatenate([batch["label"] for batch in batches])
        right = logits.argmax(1) == labels
        assert row["val_accuracy"] == pytest.approx(right.mean())
        recalls = [right[labels == label].mean() for label in np.unique(labels)]
        assert row["val_balanced_accuracy"] == pytest.approx(np.mean(recalls))
        loss = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        assert row["val_loss"] == pytest.approx(float(np.mean(loss)), rel=1e-4)
    assert curve.best["val_accuracy"] == max(row["val_accuracy"] for row in curve.rows)
    model.assign_values(net, before)
    model.unfreeze_last(net, 0)


def test_the_curve_keeps_the_best_and_computes_the_prefix_once(net, pictures, monkeypatch):
    before, after = ends(net, "c", "c_bn", "logits")
    asked, compute = [], activation_cache.compute
    monkeypatch.setattr(
        activation_cache,
        "compute",
        lambda net, tensors, *rest, **more: asked.append(tensors) or compute(net, tensors, *rest, **more),
    )
    model.assign_values(net, [array * 0 for array in before])  # what it has now makes no difference
    cached = train.interpolation_curve(net, pictures, before, after, cache="memory")
    assert [list(tensors) for tensors in asked] == [["drop"]]  # dropout that is frozen does nothing
    assert " in memory at drop" in cached.cache
    kept = model.values(net)
    assert [row["weight"] for row in cached.rows] == list(interpolation.WEIGHTS)
    whole = train.interpolation_curve(net, pictures, before, after, cache="off")
    for one, other in zip(cached.rows, whole.rows, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-4)
    best = max(cached.rows, key=lambda row: (row["val_accuracy"], -row["val_loss"]))
    assert cached.best == best
    lowest = train.interpolation_curve(net, pictures, before, after, metric="val_loss")
    assert lowest.best["val_loss"] == min(row["val_loss"] for row in lowest.rows)
    train.interpolate(net, before, after, best["weight"], pictures)
    assert_equal(net, kept)
    model.assign_values(net, before)


def test_without_statistics_no_training_image_is_read(net, pictures, monkeypatch):
    before, after = ends(net, "c", "logits")
    sizes, compute = [], activation_cache.compute
    monkeypatch.setattr(
        activation_cache,
        "compute",
        lambda net, tensors, splits, *rest, **more: (
            sizes.append(splits.size("train")) or compute(net, tensors, splits, *rest, **more)
        ),
    )
    curve = train.interpolation_curve(net, pictures, before, after, np.array([0, 1]))
    assert sizes == [1]
    assert curve.recomputed == []
    model.assign_values(net, before)


def test_a_measure_chooses_in_place_of_validation(net, pictures):
    """The bias of the head goes from 0 to 1, and the measure likes 0.3."""
    before, _ = ends(net)
    index = next(i for i, variable in enumerate(net.variables) if variable is net.get_layer("logits").bias)
    before[index], after = np.zeros(10, np.float32), list(before)
    after[index] = np.ones(10, np.float32)

    def measure(net):
        distance = abs(float(net.get_layer("logits").bias.numpy()[0]) - 0.3)
        return {"nearness": -distance, "far_loss": distance}

    for metric in ("nearness", "far_loss"):
        curve = train.interpolation_curve(net, pictures, before, after, metric=metric, measure=measure)
        assert curve.best["weight"] == 0.3
        np.testing.assert_allclose(net.get_layer("logits").bias, 0.3, rtol=1e-6)
    model.assign_values(net, before)


def test_equal_ends(net, pictures):
    before = model.values(net)
    curve = train.interpolation_curve(net, pictures, before, before, (0, 0.5, 1))
    assert len({tuple(row.values())[1:] for row in curve.rows}) == 1
    assert curve.best["weight"] == 0
    assert_equal(net, before)


def test_what_does_not_fit_is_refused(net, pictures):
    before, after = ends(net, "b", "b_bn")
    nan = [array * np.nan if array.dtype.kind == "f" else array for array in after]
    turned = [array.T for array in after]
    for wrong, complaint in (
        (
            after[:-1],
            rf"after: {len(after) - 1} arrays, normalised_transfer has {len(after)}: expected what model.values",
        ),
        (turned, r"after: float32 \(.*\) for .*, which is float32 \(.*\): expected what"),
        ([array.astype(np.float64) for array in after], r"after: float64 .* which is float32"),
        (nan, "contains NaN or infinity: leave out a training that diverged"),
        (net, "after: expected the list of arrays that model.values.net. returns, got an object of class Functional"),
        (None, "got None"),
    ):
        with pytest.raises(InputError, match=complaint):
            train.interpolate(net, before, wrong, 0.5)
        with pytest.raises(InputError, match=complaint.replace("after", "before")):
            train.interpolation_curve(net, pictures, wrong, before)
    for weight in (-0.1, 1.1, np.nan, "half", None, True):
        with pytest.raises(InputError, match=r"weight .*: expected a number from 0 \(before\) to 1 \(after\)"):
            train.interpolate(net, before, after, weight)
        with pytest.raises(InputError, match="expected a number from 0"):
            train.interpolation_curve(net, pictures, before, after, (0, weight))
    with pytest.raises(InputError, match=r"moving statistics of 1 batch norm layers differ \(b_bn .*: give splits"):
        train.interpolate(net, before, after, 0.5)
    for wrong, complaint in (
        ({"weights": ()}, "weights: expected a list"),
        ({"weights": 0.5}, "weights: expected a list of numbers from 0 to 1, got 0.5"),
        ({"weights": (0, 0.5, 0.5)}, "weights 0.0, 0.5, 0.5: expected each once"),
        ({"metric": "accuracy"}, "metric 'accuracy': expected one of val_accuracy, val_balanced_accuracy, val_loss"),
        ({"metric": "mine", "measure": lambda net: {"own": 1.0}}, "expected one of weight, val_accuracy, .*, own"),
        ({"statistics": "kept"}, "statistics 'kept': expected one of recomputed, averaged"),
        ({"batch_size": 0}, "batch_size 0"),
        ({"batch_size": 2.5}, "batch_size: expected a whole number"),
        ({"cache": "ram"}, "cache 'ram'"),
        ({"engine": "torch"}, "engine 'torch'"),
    ):
        with pytest.raises(InputError, match=complaint):
            train.interpolation_curve(net, pictures, before, after, **wrong)
    with pytest.raises(InputError, match="statistics None: expected one of recomputed, averaged"):
        train.interpolate(net, before, after, 0.5, pictures, statistics=None)
    with pytest.raises(InputError, match="splits: expected tfxfer's splits"):
        train.interpolation_curve(net, "digits", before, after)
    elsewhere = activation_cache.compute(net, {"embedding": net.get_layer("embedding").output}, pictures, "memory")
    with pytest.raises(InputError, match="cache: the activations are not those at a_relu"):
        train.interpolation_curve(net, pictures, before, after, cache=elsewhere)
    assert_equal(net, before)


def test_an_error_leaves_the_network_as_it_was(net, pictures):
    before, after = ends(net, "b", "logits")

    def measure(net):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.interpolation_curve(net, pictures, after, after, measure=measure)
    assert_equal(net, before)


def test_batch_norm_within_a_layer_of_ones_own(pictures):
    @keras.saving.register_keras_serializable("test_interpolation")
    class Block(layers.Layer):
        def __init__(self, **settings):
            super().__init__(**settings)
            self.conv, self.norm = layers.Conv2D(4, 3, name="conv"), layers.BatchNormalization(name="norm")

        def build(self, shape):
            self.conv.build(shape)
            self.norm.build(self.conv.compute_output_shape(shape))

        def call(self, x, training=None):
            return self.norm(self.conv(x), training=training)

    image = keras.Input((12, 12, 3))
    net = model.build(keras.Model(image, Block(name="block")(image), name="own"), pictures, 12, scaling="unit")
    before = model.values(net)
    after = [array + array.dtype.type(1) if array.dtype.kind == "f" else array for array in before]
    assert train.interpolate(net, before, after, 0.5, pictures) == ["norm"]
    block, scaled = net.get_layer("block"), keras.Model(net.input, net.get_layer("scaled").output)
    outputs = np.concatenate([block.conv(scaled(batch["image"])) for batch in pictures.batches("train", 64)])
    np.testing.assert_allclose(block.norm.moving_mean, outputs.mean((0, 1, 2)), rtol=1e-3)
