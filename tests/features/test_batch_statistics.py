import keras
import numpy as np
import pytest
from keras import layers

from tfxfer.core.errors import InputError
from tfxfer.features.batch_statistics import BatchStatistics

RNG = np.random.default_rng(0)


def plain(net, norms, batches):
    """What Keras's own training mode leaves in moving statistics of momentum 0, averaged over batches by size."""
    for layer in net.layers:
        layer.trainable = layer in norms
    for norm in norms:
        norm.momentum = 0.0
    found = []
    for batch in batches:
        net(batch, training=True)
        found.append([[np.array(x) for x in (norm.moving_mean, norm.moving_variance)] for norm in norms])
    sizes = [len(keras.tree.flatten(batch)[0]) for batch in batches]
    return [
        [np.average([part[number][which] for part in found], axis=0, weights=sizes) for which in (0, 1)]
        for number in range(len(norms))
    ]


def test_one_layer_in_closed_form():
    """Of batches of 2 and 1 numbers: means 2 and 10, variances 1 and 0."""
    image = keras.Input((1,))
    norm = layers.BatchNormalization()
    net = keras.Model(image, norm(image))
    statistics = BatchStatistics(net, [norm])
    ((mean, variance),) = statistics.over([np.array([[1.0], [3.0]]), np.array([[10.0]])])
    assert mean == pytest.approx([(2 * 2 + 10) / 3])
    assert variance == pytest.approx([2 / 3])
    np.testing.assert_array_equal(norm.moving_mean, [0])  # no variable changes until they are assigned
    statistics.assign([(mean, variance)])
    np.testing.assert_allclose(norm.moving_mean, mean, rtol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, variance, rtol=1e-6)


def test_keras_in_training_mode():
    """Several inputs, one layer that is called twice, one without scale and offset, one that keeps its statistics."""
    first, second = keras.Input((6, 6, 3)), keras.Input((6, 6, 3))
    kept, shared, bare = (
        layers.BatchNormalization(name="kept"),
        layers.BatchNormalization(name="shared"),
        layers.BatchNormalization(scale=False, center=False, name="bare"),
    )
    conv = layers.Conv2D(4, 3)
    both = layers.Add()([kept(conv(first)), kept(conv(second))])
    x = layers.Conv2D(5, 3)(layers.ReLU()(shared(both)))
    net = keras.Model([first, second], bare(layers.GlobalAveragePooling2D()(x)))
    kept.moving_mean.assign(RNG.normal(size=4))
    shared.gamma.assign(RNG.uniform(0.5, 2, 4))
    batches = [tuple(RNG.normal(1, 2, (size, 6, 6, 3)).astype(np.float32) for _ in range(2)) for size in (16, 16, 7)]
    found = BatchStatistics(net, [shared, bare]).over(batches)
    for ours, theirs in zip(found, plain(net, [shared, bare], batches), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_layer_called_twice_counts_both_calls():
    first, second = keras.Input((1,)), keras.Input((1,))
    norm = layers.BatchNormalization()
    net = keras.Model([first, second], layers.Add()([norm(first), norm(second)]))
    ((mean, variance),) = BatchStatistics(net, [norm]).over([(np.array([[0.0], [2.0]]), np.array([[4.0], [8.0]]))])
    assert (mean[0], variance[0]) == (pytest.approx(3.5), pytest.approx(2.5))


def test_nothing_is_dropped_out():
    image = keras.Input((50,))
    norm = layers.BatchNormalization()
    net = keras.Model(image, norm(layers.Dropout(0.9)(image)))
    ((mean, variance),) = BatchStatistics(net, [norm]).over([np.ones((8, 50), np.float32)])
    np.testing.assert_allclose(mean, 1, rtol=1e-6)
    np.testing.assert_allclose(variance, 0, atol=1e-6)


def test_no_images_and_renormalization():
    image = keras.Input((1,))
    norm = layers.BatchNormalization()
    net = keras.Model(image, norm(image), name="small")
    with pytest.raises(InputError, match="no images"):
        BatchStatistics(net, [norm]).over([])
    norm.renorm = True
    with pytest.raises(InputError, match=r"small: batch_normalization.* uses batch renormalization"):
        BatchStatistics(net, [norm])
