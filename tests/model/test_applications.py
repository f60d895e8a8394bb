"""Every row against Keras; and names as people type them."""

import importlib
import inspect
import math

import keras
import numpy as np
import pytest
from keras.src.applications import imagenet_utils

from tfxfer import model
from tfxfer.core import private_names
from tfxfer.core.errors import InputError
from tfxfer.model import adapters, applications, backbones


def functions() -> dict:
    names = [name for name in dir(keras.applications) if name[0].isupper()]
    return {name: getattr(keras.applications, name) for name in names}


def test_all_of_keras_s_are_there():
    assert set(applications.TABLE) == set(functions())


@pytest.mark.parametrize("name", [name for name in applications.TABLE if not name.startswith("MobileNetV3")])
def test_native_sizes_are_those_that_keras_takes(name, monkeypatch):
    """All but MobileNetV3's, which Keras builds for any size."""

    class SizeError(Exception):
        pass

    def stop(input_shape, default_size, **options):
        raise SizeError(default_size)

    monkeypatch.setattr(imagenet_utils, "obtain_input_shape", stop)
    with pytest.raises(SizeError) as caught:
        functions()[name](weights=None)
    assert caught.value.args == (applications.TABLE[name].native_size,)


@pytest.mark.parametrize("name", applications.TABLE)
def test_pixels_are_scaled_as_keras_s_preprocessing_does(name):
    pixels = np.random.default_rng(0).integers(0, 256, (1, 2, 2, 3)).astype(np.float32)
    module = importlib.import_module(functions()[name].__module__)
    image = keras.Input((2, 2, 3))
    ours = keras.Model(image, adapters._scale(image, applications.TABLE[name].scaling))(pixels)
    np.testing.assert_allclose(ours, module.preprocess_input(pixels.copy()), atol=1e-4)


@pytest.mark.parametrize("name", ["EfficientNetV2B0", "DenseNet121", "MobileNetV3Small", "ResNet50V2"])
def test_embedding_and_parameters(name, pictures, no_values):
    row = applications.TABLE[name]
    net = model.build(name.lower(), pictures, 64, "none")
    assert net.name == name
    assert net.get_layer("embedding").output.shape == (None, row.embedding)
    assert sum(math.prod(w.shape) for layer in model.backbone_layers(net) for w in layer.weights) == row.parameters
    assert len(model.stages(net)) >= 4


FAMILIES = (
    "ConvNeXtTiny DenseNet121 EfficientNetB0 EfficientNetV2B0 InceptionV3 InceptionResNetV2 MobileNet MobileNetV2 "
    "MobileNetV3Large MobileNetV3Small NASNetMobile ResNet50 ResNet50V2 VGG16 Xception"
)


class AskedFor(Exception):
    """Raised in the place of a download."""


def ask(file: str, *args: object, **options: object) -> str:
    raise AskedFor(file)


@pytest.mark.parametrize("name", FAMILIES.split())
def test_weights_files_are_those_that_keras_asks_for(name, no_values):
    row = applications.TABLE[name]
    shape = (row.native_size, row.native_size, 3)
    with private_names.downloading_by(ask), pytest.raises(AskedFor) as asked:
        functions()[name](weights="imagenet", include_top=False, input_shape=shape)
    assert asked.value.args == (row.weights_file.replace("*", str(row.native_size)),)


@pytest.mark.parametrize("name", [name for name in applications.TABLE if name not in FAMILIES.split()])
def test_weights_files_of_the_others(name):
    """They stand in Keras's source, or are called after the network, as that of another one in the same module."""
    file, function = applications.TABLE[name].weights_file, functions()[name]
    if f'"{file}"' in inspect.getsource(importlib.import_module(function.__module__)):
        return
    (other,) = (known for known in FAMILIES.split() if functions()[known].__module__ == function.__module__)
    own, others = (inspect.signature(each).parameters["name"].default for each in (function, functions()[other]))
    assert file.startswith(own)
    assert file.replace(own, others, 1) == applications.TABLE[other].weights_file


@pytest.mark.parametrize("name", ["EfficientNetV2B0", "efficientnetv2b0", "efficientnet-v2-b0", "EfficientNet V2 B0"])
def test_spellings(name):
    assert backbones.full_name(name) == "EfficientNetV2B0"
    assert "5.9 million parameters" in backbones.get(name).summary


def test_the_table_of_backbones_comes_first():
    assert [backbones.full_name(name) for name in ("MobileNetV2", "VGG19", "Resnet-50", "Cnn")] == [
        "mobilenet_v2",
        "vgg19",
        "resnet50",
        "cnn",
    ]


def test_what_is_none_is_said(pictures):
    with pytest.raises(
        InputError, match=r"unknown backbone 'EfficientNetV2B9', did you mean EfficientNetV2B\d\?: expec"
    ):
        model.build("EfficientNetV2B9", pictures)
    with pytest.raises(InputError, match=r"unknown backbone '#': expected one of mobilenet_v2, .*, a function of"):
        backbones.get("#")
