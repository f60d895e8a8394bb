"""What a network holds: its weights, class names and aspect, saved, loaded, copied, described and compared."""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfxfer.core import atomic
from tfxfer.core.errors import InputError
from tfxfer.data import aspect_ratio
from tfxfer.model import temperature_scaling
from tfxfer.model.freezing import backbone_layers

CLASSES, CALIBRATION = "classes.json", "calibration.json"
"""Members of a `.keras` archive that hold the class names and the calibration; Keras, which has neither, leaves them
unread."""

ASPECT = "aspect.json"
"""The member that holds how pictures are read for the network, if not squashed: one of `aspect_ratio.ASPECTS`."""

_LONGEST = 1 << 26  # bytes of a member that are read


def save(net: keras.Model, path: str | Path) -> None:
    """Saves a network as a `.keras` archive, with its class names, its calibration and its aspect.

    `keras.models.load_model` reads it too.

    Args:
        net: a network from `build`, or any Keras model; its attributes `classes` and `calibration` (of
            `model.calibrate`) are saved where it has them, and without `aspect` it will be "squash".
        path: the file; its name ends with `.keras`. It is complete or absent, and replaces another.
    """
    with atomic.file(Path(path)) as partial:
        net.save(partial)
        classes, calibration = (getattr(net, name, None) for name in ("classes", "calibration"))
        aspect = getattr(net, "aspect", "squash")
        members = {CLASSES: classes and list(classes), CALIBRATION: calibration and dict(calibration)}
        members[ASPECT] = None if aspect == "squash" else aspect
        with zipfile.ZipFile(partial, "a") as archive:
            for name, value in members.items():
                if value is not None:
                    archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), json.dumps(value))


def load(path: str | Path) -> keras.Model:
    """Loads a network that `save` or Keras saved.

    Returns:
        The network; its attribute `classes` is a list of names, or None if the file holds none: `Model.save` of Keras
        writes none. `calibration` is what `model.calibrate` set, or None. `aspect` is one of `aspect_ratio.ASPECTS`,
        "squash" if the file holds none.

    Raises:
        InputError: the file is not such a network, or it holds code (a Lambda layer), which is never run.
    """
    from tfxfer.model import scattering, user_models  # noqa: F401  makes their layers known to Keras

    try:
        net = keras.models.load_model(path, safe_mode=True)
        net.classes, net.calibration, net.aspect = _classes(Path(path)), _calibration(Path(path)), _aspect(Path(path))
    except Exception as error:  # of zipfile, h5py, json and Keras, which has no exception of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} cannot be loaded ({reason[:300]}): train or export the network again") from None
    return net


def _classes(path: Path) -> list[str] | None:
    names = _member(path, CLASSES)
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ValueError(f"{CLASSES} is not a list of names")
    return names


def _calibration(path: Path) -> dict[str, Any] | None:
    calibration = _member(path, CALIBRATION)
    return None if calibration is None else temperature_scaling.check(calibration)


def _aspect(path: Path) -> str:
    aspect = _member(path, ASPECT, "squash")
    aspect_ratio.check(aspect)
    return aspect


def _member(path: Path, name: str, default: Any = None) -> Any:
    """What a member of the archive holds, as JSON."""
    if not zipfile.is_zipfile(path):  # HDF5, of Keras 2
        return default
    with zipfile.ZipFile(path) as archive:
        if name not in archive.namelist():
            return default
        with archive.open(name) as file:
            return json.loads(file.read(_LONGEST))


def save_backbone(net: keras.Model, path: str | Path) -> None:
    """Saves the backbone's weights alone, as Keras's `.weights.h5`: a file for `weights=PATH`, whatever the head."""
    backbone = keras.Model(net.get_layer("scaled").output, net.get_layer("embedding").input)
    backbone.save_weights(path)


def values(net: keras.Model) -> list[np.ndarray]:
    """Copies of all that a network holds: weights, moving statistics, random states."""
    return [keras.ops.convert_to_numpy(variable) for variable in net.variables]


def assign_values(net: keras.Model, arrays: Sequence[np.ndarray]) -> None:
    """Puts back what `values` returned."""
    for variable, array in zip(net.variables, arrays, strict=True):
        variable.assign(array)


def classifier(net: keras.Model) -> tuple[np.ndarray, np.ndarray]:
    """Weights (classes, d) and biases (classes,) of a network's head, float32.

    Logits are embedding @ weights.T + biases. Of a head with one unit, which is a model's own
    (`user_models.BinaryLogits`), the first class has zeros.
    """
    kernel, *bias = (keras.ops.convert_to_numpy(weight) for weight in net.get_layer("logits").weights)
    weights, biases = kernel.T, bias[0] if bias else np.zeros(kernel.shape[1], kernel.dtype)
    if net.output_shape[-1] == len(weights):
        return weights, biases
    return np.concatenate([np.zeros_like(weights), weights]), np.concatenate([np.zeros_like(biases), biases])


def describe(net: keras.Model) -> dict[str, str | int]:
    """What a run records of its model: `extent`, the sha256 of the backbone's weights and, where Keras downloaded them,
    the name of their file (`weights_file`)."""
    weights = [weight for layer in backbone_layers(net) for weight in layer.get_weights()]
    file = getattr(net, "weights_file", None)
    return extent(net) | {"backbone_sha256": digest(weights)} | ({"weights_file": file} if file else {})


def extent(net: keras.Model) -> dict[str, str | int]:
    """Name, number of the backbone's layers, how many of them train (`unfrozen`), and number of parameters."""
    body = backbone_layers(net)
    unfrozen = sum(layer.trainable for layer in body)
    return {"name": net.name, "layers": len(body), "unfrozen": unfrozen, "parameters": net.count_params()}


def frozen_digests(net: keras.Model) -> dict[str, str]:
    """sha256 of the weights of every layer that must not change, moving statistics included, by layer name."""
    return {layer.name: digest(layer.get_weights()) for layer in net.layers if layer.weights and not layer.trainable}


def digest(weights: Sequence[np.ndarray]) -> str:
    """sha256 of weights, by which is known whether they have changed."""
    return hashlib.sha256(b"".join(weight.tobytes() for weight in weights)).hexdigest()
