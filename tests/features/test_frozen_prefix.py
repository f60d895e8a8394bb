import keras
import numpy as np
import pytest
from keras import layers

from tfxfer import model
from tfxfer.core.errors import InputError
from tfxfer.features import activation_cache, frozen_prefix


def branching(dropout=0.0):
    """Two residual connections, one inside the other; the outer one starts at the stem."""
    image = keras.Input((12, 12, 3))
    stem = layers.Conv2D(4, 3, padding="same", name="stem")(image)
    a = layers.Conv2D(4, 3, padding="same", name="a")(stem)
    a = layers.BatchNormalization(name="a_bn")(a)
    b = layers.Conv2D(4, 3, padding="same", name="b")(layers.Dropout(dropout, name="drop")(a))
    inner = layers.Add(name="inner")([a, b])
    outer = layers.Concatenate(name="outer")([stem, inner])
    return keras.Model(image, layers.Conv2D(6, 3, name="top")(outer), name="branching")


@pytest.fixture(scope="module")
def net(pictures):
    return model.build(branching(), pictures, image_size=12, scaling="unit")


def whole_and_tail(net, cut, images):
    given = keras.Model(net.input, list(cut.tensors.values()))(images, training=False)
    return net(images, training=False), frozen_prefix.tail(net, cut)(given, training=False)


@pytest.mark.parametrize(
    ("n", "names", "frozen"),
    [
        (0, {"embedding"}, 8),
        (1, {"outer"}, 7),
        (2, {"outer"}, 7),  # Concatenate trains nothing
        (4, {"a_bn", "drop", "stem"}, 4),  # b trains: the branch into it, and both shortcuts past it
        (5, {"a_bn", "drop", "stem"}, 4),
        (7, {"stem"}, 1),
        (8, {"scaled"}, 0),
    ],
)
def test_frontier_of_a_branching_graph(net, pictures, n, names, frozen):
    model.unfreeze_last(net, n)
    cut = frozen_prefix.frontier(net)
    assert set(cut.tensors) == names
    assert cut.frozen == frozen
    tail = frozen_prefix.tail(net, cut)
    assert [id(v) for v in tail.trainable_variables] == [id(v) for v in net.trainable_variables]
    images = next(iter(pictures.batches("train", 16)))["image"]
    np.testing.assert_allclose(*whole_and_tail(net, cut, images), atol=1e-5)


def test_every_depth_of_a_real_backbone(lite0, pictures):
    """No two depths of EfficientNet-Lite0 but the tail gives what the whole network gives."""
    images = next(iter(pictures.batches("train", 4)))["image"]
    for n in (0, 3, 7, 12, 25, 41, 64, 99):
        model.unfreeze_last(lite0, n, train_batch_norm=True)
        cut = frozen_prefix.frontier(lite0)
        logits, through_tail = whole_and_tail(lite0, cut, images)
        np.testing.assert_allclose(logits, through_tail, atol=1e-4)
        names = [layer.name for layer in frozen_prefix.tail(lite0, cut).layers if layer.trainable_variables]
        assert names == [layer.name for layer in lite0.layers if layer.trainable_variables]
    model.unfreeze_last(lite0, 0)


def test_the_prefix_ends_before_what_is_random_or_keeps_statistics(pictures):
    net = model.build(branching(dropout=0.5), pictures, image_size=12, scaling="unit")
    assert frozen_prefix.frontier(net).first == "logits"  # frozen dropout is no reason
    net.get_layer("drop").trainable = True
    cut = frozen_prefix.frontier(net)
    assert (cut.first, cut.why) == ("drop", "is random in training")
    assert set(cut.tensors) == {"a_bn", "stem"}
    net.get_layer("a_bn").trainable = True
    net.get_layer("a_bn").gamma.trainable = net.get_layer("a_bn").beta.trainable = False
    cut = frozen_prefix.frontier(net)
    assert (cut.first, cut.why) == ("a_bn", "keeps moving statistics")


def test_a_frozen_stage_behind_a_training_one_is_in_the_tail(pictures):
    net = model.build("small_resnet", pictures, weights="none")
    model.unfreeze_stage(net, "block3")
    cut = frozen_prefix.frontier(net)
    assert set(cut.tensors) == {"block2_pool"}
    assert cut.first == "block3_1_conv"


def test_augmentation_and_views(pictures):
    net = model.build("cnn", pictures, weights="none", augment=True)
    cut = frozen_prefix.frontier(net)
    assert (cut.frozen, cut.first, cut.why) == (0, "augment_shift", "is random in training")
    assert set(frozen_prefix.frontier(net, views=2).tensors) == {"embedding"}


def test_settings_that_do_not_fit():
    with pytest.raises(InputError, match="cache 'ram': expected one of auto, memory, disk, off"):
        activation_cache.check_mode("ram", 0)
    with pytest.raises(InputError, match="views 2 with cache 'off'"):
        activation_cache.check_mode("off", 2)


def test_a_layer_called_twice_is_not_cut_through(pictures):
    image, relu = keras.Input((12, 12, 3)), layers.ReLU(name="relu")
    x = relu(layers.Conv2D(4, 3, name="first")(image))
    backbone = keras.Model(image, relu(layers.Conv2D(4, 3, name="second")(x)), name="shared")
    net = model.build(backbone, pictures, image_size=12, scaling="unit")
    model.unfreeze_last(net, 0)
    assert set(frozen_prefix.frontier(net).tensors) == {"embedding"}  # behind both calls
    model.unfreeze_last(net, "all")
    net.get_layer("first").trainable = False
    cut = frozen_prefix.frontier(net)
    assert (cut.frozen, cut.first, cut.why) == (0, "relu", "is called more than once")
