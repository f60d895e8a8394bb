"""Weights from keras-hub, an extra: `pip install 'tfxfer[hub]'`."""

import functools
import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import keras

from tfxfer.core import download, file_lock, live_lines, offline, private_names
from tfxfer.core.errors import InputError
from tfxfer.model import resnet18 as resnet
from tfxfer.model.weights import BUNDLED

_Loaded = TypeVar("_Loaded")

# what keras-hub calls the architecture of `resnet.resnet18`
RESNET18 = {
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64, 128, 256, 512],
    "stackwise_num_blocks": [2, 2, 2, 2],
    "stackwise_num_strides": [1, 2, 2, 2],
    "block_type": "basic_block",
}


def resnet18(
    *, input_shape: tuple[int, int, int] = (224, 224, 3), include_top: bool = False, weights: str | None = None
) -> keras.Model:
    """ResNet18, pixels scaled by ImageNet's mean and standard deviation ("torch").

    Args:
        input_shape: (height, width, 3).
        include_top: not used; there is no ImageNet classifier.
        weights: None, or from keras-hub: "imagenet" (the preset `resnet_18_imagenet`, downloaded from Kaggle) or the
            folder of a preset.

    Raises:
        InputError: keras-hub is not installed, or the preset is not available or is not a ResNet18.
    """
    net = resnet.resnet18(input_shape=input_shape)
    if weights is None:
        return net
    preset = "resnet_18_imagenet" if weights == "imagenet" else str(weights)
    own_class = package("resnet18's weights need").models.ResNetBackbone
    ways = "give --weights FOLDER with a preset saved by keras-hub, or another backbone"
    load = functools.partial(own_class.from_preset, preset, image_shape=input_shape)
    backbone = fetched(preset, load, f"resnet18's preset {preset}", ways)
    own = backbone.get_config()
    if wrong := [name for name, value in RESNET18.items() if own[name] != value]:
        raise InputError(f"{preset} is not a ResNet18: its {wrong[0]} is {own[wrong[0]]}, not {RESNET18[wrong[0]]}")
    net.set_weights(backbone.get_weights())
    return net


def package(needed: str) -> Any:
    """The package keras_hub.

    Raises:
        InputError: it is not installed; `needed` begins its line.
    """
    try:
        importlib.import_module("keras_hub.models")
        return importlib.import_module("keras_hub")
    except ImportError as error:
        raise InputError(f"{needed} keras-hub ({error}): pip install 'tfxfer[hub]'") from None


def fetched(preset: str, load: Callable[[], _Loaded], name: str, ways: str) -> _Loaded:
    """What `load` gets of a preset; of several processes one downloads, and the others wait.

    Args:
        preset: what keras-hub calls it, or its folder.
        load: gets it.
        name: what an error calls it.
        ways: what an error says can be done.

    Raises:
        InputError: it is not available, whatever the download or the preset's files make of it.
    """
    lock = private_names.keras_folder("models") / f".{re.sub(r'[^a-z0-9]+', '-', preset.lower())}.lock"
    try:
        # kagglehub itself lets each process download, and has bars of its own
        with file_lock.hold(lock, f"download {preset}"), live_lines.hidden():
            return load()
    except Exception as error:
        reason = ", ".join(filter(None, (download.reason(error), download.url_of(error))))
        failed = f"{name} is not available ({type(error).__name__}: {reason})"
        if Path(preset).is_dir():
            raise InputError(f"{failed}: {ways}") from None
        end = offline.ending("weights", f'model.build("{BUNDLED}", splits)')
        raise InputError(f"{failed}: {ways}; the preset comes from {_page(preset)}{end}") from None


def _page(preset: str) -> str:
    """Where people find a preset: the URL of its page."""
    from keras_hub.models import Backbone

    handle = Backbone.presets.get(preset, {}).get("kaggle_handle", preset)
    for scheme, site in {"kaggle://": "https://www.kaggle.com/models/", "hf://": "https://huggingface.co/"}.items():
        handle = handle.replace(scheme, site)
    return handle
