"""Calibration of a network: its logits divided by a temperature, and the confidence below which it abstains."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

import keras

from tfxfer.core.errors import InputError, shown

KEYS = ("temperature", "threshold", "precision", "images", "reached", "answered")
"""What a calibration says, as `analysis.calibration.fit` returns it; the first two are always there."""


def scale_logits(net: keras.Model, temperature: float) -> None:
    """Divides a network's logits by a temperature: the weights and biases of its layer `logits`, in place.

    Probabilities become softmax(logits / temperature) and the order of the classes stays, so that the predicted class
    does (Guo et al. 2017, arXiv:1706.04599). Nothing is added to the network: every format that it is exported to has
    the new probabilities. Training it further undoes what was gained.

    Args:
        net: from `model.build`; its layer `logits` is a dense layer, or a kept one of a single unit.
        temperature: above 0; above 1 lowers the confidence, below 1 raises it.

    Raises:
        InputError: a temperature that is not a finite number above 0, or a network without a dense layer `logits`.

    Example:
        >>> from tfxfer import data, model
        >>> splits = data.load("digits", limit=40)
        >>> net = model.build("cnn", splits, weights="none")
        >>> image = splits.rows["test"].images[:1]
        >>> before = net(image, training=False)
        >>> model.scale_logits(net, 2.0)
        >>> bool(abs(2 * net(image, training=False) - before).numpy().max() < 1e-6)
        True
    """
    if isinstance(temperature, bool) or not isinstance(temperature, Real) or not 0 < float(temperature) < math.inf:
        raise InputError(f"temperature {shown(temperature)}: expected a number above 0, such as 1.5")
    layer = _logits(net)
    layer.set_weights([weight / float(temperature) for weight in layer.get_weights()])


@contextlib.contextmanager
def scaled(net: keras.Model, temperature: float) -> Iterator[None]:
    """Within the block, `scale_logits`; afterwards the network has the weights that it had, to the last bit."""
    layer = _logits(net)
    weights = layer.get_weights()
    scale_logits(net, temperature)
    try:
        yield
    finally:
        layer.set_weights(weights)


def _logits(net: keras.Model) -> keras.layers.Dense:
    layer = next((layer for layer in net.layers if layer.name == "logits"), None)
    if not isinstance(layer, keras.layers.Dense):
        raise InputError(f"{net.name} has no dense layer named logits: give a network that model.build made")
    return layer


def calibrate(net: keras.Model, calibration: Mapping[str, Any]) -> None:
    """Scales a network's logits, and sets `net.calibration`, from which exported files know when to abstain.

    `model.save` keeps the attribute, `model.load` reads it, runs record it, and a SavedModel says of each image whether
    the network abstains.

    Args:
        net: as `scale_logits` takes it; not calibrated before.
        calibration: what `analysis.calibration.fit` returns for its logits, of images that it was not trained on.

    Raises:
        InputError: the network is calibrated already, or `check` refuses the calibration.

    Example:
        >>> from tfxfer import data, model
        >>> net = model.build("cnn", data.load("digits", limit=40), weights="none")
        >>> model.calibrate(net, {"temperature": 1.5, "threshold": 0.8, "precision": 0.95, "images": 500})
        >>> net.calibration["threshold"]
        0.8
    """
    if getattr(net, "calibration", None) is not None:
        raise InputError(f"{net.name} is calibrated already, with temperature {net.calibration['temperature']:g}")
    checked = check(calibration)
    scale_logits(net, checked["temperature"])
    net.calibration = checked


def check(calibration: object) -> dict[str, Any]:
    """A calibration as a dict of its own, whatever a file or a caller gave.

    Args:
        calibration: a mapping of `KEYS`: `temperature`, above 0; `threshold`, the confidence in [0, 1] below which the
            network abstains, or None; `precision`, in [0, 1], which was wanted of the images that it answers, or None;
            `images`, the number that it was fitted to; and of these the precision `reached` and the share `answered`.

    Raises:
        InputError: it is another object, lacks temperature or threshold, or has values out of range.
    """
    if not isinstance(calibration, Mapping) or not {"temperature", "threshold"} <= calibration.keys():
        raise InputError(f"calibration {shown(calibration)}: expected what analysis.calibration.fit returns")
    known = {name: calibration[name] for name in KEYS if calibration.get(name) is not None}
    for name, value in known.items():
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not number or not (0 < value < 1e12 if name in ("temperature", "images") else 0 <= value <= 1):
            raise InputError(f"calibration: {name} is {shown(value)}, out of its range: fit it again")
    if "temperature" not in known:
        raise InputError("calibration: temperature is None: fit it again")
    numbers = {name: int(value) if name == "images" else float(value) for name, value in known.items()}
    return {name: numbers.get(name) for name in KEYS}
