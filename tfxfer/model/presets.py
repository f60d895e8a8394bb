"""Backbones from keras-hub's presets: `hub:NAME`, `hf://...`, `kaggle://...`, or the folder of a saved preset."""

import os
from pathlib import Path
from typing import Any

import keras

from tfxfer.core.errors import InputError
from tfxfer.model import hub, user_models

PREFIX = "hub:"
_HANDLES = ("hf://", "kaggle://")
_SIZE = 224  # where neither preset nor caller says


def preset_of(name: str | os.PathLike) -> str | None:
    """What keras-hub calls a preset that a backbone's name stands for; None if it stands for none."""
    text = os.fspath(name)
    if text.startswith(PREFIX):
        text = text.removeprefix(PREFIX)
        return os.path.expanduser(text) if os.sep in text and "://" not in text else text
    folder = Path(os.path.expanduser(text))
    saved = folder.is_dir() and (folder / "config.json").is_file() and (folder / "metadata.json").is_file()
    return str(folder) if saved else text if text.startswith(_HANDLES) else None


def take_apart(preset: str, image_size: int | None, weights: str) -> user_models.Parts:
    """The parts of a preset's backbone, with pixels scaled as the preset's own image converter does.

    Args:
        preset: as `preset_of` gives it.
        image_size: height and width in pixels; None for the preset's own.
        weights: "imagenet" for the preset's, whatever they were trained on, or "none".

    Raises:
        InputError: keras-hub is not installed, the preset is not available, or it is no network for images.
    """
    name = Path(preset).name
    if weights not in ("imagenet", "none"):
        raise InputError(f"{name} is a preset of keras-hub, which brings its weights: leave weights {weights} out")
    keras_hub = hub.package(f"the preset {name} needs")
    sized = {} if image_size is None else {"image_shape": (image_size, image_size, 3)}

    def load() -> tuple[keras.Model, Any]:
        converter = keras_hub.layers.ImageConverter.from_preset(preset)
        return keras_hub.models.Backbone.from_preset(preset, load_weights=weights != "none", **sized), converter

    backbone, converter = hub.fetched(preset, load, name, "give the folder of a preset that keras-hub saved")
    own = user_models.take_apart(backbone, image_size, 0)
    size = own.shape[0] or (converter.image_size or (_SIZE,))[0]
    scaled = _scaling(converter, own.shape[2])
    return user_models.Parts(name, own.shape, scaled, True, own.body, size=size, ours=True)


def _scaling(converter: Any, channels: int) -> keras.Model | None:
    """What an image converter does with the values of pixels, as a model."""
    if converter.scale is None and converter.offset is None:
        return None
    image = keras.Input((None, None, channels))
    scale, offset = (1.0 if converter.scale is None else converter.scale), converter.offset or 0.0
    return keras.Model(image, keras.layers.Rescaling(scale, offset, name="scale")(image))
