"""Which layer's feature maps an explanation weighs: late enough to mean something, large enough to point somewhere."""

import keras

from tfxfer import model
from tfxfer.core.errors import InputError

LEAST = 7  # places per side that the maps of the default layer should have
COARSEST = 6  # places per side, at least, of the maps among which a deletion test chooses
CANDIDATES = 2  # sizes of maps among which it chooses


def layer_to_explain(net: keras.Model, name: str | None = None) -> str:
    """The name of the layer to explain: by default the backbone's last activation of at least 7 x 7.

    If none is that large, it is the last one of the largest size. The very last layers of a small image are 2 x 2 (48
    pixels in MobileNetV2), which says nothing about where. At this layer LayerCAM beats chance (see
    `attribution.explain`), while Grad-CAM may not: `deletion.choose` finds out for a given network.

    Args:
        net: from `model.build`.
        name: a layer to use instead, which is only checked.

    Raises:
        InputError: `name` is not a layer of the network or has no feature map, or no layer has one.
    """
    if name is not None:
        if name not in [layer.name for layer in net.layers] or len(net.get_layer(name).output.shape) != 4:
            raise InputError(f"{net.name} has no layer {name!r} that outputs a feature map")
        return name
    layers = _activations(net)
    if not layers:
        raise InputError(f"{net.name} has no feature map, so there is nothing to explain: choose another backbone")
    sides = [min(layer.output.shape[1:3]) for layer in layers]
    side_wanted = min(LEAST, max(sides))
    return [layer.name for layer, side in zip(layers, sides) if side >= side_wanted][-1]


def candidates(net: keras.Model) -> list[str]:
    """The layers among which a deletion test chooses, the coarsest first.

    They are the last activations of the two coarsest sizes of at least 6 x 6 (6 x 6 and 12 x 12 for images of 48
    pixels); if there is none, it is `layer_to_explain`.

    Raises:
        InputError: no layer has a feature map.
    """
    last = {min(layer.output.shape[1:3]): layer.name for layer in _activations(net)}
    sides = sorted(side for side in last if side >= COARSEST)
    return [last[side] for side in sides[:CANDIDATES]] or [layer_to_explain(net)]


def activates(layer: keras.Layer) -> bool:
    """Whether a layer applies a nonlinear activation to its output."""
    activation = getattr(layer, "activation", None)
    return isinstance(layer, keras.layers.ReLU) or (activation not in (None, keras.activations.linear))


def _activations(net: keras.Model) -> list[keras.Layer]:
    return [layer for layer in model.backbone_layers(net) if activates(layer) and len(layer.output.shape) == 4]
