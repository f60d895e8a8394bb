"""The table of stages: counts of the network itself, and what papers say of the table's own."""

import keras
import pytest

from tfxfer import model
from tfxfer.model import backbones, stage_table


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_lite0", "EfficientNetB0"])
def test_the_stages_add_up_to_the_network(name, no_values):
    net = stage_table.build(name)
    rows = stage_table.of(net)
    assert net.name == name
    assert [row.name for row in rows] == list(model.stages(net))
    assert sum(row.parameters for row in rows) == backbones.get(name).parameters
    for row in rows:
        assert len(model.unfreeze_last(net, row.name, True)) == len(model.unfreeze_last(net, row.layers, True))
        assert model.depth(net, row.name) == row.layers
    assert rows[0].layers == len(model.backbone_layers(net))


def test_maps_and_channels_of_resnet50(no_values):
    """Table 1 of arXiv:1512.03385."""
    rows = stage_table.of(stage_table.build("resnet50"))
    assert [(row.name, row.maps, row.channels) for row in rows] == [
        ("conv1", (112, 112), 64),
        ("conv2", (56, 56), 256),
        ("conv3", (28, 28), 512),
        ("conv4", (14, 14), 1024),
        ("conv5", (7, 7), 2048),
    ]


def test_backbones_of_any_kind(tmp_path, pictures):
    image = keras.Input((24, 24, 3))
    x = keras.layers.Conv2D(4, 3, 2, "same")(image)
    x = keras.layers.Flatten()(keras.layers.Conv2D(5, 3, 2, "same")(x))
    keras.Model(image, keras.layers.Dense(7, activation="relu")(x), name="own").save(tmp_path / "own.keras")
    rows = stage_table.of(stage_table.build(str(tmp_path / "own.keras")))
    assert [(row.name, row.layers, row.maps, row.channels, row.parameters) for row in rows] == [
        ("stage1", 4, (12, 12), 4, 112),
        ("stage2", 3, (6, 6), 5, 185),
        ("stage3", 2, None, 7, 6 * 6 * 5 * 7 + 7),
    ]
    ours = model.build("cnn", pictures, weights="none")
    model.save(ours, tmp_path / "model.keras")
    assert stage_table.of(stage_table.build(str(tmp_path))) == stage_table.of(ours)  # the folder of a run
    small = stage_table.build("cnn", 36)
    assert [row.maps for row in stage_table.of(small)] == [(34, 34), (15, 15), (5, 5), None]  # 36 - 2, 17 - 2, 7 - 2
    (scattering,) = stage_table.of(stage_table.build("scattering"))
    assert (scattering.name, scattering.parameters) == ("scattering", 0)
