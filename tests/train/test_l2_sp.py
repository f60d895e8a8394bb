"""Weight decay towards the starting point: by hand, and against Keras where they have to agree."""

import functools

import keras
import numpy as np
import pytest

from tfxfer import model, train

START = np.array([1.0, -2.0, 3.0], np.float32)


def steps(optimizer, gradients, start=START):
    variable = keras.Variable(start)
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [variable])
    return variable.numpy()


def test_without_strength_it_is_adam():
    gradients = np.random.default_rng(0).normal(size=(5, 3))
    ours = steps(train.AdamSP(0.1, strength=0.0), gradients)
    np.testing.assert_array_equal(ours, steps(keras.optimizers.Adam(0.1), gradients))


def test_from_zero_it_is_adamw():
    """The pull to a start at zero is weight decay."""
    gradients = np.random.default_rng(0).normal(size=(5, 3))
    zero = np.zeros(3, np.float32)
    ours = steps(train.AdamSP(0.1, strength=0.2), gradients, zero)
    np.testing.assert_allclose(ours, steps(keras.optimizers.AdamW(0.1, weight_decay=0.2), gradients, zero), rtol=1e-6)


def test_without_gradients_it_goes_back():
    """After one step away, each step without a gradient leaves 1 - rate * strength of the distance."""
    optimizer = train.AdamSP(0.1, strength=0.5, beta_1=0.0)
    away = steps(train.AdamSP(0.1, strength=0.5, beta_1=0.0), [[1.0, 1.0, 1.0]]) - START
    back = steps(optimizer, [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]) - START
    np.testing.assert_allclose(back, away * 0.95**2, rtol=1e-5)


@pytest.mark.parametrize("rates", [None, 1e-4])
def test_keeps_a_fit_nearer_to_its_start(pictures, rates):
    """Also with a rate of its own for the backbone, which makes two optimizers."""

    def distance(strength):
        keras.utils.set_random_seed(0)
        net = model.build("cnn", pictures, weights="none")
        model.unfreeze_last(net, "conv3")
        before = np.concatenate([variable.numpy().ravel() for variable in net.trainable_variables])
        optimizer = functools.partial(train.AdamSP, strength=strength)
        train.fit(net, pictures, 2, 1e-2, optimizer=optimizer, backbone_learning_rate=rates, batch_size=50)
        after = np.concatenate([variable.numpy().ravel() for variable in net.trainable_variables])
        return np.linalg.norm(after - before)

    assert distance(20.0) < 0.7 * distance(0.0)


def test_its_settings_make_it_again():
    again = keras.optimizers.deserialize(keras.optimizers.serialize(train.AdamSP(0.1, strength=0.3, beta_1=0.8)))
    assert (again.strength, again.beta_1, float(again.learning_rate)) == (0.3, 0.8, pytest.approx(0.1))
