"""Where a network looks: class activation maps by tf-keras-vis, and a check that they depend on its weights."""

import warnings
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from scipy import stats

from tfxfer import model
from tfxfer.analysis.cut_network import CutNetwork, cut
from tfxfer.analysis.feature_map_layers import layer_to_explain
from tfxfer.core import live_lines
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.features import inference
from tfxfer.model import folding

METHODS = ("gradcam", "gradcam++", "layercam")
METHOD = "layercam"  # by default
BATCH = 8, 128  # images per gradient tape: the fewest, and the most where the network is small


def explain(
    net: keras.Model,
    images: np.ndarray,
    classes: Sequence[int] | None = None,
    method: str = METHOD,
    layer: str | None = None,
) -> np.ndarray:
    """Computes class activation maps: how much each place in an image speaks for a class.

    The default passed deletion tests. At 48 x 48, at the layer of `layer_to_explain` of a fine-tuned
    EfficientNet-Lite0, with 100 images each, removing the highest fifth of LayerCAM's maps cost 0.25 +- 0.08 more
    probability than removing the same regions moved at random on MNIST, and 0.14 +- 0.06 more on digits. Grad-CAM's
    cost 0.04 +- 0.07 and 0.03 +- 0.07 more, and some of its maps were empty. `deletion.choose` measures this for a
    given network.

    Args:
        net: from `model.build`, computing in float32.
        images: uint8 (n, height, width, channels), of the network's input shape.
        classes: integers (n,), the class to explain for each image; by default the predicted one.
        method: "gradcam" (Selvaraju et al. 2017, arXiv:1610.02391), "gradcam++" (Chattopadhay et al. 2018,
            arXiv:1710.11063) or "layercam" (Jiang et al., IEEE Transactions on Image Processing 30:5875, 2021).
        layer: the name of the layer whose feature maps are weighed; by default `layer_to_explain`.

    Returns:
        float32 (n, height, width), maps of the size of the images. Each has values from 0 to 1, with 1 as its highest;
        it is 0 everywhere if nothing in the image speaks for the class.

    Raises:
        InputError: an unknown method or layer, images of another dtype or shape, or classes out of range.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.shape[1:] != tuple(net.input_shape[1:]) or not len(images):
        raise InputError(
            f"images {images.dtype} {images.shape}: expected uint8 (n, *{net.input_shape[1:]}), at least one"
        )
    if method not in METHODS:
        raise InputError(f"method {method!r}: expected one of {', '.join(METHODS)}")
    target, explainer = layer_to_explain(net, layer), Explainer(net)
    labels = explainer.probabilities(images).argmax(1) if classes is None else np.asarray(classes)
    if labels.shape != (len(images),) or not 0 <= labels.min() <= labels.max() < net.output_shape[-1]:
        raise InputError(f"classes {labels.shape}: expected one of 0 to {net.output_shape[-1] - 1} for each image")
    return explainer.maps(images, labels, method, target)


class Explainer:
    """A network prepared once for many maps.

    It holds a copy: `net` stays as it is, and later changes of its weights have no effect.

    Args:
        net: from `model.build`, computing in float32.
    """

    def __init__(self, net: keras.Model):
        # tf-keras-vis records gradients of float inputs only, and of layers that are called once: the copy begins at
        # the first float tensor
        part = keras.Model(net.get_layer("to_float").output, net.get_layer("logits").output)
        self.net, self.size = net, inference.images_per_batch(net)
        self.copy = keras.models.clone_model(part, input_tensors=keras.Input(net.input_shape[1:], dtype="float32"))
        self.copy.set_weights(part.get_weights())
        # not Model.predict, which compiles with XLA: ten times as slow for convolutions on CPUs
        self._forward: Callable | None = None
        self._cuts: dict[str, CutNetwork] = {}

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """The network's softmax for images, uint8 (n, *input shape): float32 (n, classes)."""
        starts = range(0, len(images), self.size)
        batches = (tf.constant(images[first : first + self.size].astype(np.float32)) for first in starts)
        forward = self._forward = self._forward or folding.Forward(self.copy, activation=tf.nn.softmax).current()
        return np.concatenate([forward(batch).numpy() for batch in batches])

    def maps(self, images: np.ndarray, classes: np.ndarray, method: str, layer: str) -> np.ndarray:
        """What `explain` returns for these classes (n,), without its checks."""
        if layer not in self._cuts:
            self._cuts[layer] = cut(self.copy, layer)
        halves, parts = self._cuts[layer], []
        visualise = _visualiser(method)(halves.second)
        size = int(np.clip(self.size, *BATCH))
        for first in range(0, len(images), size):
            batch, targets = images[first : first + size], classes[first : first + size]
            cams = visualise(
                lambda logits, targets=targets: tf.gather(logits, targets, axis=1, batch_dims=1),
                halves.first(tf.constant(batch.astype(np.float32))),
                penultimate_layer=layer,
                seek_penultimate_conv_layer=False,
                expand_cam=False,
                normalize_cam=False,
            )
            parts.append(tf.image.resize(np.asarray(cams)[..., None], images.shape[1:3])[..., 0].numpy())
        maps = np.maximum(np.concatenate(parts), 0)
        highest = maps.max((1, 2), keepdims=True)
        return np.divide(maps, highest, out=np.zeros_like(maps), where=highest > 0).astype(np.float32)


