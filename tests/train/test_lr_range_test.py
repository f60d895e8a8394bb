import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxfer import model, train
from tfxfer.core.errors import InputError


def seed() -> None:
    keras.utils.set_random_seed(5)
    tf.random.get_global_generator().reset_from_seed(5)


def draws() -> list:
    """What the global random generators give next."""
    return [
        random.random(),
        float(np.random.rand()),  # noqa: NPY002
        float(tf.random.uniform(())),
        float(keras.random.uniform(())),
        float(tf.random.get_global_generator().uniform(())),
        float(keras.initializers.GlorotUniform()((1, 1))[0, 0]),
    ]


@pytest.mark.parametrize("cache", ["memory", "off"])
def test_finds_a_rate_and_leaves_everything_as_it_was(pictures, cache):
    keras.utils.set_random_seed(0)
    net = model.build("dropout_cnn", pictures, weights="none")
    model.unfreeze_last(net, "dense", train_batch_norm=True)
    net.compile(optimizer=keras.optimizers.SGD(0.123))
    optimizer, before = net.optimizer, model.values(net)
    seed()
    expected = draws()
    seed()
    found = train.find_learning_rate(net, pictures, 1e-6, 10.0, steps=60, cache=cache)
    assert draws() == expected
    assert net.optimizer is optimizer
    assert optimizer.iterations == 0
    for a, b in zip(before, model.values(net)):
        np.testing.assert_array_equal(a, b)
    assert 1e-4 < found.suggestion < 1
    assert found.suggestion == pytest.approx(found.rates[int(np.argmin(found.losses))] / 10)
    assert len(found.rates) == len(found.losses) <= 60
    np.testing.assert_allclose(np.diff(np.log(found.rates)), np.log(1e7) / 59, rtol=1e-6)
    assert found.losses[0] == pytest.approx(2.4, abs=0.7)


def test_stops_where_the_loss_explodes(pictures):
    net = model.build("cnn", pictures, weights="none")
    model.unfreeze_last(net, "all")
    found = train.find_learning_rate(net, pictures, 1e-4, 1e6, steps=100, optimizer="sgd")
    assert len(found.losses) < 100
    assert found.losses[-1] > 4 * min(found.losses) or not np.isfinite(found.losses[-1])


def test_arguments_out_of_range(pictures, small_cnn):
    with pytest.raises(InputError, match="expected rising rates"):
        train.find_learning_rate(small_cnn, pictures, 1e-2, 1e-3)
    with pytest.raises(InputError, match="the loss does not fall"):
        train.find_learning_rate(small_cnn, pictures, 1e3, 1e4, steps=10, optimizer="sgd")
