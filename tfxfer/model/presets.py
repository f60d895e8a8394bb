"""Backbones from keras-hub's presets: `hub:NAME`, `hf://...`, `kaggle://...`, or the folder of a saved preset."""

from pathlib import Path
from typing import Any

import keras

from tfxfer.core.errors import InputError
from tfxfer.model import flattening, hub, user_models

_SIZE = 224  # where neither preset nor caller says


def take_apart(preset: str, image_size: int | None, weights: str) -> user_models.Parts:
    """The parts of a preset's backbone, with pixels scaled as the preset's own image converter does.

    Args:
        preset: as `backbone_paths.preset` gives it.
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
    lead = _lead(converter, own)
    return user_models.Parts(name, own.shape, lead, True, own.body, size=size, ours=True)


def _lead(converter: Any, own: user_models.Parts) -> keras.Model | None:
    """What an image converter does with the values of pixels, and the backbone after it; None if neither does."""
    x = image = keras.Input((None, None, own.shape[2]))
    if converter.scale is not None or converter.offset is not None:
        scale = 1.0 if converter.scale is None else converter.scale
        x = keras.layers.Rescaling(scale, converter.offset or 0.0, name="scale")(x)
    if own.lead is not None:
        x = flattening.inline(own.lead, x, ("scale",))
    return None if x is image else keras.Model(image, x)