def enlarge(net: keras.Model, splits: Splits, size: int) -> keras.Model:
    """Copies a network to another image size; a larger one gives it finer maps.

    Args:
        net: from `model.build`.
        splits: those that it was built with.
        size: pixels per side at which the copy sees the images.

    Raises:
        InputError: the weights fit only one size, or the size is too small for the backbone.
    """
    return model.build(net, splits, size, head="keep")


def _visualiser(method: str) -> Callable:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about old names of SciPy, at import
        from tf_keras_vis.gradcam import Gradcam
        from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
        from tf_keras_vis.layercam import Layercam
    return dict(zip(METHODS, (Gradcam, GradcamPlusPlus, Layercam), strict=True))[method]


@live_lines.line("maps of random weights", after=live_lines.PATIENCE)
def sanity(
    net: keras.Model,
    images: np.ndarray,
    method: str = METHOD,
    layer: str | None = None,
    explainer: Explainer | None = None,
) -> dict[str, float]:
    """Tests whether maps depend on the weights, by randomising the layers from the head downwards, stage by stage.

    After each stage the maps are compared with those of the network itself (Adebayo et al. 2018, arXiv:1810.03292). A
    map that stays the same shows edges, not reasons.

    Args:
        net: from `model.build`, computing in float32; it stays as it is.
        images: uint8 (n, height, width, channels).
        method, layer: as `explain` takes them.
        explainer: one of this network, whose copy will have random weights afterwards; by default a new one.

    Returns:
        The `similarity` to the network's own maps, in [-1, 1], after "head" and after the name of each stage.

    Raises:
        InputError: an unknown layer.
    """
    explainer, layer = explainer or Explainer(net), layer_to_explain(net, layer)
    fresh = keras.models.clone_model(net)
    classes = explainer.probabilities(images).argmax(1)
    maps, correlations = explainer.maps(images, classes, method, layer), {}
    for name, members in [("head", [net.get_layer("logits")]), *reversed(model.stages(net).items())]:
        for member in members:
            explainer.copy.get_layer(member.name).set_weights(fresh.get_layer(member.name).get_weights())
        correlations[name] = similarity(maps, explainer.maps(images, classes, method, layer))
    return correlations


def empty(maps: np.ndarray) -> np.ndarray:
    """Which of the maps, float (n, height, width), are constant and so point at nothing: bool (n,)."""
    return maps.min((1, 2)) == maps.max((1, 2))


def similarity(maps: np.ndarray, others: np.ndarray) -> float:
    """Mean Spearman rank correlation between maps and other maps of the same images.

    Args:
        maps: float (n, height, width); constant maps are left out.
        others: float (n, height, width); the correlation with a constant map is 0.

    Returns:
        A number in [-1, 1], or NaN if all of `maps` are constant.
    """
    ranks = [stats.rankdata(stack.reshape(len(stack), -1), axis=1) for stack in (maps, others)]
    a, b = (rank - rank.mean(1, keepdims=True) for rank in ranks)
    pointing = (a != 0).any(1)
    a, b = a[pointing], b[pointing]
    scale = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    correlations = np.divide((a * b).sum(1), scale, out=np.zeros(len(a)), where=scale > 0)
    return float(correlations.mean()) if len(correlations) else float("nan")
