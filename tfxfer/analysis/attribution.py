"""Where a network looks: class activation maps by tf-keras-vis, and the check that they depend on its weights."""

import warnings
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from scipy import stats

from tfxfer import model
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.features import inference
from tfxfer.model import adapters

METHODS = ("gradcam", "gradcam++", "layercam")
METHOD = "layercam"  # by default
LEAST = 7  # places a side that a map should have, to point at anything
COARSEST = 6  # places a side of the maps that a deletion test may choose
CANDIDATES = 2  # sizes of maps among which it does
BATCH = 8, 128  # images taped at once: the least, and the most where the network is small


def layer_to_explain(net: keras.Model, name: str | None = None) -> str:
    """The layer whose maps are weighed: the backbone's last activation of at least 7 x 7, else its largest last one.

    The very last layers of a small picture are 2 x 2 (48 pixels in MobileNetV2), which says nothing about where. At
    this layer LayerCAM beats chance (see `explain`), Grad-CAM need not: `deletion.choose` tells for a network at hand.

    Raises:
        InputError: `name` is no layer of the network, or gives no feature map; or no layer gives one.
    """
    if name is not None:
        if name not in [layer.name for layer in net.layers] or len(net.get_layer(name).output.shape) != 4:
            raise InputError(f"{net.name} has no layer {name!r} that gives a feature map")
        return name
    found = _activations(net)
    if not found:
        raise InputError(f"{net.name} gives no feature map: there is nothing to weigh")
    sides = [min(layer.output.shape[1:3]) for layer in found]
    wanted = min(LEAST, max(sides))
    return [layer.name for layer, side in zip(found, sides) if side >= wanted][-1]


def candidates(net: keras.Model) -> list[str]:
    """Layers among which a deletion test chooses: the last activation of each size, of the two coarsest sizes of at
    least 6 x 6 (of 12 x 12 and 6 x 6 for 48 pixels); else `layer_to_explain`.

    Raises:
        InputError: the network gives no feature map.
    """
    last = {}
    for layer in _activations(net):
        last[min(layer.output.shape[1:3])] = layer.name
    fine = sorted(side for side in last if side >= COARSEST)
    return [last[side] for side in fine[:CANDIDATES]] or [layer_to_explain(net)]


def _activations(net: keras.Model) -> list[keras.Layer]:
    return [layer for layer in model.backbone_layers(net) if _activates(layer) and len(layer.output.shape) == 4]


def _activates(layer: keras.Layer) -> bool:
    activation = getattr(layer, "activation", None)
    return isinstance(layer, keras.layers.ReLU) or (activation not in (None, keras.activations.linear))


def explain(
    net: keras.Model,
    images: np.ndarray,
    classes: Sequence[int] | None = None,
    method: str = METHOD,
    layer: str | None = None,
) -> np.ndarray:
    """Class activation maps: how much each place speaks for a class.

    The default is what passed deletion tests: at 48 x 48 on the layer of `layer_to_explain`, fine-tuned
    EfficientNet-Lite0, 100 images each, LayerCAM's highest fifth cost 0.25 +- 0.08 more probability than the same
    regions moved at random on MNIST and 0.14 +- 0.06 on digits; Grad-CAM's 0.04 +- 0.07 and 0.03 +- 0.07, with maps
    that were empty. `deletion.choose` measures this for a network at hand.

    Args:
        net: from `model.build`, computing in float32.
        images: uint8 (n, *net.input_shape[1:]).
        classes: which class to explain for each image, (n,); by default the predicted one.
        method: "gradcam" (Selvaraju et al. 2017, arXiv:1610.02391), "gradcam++" (Chattopadhay et al. 2018,
            arXiv:1710.11063) or "layercam" (Jiang et al. 2021).
        layer: whose maps; by default `layer_to_explain`.

    Returns:
        float32 (n, height, width) of the images' size, each image's from 0 to 1 (all 0 where nothing speaks for it).

    Raises:
        InputError: unknown method or layer, images that are not uint8, classes that do not fit.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.shape[1:] != tuple(net.input_shape[1:]) or not len(images):
        raise InputError(
            f"images {images.dtype} {images.shape}: expected uint8 (n, *{net.input_shape[1:]}), at least one"
        )
    if method not in METHODS:
        raise InputError(f"method {method!r}: expected one of {', '.join(METHODS)}")
    target, explainer = layer_to_explain(net, layer), Explainer(net)
    if classes is None:
        classes = explainer.probabilities(images).argmax(1)
    classes = np.asarray(classes)
    if classes.shape != (len(images),) or not 0 <= classes.min() <= classes.max() < net.output_shape[-1]:
        raise InputError(f"classes {classes.shape}: expected one of 0 to {net.output_shape[-1] - 1} for each image")
    return explainer.maps(images, classes, method, target)


class Explainer:
    """A network made ready once for many maps; `net` stays as it is, and later changes of its weights are not seen.

    Args:
        net: from `model.build`, computing in float32.
    """

    def __init__(self, net: keras.Model):
        # tf-keras-vis tapes float inputs alone, and layers that are called once: from the first float tensor on
        part = keras.Model(net.get_layer("to_float").output, net.get_layer("logits").output)
        self.net, self.size = net, inference.images_per_batch(net)
        self.copy = keras.models.clone_model(part, input_tensors=keras.Input(net.input_shape[1:], dtype="float32"))
        self.copy.set_weights(part.get_weights())
        # not Model.predict, which compiles by XLA: on CPUs ten times as slow for convolutions
        signature = [tf.TensorSpec((None, *net.input_shape[1:]), tf.float32)]
        forward = tf.function(lambda some: tf.nn.softmax(self.copy(some, training=False)), input_signature=signature)
        self._forward = forward.get_concrete_function()  # TensorFlow warns of many functions from one line of code

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Of images uint8 (n, *input shape), float32 (n, classes)."""
        rows = range(0, len(images), self.size)
        some = (tf.constant(images[first : first + self.size].astype(np.float32)) for first in rows)
        return np.concatenate([self._forward(each).numpy() for each in some])

    def maps(self, images: np.ndarray, classes: np.ndarray, method: str, layer: str) -> np.ndarray:
        """What `explain` gives, unchecked."""
        visualise, found = _visualiser(method)(self.copy), []
        size = int(np.clip(self.size, *BATCH))
        for first in range(0, len(images), size):
            some, wanted = images[first : first + size], classes[first : first + size]
            cams = visualise(
                lambda logits, wanted=wanted: tf.gather(logits, wanted, axis=1, batch_dims=1),
                some.astype(np.float32),
                penultimate_layer=layer,
                seek_penultimate_conv_layer=False,
                expand_cam=False,
                normalize_cam=False,
            )
            found.append(tf.image.resize(np.asarray(cams)[..., None], images.shape[1:3])[..., 0].numpy())
        maps = np.maximum(np.concatenate(found), 0)
        highest = maps.max((1, 2), keepdims=True)
        return np.divide(maps, highest, out=np.zeros_like(maps), where=highest > 0).astype(np.float32)


