"""Presets of keras-hub, saved on the spot as keras-hub saves them: nothing is downloaded here."""

import hub_files
import keras
import numpy as np
import pytest

from tfxfer import model
from tfxfer.core.errors import InputError


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A small ResNet and its image converter, saved; and the network."""
    import keras_hub

    folder = tmp_path_factory.mktemp("presets") / "tiny"
    net = keras_hub.models.ResNetBackbone(**hub_files.RESNET, image_shape=(32, 32, 3))
    for weight in net.weights:
        weight.assign(weight + 0.1)
    hub_files.save(net, folder, scale=[0.01, 0.02, 0.03], offset=[-1.0, 0.0, 1.0])
    converter = keras_hub.layers.ImageConverter.from_preset(str(folder))
    return folder, net, converter


@pytest.mark.parametrize("spelling", ["hub:{}", "{}"])
def test_a_presets_folder(preset, pictures, spelling):
    """The same features as keras-hub's own converter and network."""
    folder, theirs, converter = preset
    net = model.build(spelling.format(folder), pictures)
    assert net.name == "tiny"
    assert [layer.name for layer in model.backbone_layers(net)] == [layer.name for layer in theirs.layers[1:]]
    images = pictures.rows["test"].images[:8]
    seen = keras.Model(net.input, net.get_layer("to_rgb").output)(images)
    mine = keras.Model(net.input, net.get_layer("embedding").output)(images)
    expected = theirs(seen * np.array(converter.scale, np.float32) + np.array(converter.offset, np.float32))
    np.testing.assert_allclose(mine, expected.numpy().mean((1, 2)), rtol=1e-4, atol=1e-4)
    assert list(model.stages(net)) == ["stage1", "stage2", "stage3"]


def test_a_backbones_own_rescaling_follows_the_converters(preset, pictures, monkeypatch):
    import keras_hub

    folder, theirs, converter = preset
    image = keras.Input((32, 32, 3))
    own = keras.Model(image, theirs(keras.layers.Rescaling(2.0, -1.0)(image)), name="own")
    monkeypatch.setattr(keras_hub.models.Backbone, "from_preset", lambda *args, **options: own)
    net = model.build(str(folder), pictures)
    images = pictures.rows["test"].images[:8]
    seen = keras.Model(net.input, net.get_layer("to_rgb").output)(images)
    scaled = keras.Model(net.input, net.get_layer("scaled").output)(images)
    expected = 2 * (seen * np.array(converter.scale, np.float32) + np.array(converter.offset, np.float32)) - 1
    np.testing.assert_allclose(scaled, expected, rtol=1e-5, atol=1e-5)


def test_another_size_and_no_weights(preset, pictures):
    folder, theirs, _ = preset
    net = model.build(f"hub:{folder}", pictures, 48, "none")
    assert net.get_layer("scaled").output.shape == (None, 48, 48, 3)
    assert np.abs(net.get_layer("conv1_conv").get_weights()[0] - theirs.get_layer("conv1_conv").get_weights()[0]).max()


def test_presets_that_cannot_be_had(monkeypatch, pictures, tmp_path):
    import keras_hub

    def offline(*args, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(keras_hub.models.Backbone, "from_preset", offline)
    monkeypatch.setattr(keras_hub.layers.ImageConverter, "from_preset", offline)
    page = r"https://www.kaggle.com/models/keras/resnetv1/keras/resnet_50_imagenet/\d+"
    end = r'this works offline: model.build\("efficientnet_lite0", splits\)$'
    with pytest.raises(
        InputError, match=rf"^resnet_50_imagenet is not available \(OSError: no route .* comes from {page}; {end}"
    ):
        model.build("hub:resnet_50_imagenet", pictures)
    with pytest.raises(InputError, match=r"comes from https://huggingface.co/someone/their-net; this works offline"):
        model.build("hf://someone/their-net", pictures)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "metadata.json").write_text("{}")
    with pytest.raises(InputError, match=r"is not available .* give the folder of a preset that keras-hub saved$"):
        model.build(str(tmp_path), pictures)
    with pytest.raises(InputError, match=r"which brings its weights: leave weights w\.h5 out"):
        model.build("hub:resnet_50_imagenet", pictures, weights="w.h5")
