"""Where a network is cut for training, and what each side of the cut gets."""

import keras
import numpy as np
import pytest

from tfxfer import model, train
from tfxfer.core.errors import InputError
from tfxfer.features import activation_cache
from tfxfer.train.tail import cut


@pytest.fixture
def net(pictures):
    """An untrained `cnn` whose head and layer `dense` train."""
    keras.utils.set_random_seed(0)
    net = model.build("cnn", pictures, weights="none")
    model.unfreeze_last(net, "dense")
    return net


def elements(tail, **order):
    return [[array.numpy() for array in (*element[0], element[1])] for element in tail.batches("train", 40, **order)]


def test_the_tail_trains_on_activations_as_the_whole_network_on_images(net, pictures):
    cached, whole = cut(net, pictures, "memory"), cut(net, pictures, "off")
    facts = {"cache": cached.cache, "frozen_prefix_layers": cached.frozen_layers, "engine": "tensorflow"}
    assert cached.facts == facts
    assert cached.frozen_layers == whole.frozen_layers > 0
    assert cached.cache.endswith(f" in memory at {cached.layers[0]}")
    assert whole.facts == {"cache": "off: as requested", "frozen_prefix_layers": 0}
    assert whole.net is net
    pairs = list(zip(elements(cached, seed=3), elements(whole, seed=3), strict=True))
    assert len(pairs) == -(-pictures.size("train") // 40)
    for (activations, labels, weights), (images, expected, others) in pairs:
        np.testing.assert_array_equal(labels, expected)
        np.testing.assert_array_equal(weights, others)
        np.testing.assert_allclose(cached.net(activations), net(images), atol=1e-5)


def test_activations_at_hand_are_used_for_fits_and_rate_tests_alike(net, pictures, monkeypatch):
    expected = train.find_learning_rate(net, pictures, steps=20, cache="memory").losses
    activations = cut(net, pictures, "memory").activations
    monkeypatch.setattr(activation_cache, "compute", lambda *given, **options: pytest.fail("computed again"))
    assert cut(net, pictures, activations).activations is activations
    found = train.find_learning_rate(net, pictures, steps=20, cache=activations).losses
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_without_room_the_whole_network_trains(net, pictures, monkeypatch):
    monkeypatch.setattr(activation_cache, "compute", lambda *given, **options: None)
    assert cut(net, pictures).cache == "off: neither memory nor disk has room"
    augmented = model.build("cnn", pictures, weights="none", augment=True)
    with pytest.raises(InputError, match=r"views 2 need cached activations, and there are none \(neither memory nor"):
        cut(augmented, pictures, views=2)