def enlarge(net: keras.Model, splits: Splits, size: int) -> keras.Model:
    """The same network, with copies of its weights, that sees images at `size` pixels a side: its maps are finer.

    Args:
        net: from `model.build`, of a named backbone.

    Raises:
        InputError: its weights fit one size only, or it cannot see one so small.
    """
    larger = model.build(net.name, splits, size, "none", scaling=adapters.scaling_of(net))
    if [weight.shape for weight in larger.weights] != [weight.shape for weight in net.weights]:
        raise InputError(f"{net.name}'s dense layers fit its own image size only: leave explain_size out")
    larger.set_weights(net.get_weights())
    return larger


def _visualiser(method: str) -> Callable:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of SciPy's old names, at import
        from tf_keras_vis.gradcam import Gradcam
        from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
        from tf_keras_vis.layercam import Layercam
    return dict(zip(METHODS, (Gradcam, GradcamPlusPlus, Layercam), strict=True))[method]


def sanity(net: keras.Model, images: np.ndarray, method: str = METHOD, layer: str | None = None) -> dict[str, float]:
    """Whether maps depend on the weights: layers are given random ones from the head downwards, stage by stage, and the
    maps compared with the first (Adebayo et al. 2018, arXiv:1810.03292). A map that stays shows edges, not reasons.

    Returns:
        Mean rank correlation (Spearman's) with the maps of the network itself, after "head" and after each stage.
    """
    explainer, layer, fresh = Explainer(net), layer_to_explain(net, layer), keras.models.clone_model(net)
    classes = explainer.probabilities(images).argmax(1)
    first, found = explainer.maps(images, classes, method, layer), {}
    for name, members in [("head", [net.get_layer("logits")]), *reversed(model.stages(net).items())]:
        for member in members:
            explainer.copy.get_layer(member.name).set_weights(fresh.get_layer(member.name).get_weights())
        found[name] = similarity(first, explainer.maps(images, classes, method, layer))
    return found


def empty(maps: np.ndarray) -> np.ndarray:
    """Which of the maps (n, height, width) are the same everywhere, and so point at nothing: bool (n,)."""
    return maps.min((1, 2)) == maps.max((1, 2))


def similarity(maps: np.ndarray, others: np.ndarray) -> float:
    """Mean Spearman correlation of maps (n, height, width) in pairs, of those of `maps` that point somewhere; 0 for a
    pair whose other map is the same everywhere. NaN if none points anywhere."""
    ranks = [stats.rankdata(each.reshape(len(each), -1), axis=1) for each in (maps, others)]
    a, b = (rank - rank.mean(1, keepdims=True) for rank in ranks)
    pointing = (a != 0).any(1)
    a, b = a[pointing], b[pointing]
    scale = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    found = np.divide((a * b).sum(1), scale, out=np.zeros(len(a)), where=scale > 0)
    return float(found.mean()) if len(found) else float("nan")
