"""Networks from `model.build` as backbones of others: in memory, in a `.keras` file, or in a run's folder."""

from pathlib import Path

import keras

from tfxfer.core import private_names
from tfxfer.core.errors import InputError
from tfxfer.model import state, user_models


def load(path: Path) -> keras.Model:
    """Loads a `.keras` file, of ours or of Keras's.

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    if not path.is_file():
        raise InputError(f"backbone {path}: no such file; expected a .keras file, or the folder of a finished run")
    return state.load(path)


def is_ours(net: keras.Model) -> bool:
    """Whether a model has the landmarks of a network from `model.build`."""
    return {"scaled", "embedding", "logits"} <= {layer.name for layer in net.layers}


def take_apart(net: keras.Model) -> user_models.Parts:
    """The parts of a network from `model.build`.

    Images are scaled as they were; the backbone is what it has learned, for images of any size that its layers take.
    """
    start, end, logits = (net.get_layer(name) for name in ("scaled", "embedding", "logits"))
    raw = _before_scaling(start.input)
    lead = None if raw is start.input else keras.Model(raw, start.input)
    dropout = next((layer.rate for layer in net.layers if layer.name == "head_dropout"), 0.0)
    shape = (None, None, start.output.shape[-1])
    body = keras.Model(start.output, end.input, name=net.name)
    return user_models.Parts(net.name, shape, lead, True, body, dropout, logits, logits, start.output.shape[1], True)


def _before_scaling(tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Where the pixels of a network are of the backbone's size and channels, still 0 to 255."""
    while True:
        layer, _ = private_names.origin(tensor)
        named = layer.name in ("to_float", "resize", "to_rgb")
        if named or isinstance(layer, keras.layers.InputLayer) or user_models.augments(layer):
            return tensor
        (tensor,) = private_names.inputs_of(tensor)
