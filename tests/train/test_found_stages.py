"""What goes stage by stage, on networks that are not in the table of backbones: their stages are found by size."""

import keras
import numpy as np
import pytest
from keras import layers

from tfxfer import analysis, features, model, train
from tfxfer.recipes.shared import run_artifacts
from tfxfer.train import rate_groups


@pytest.fixture
def net(pictures):
    """Two branches that shrink at different depths: in Keras's order, b's larger maps come after a's smaller ones."""

    def convolution(name: str, strides: int = 1) -> layers.Layer:
        return layers.Conv2D(4, 3, strides, "same", activation="relu", name=name)

    keras.utils.set_random_seed(0)
    image = keras.Input((28, 28, 1))
    stem = convolution("stem", 2)(image)  # 14
    a = convolution("a3")(convolution("a2")(convolution("a1", 2)(stem)))  # 7
    b = layers.MaxPooling2D(name="b_pool")(convolution("b1")(stem))  # 14, then 7
    x = convolution("last", 2)(layers.Add(name="merge")([a, b]))  # 4
    return model.build(keras.Model(image, x, name="branches"), pictures, scaling="unit")


FOUND = {"stage1": {"stem", "a1", "a2", "b1"}, "stage2": {"a3", "b_pool", "merge"}, "stage3": {"last"}}


def changed(net: keras.Model, before: dict) -> set[str]:
    """The layers whose weights are no longer those of `before`."""
    now = weights(net)
    return {name for name, old in before.items() if not all(map(np.array_equal, old, now[name]))}


def weights(net: keras.Model) -> dict:
    return {layer.name: layer.get_weights() for layer in net.layers if layer.weights}


def test_a_branch_that_shrinks_later_keeps_the_stage_open(net):
    assert {name: {layer.name for layer in members} for name, members in model.stages(net).items()} == FOUND
    assert {layer.name for layer in model.unfreeze_last(net, "stage2")} == FOUND["stage2"] | FOUND["stage3"]
    assert model.depth(net, "stage2") == 4
    assert model.depth(net, "last") == model.depth(net, "stage3") == 1


@pytest.mark.parametrize(
    ("unfreeze", "trained"),
    [
        (lambda net: model.unfreeze_last(net, "stage2"), {"a3", "last", "logits"}),
        (lambda net: model.unfreeze_stage(net, "stage2"), {"a3"}),
        (lambda net: model.unfreeze_stage(net, "stage1"), {"stem", "a1", "a2", "b1"}),
    ],
)
def test_training_a_stage_changes_it_alone_and_the_cache_changes_nothing(net, pictures, unfreeze, trained):
    unfreeze(net)
    start, before = model.values(net), weights(net)
    ends = []
    for cache in ("memory", "off"):
        model.assign_values(net, start)
        train.fit(net, pictures, 1, 1e-2, optimizer="sgd", cache=cache, batch_size=50)
        assert changed(net, before) == trained
        ends.append(model.values(net))
    for cached, plain in zip(*ends, strict=True):
        np.testing.assert_allclose(cached, plain, atol=1e-5)


def test_rates_by_stage(net):
    model.unfreeze_last(net, "all")
    decayed = rate_groups.groups(net, 1.0, stage_decay=0.5)
    assert {name: (rate, set(members)) for name, (rate, members) in decayed.items()} == {
        "stage3": (1.0, {"last"}),
        "stage2": (0.5, {"a3"}),
        "stage1": (0.25, FOUND["stage1"]),
        "logits": (1.0, {"logits"}),
    }
    named = rate_groups.groups(net, 1.0, {"stage2": 0.3, "b1": 0.1})
    assert {name: rate for name, (rate, _) in named.items()} == {"stage2": 0.3, "b1": 0.1, "logits": 1.0}
    assert set(named["logits"][1]) == {"stem", "a1", "a2", "last", "logits"}


def test_a_sweep_over_stages(net, pictures):
    swept = train.sweep(net, pictures, (0, "stage3", "stage2"), 1, batch_size=50)
    convolution, head = 9 * 4 * 4 + 4, 4 * 10 + 10
    assert [(row["depth"], row["trainable_parameters"]) for row in swept.rows] == [
        (0, head),
        ("stage3", convolution + head),
        ("stage2", 2 * convolution + head),
    ]
    assert swept.best in swept.rows
    assert model.depth(net, swept.best["depth"]) == sum(layer.trainable for layer in model.backbone_layers(net))


def test_collapse_by_depth(net, pictures):
    figures = run_artifacts.collapse_by_depth(net, pictures)
    assert list(figures) == [f"{stage}/{figure}" for stage in FOUND for figure in ("nc1", "cdnv")]
    bank = features.extract(net, pictures.train, ("last",))
    expected = analysis.neural_collapse(bank["last"].mean((1, 2)), bank.labels)
    assert figures["stage3/nc1"] == pytest.approx(expected["nc1"], rel=1e-3)


@pytest.mark.parametrize("size", [32, 64])
def test_an_application(pictures, no_values, size):
    """EfficientNetV2B0: of the blocks of arXiv:2104.00298, those whose maps are of one size are one stage."""
    net = model.build("EfficientNetV2B0", pictures, size, "none")
    found = model.stages(net)
    assert list(found) == ["stage1", "stage2", "stage3", "stage4", "stage5"]
    body = model.backbone_layers(net)
    assert [layer for members in found.values() for layer in members] == body
    firsts = [next(layer.name for layer in members if layer.weights) for members in found.values()]
    assert firsts == ["stem_conv", "block2a_expand_conv", "block3a_expand_conv", "block4a_dwconv2", "block6a_dwconv2"]
    assert model.unfreeze_last(net, "stage3", True) == body[-model.depth(net, "stage3") :]
    model.unfreeze_stage(net, "stage3", train_head=True)
    trained = {layer.name.split("_")[0] for layer in net.layers if layer.trainable_variables}
    assert trained == {"block3a", "block3b", "block4a", "logits"}
    rates = rate_groups.groups(net, 1e-3, {"stage3": 1e-4})
    assert rates["stage3"][0] == 1e-4
    assert rates["logits"][1] == ["logits"]


def test_every_found_stage_learns(pictures, no_values):
    """EfficientNetB0 begins with normalization and padding, VGG16 ends with pooling: neither is a stage."""
    for name, count in (("EfficientNetB0", 5), ("VGG16", 5)):
        net = model.build(name, pictures, 224, "none")
        for stage, members in model.stages(net).items():
            kinds = {type(layer) for layer in members if layer.weights}
            assert kinds - {layers.Normalization}, stage
        assert len(model.stages(net)) == count
    model.unfreeze_last(net, "last")
    assert {layer.name for layer in net.layers if layer.trainable_variables} == {
        "block5_conv1",
        "block5_conv2",
        "block5_conv3",
        "logits",
    }
