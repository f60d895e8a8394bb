"""A network as a SavedModel that takes raw pixels or encoded pictures and needs neither tfxfer nor Keras."""

import json
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfxfer.core import console, json_io
from tfxfer.core.errors import InputError
from tfxfer.data import aspect_ratio
from tfxfer.export import image_ops
from tfxfer.model import folding, temperature_scaling

EXTRA = "assets.extra"  # where a SavedModel keeps files that are not its own
CALIBRATION = "calibration.json"
_LONGEST = 1 << 20  # bytes of it that are read


def write(net: keras.Model, path: Path) -> None:
    """Writes a SavedModel with three signatures, on folded weights (`model.folding`); augmentation and dropout are off.

    `serving_default` takes `image`, uint8 (batch, height, width, channels) as in the data set, and returns
    `probabilities` float32 (batch, classes), `class_index` int64 (batch,) and `class_name` string (batch,); of a
    network whose calibration has a threshold also `abstained` bool (batch,), whether the probability of the class is
    below it. The calibration itself is in `assets.extra/calibration.json`.
    `serving_bytes` takes `image_bytes`, string (batch,) of JPEG or PNG files as `image_ops.decode` takes them, and
    returns the same. `embed` takes `image` and returns `embedding` float32 (batch, d). A batch may be empty. For pixels
    of another height, width or number of channels TensorFlow raises an InvalidArgumentError that says what was
    expected; `serving_bytes` resizes images as training did, by the network's `aspect`. The function `aspect`, which is
    not a signature, takes nothing and returns it, string ().

    Args:
        net: from `model.build`.
        path: the SavedModel's folder.
    """
    shape, aspect = net.input_shape[1:], getattr(net, "aspect", "squash")
    aspect_ratio.check(aspect)
    pixels = [tf.TensorSpec((None, *shape), tf.uint8, name="image")]
    files = [tf.TensorSpec((None,), tf.string, name="image_bytes")]
    names = tf.constant(_class_names(net))
    known = getattr(net, "calibration", None) or {}
    threshold = known.get("threshold")
    both = keras.Model(net.input, [net.output, net.get_layer("embedding").output])

    def outputs(image: tf.Tensor) -> list[tf.Tensor]:
        image = _checked(image, shape)
        n = tf.shape(image)[0]
        # oneDNN's convolutions refuse an empty batch: it gets one row, which is removed again
        padded = tf.pad(image, [[tf.cast(n == 0, tf.int32), 0], [0, 0], [0, 0], [0, 0]])
        return [output[:n] for output in both(tf.ensure_shape(padded, (None, *shape)), training=False)]

    forward = tf.function(outputs, pixels, autograph=False)  # traced once for all signatures

    def embed(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"embedding": forward(image)[1]}

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = tf.nn.softmax(forward(image)[0])
        index = tf.argmax(probabilities, axis=-1)
        answer = {"probabilities": probabilities, "class_index": index, "class_name": tf.gather(names, index)}
        return answer if threshold is None else answer | {"abstained": tf.reduce_max(probabilities, -1) < threshold}

    def serve_bytes(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = tf.TensorSpec(shape, tf.uint8)
        images = tf.map_fn(
            lambda content: image_ops.decode(content, shape, aspect), image_bytes, fn_output_signature=spec
        )
        return serve(images)

    module = tf.Module()  # not Keras's ExportArchive, which traces all of it twice in search of variables
    module.serving_default = tf.function(serve, pixels, autograph=False)
    module.serving_bytes = tf.function(serve_bytes, files, autograph=False)
    module.aspect = tf.function(lambda: tf.constant(aspect), [], autograph=False)
    module.embed = tf.function(embed, pixels, autograph=False)
    with folding.folded(both), console.loggers():  # which say where the assets are
        signatures = {name: getattr(module, name) for name in ("serving_default", "serving_bytes", "embed")}
        tf.saved_model.save(module, str(path), signatures=signatures)
    if known:
        (path / EXTRA).mkdir()
        json_io.write(path / EXTRA / CALIBRATION, dict(known))


def calibration(folder: Path) -> dict[str, Any] | None:
    """The calibration of a SavedModel's network, as `model.calibrate` took it; None if it was not calibrated.

    Raises:
        InputError: the file that says it is damaged.
    """
    path = folder / EXTRA / CALIBRATION
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return temperature_scaling.check(json.loads(file.read(_LONGEST)))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} cannot be read ({reason}): export the run again") from None


def aspect_of(loaded: Any) -> str:
    """How pictures are read for a SavedModel, one of `aspect_ratio.ASPECTS`.

    Args:
        loaded: what `tf.saved_model.load` returned. One that does not say it, such as those of version 0.1, means
            "squash".

    Raises:
        InputError: it says something else.
    """
    aspect = loaded.aspect().numpy().decode() if hasattr(loaded, "aspect") else "squash"
    aspect_ratio.check(aspect)
    return aspect


def _class_names(net: keras.Model) -> list[str]:
    if getattr(net, "classes", None) is None:
        raise InputError(
            f"{net.name} has no class names: load it with model.load from a file that model.save wrote, or set "
            "net.classes to the list of names"
        )
    return list(net.classes)


def _checked(image: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    """The pixels, once they are known to have the declared shape: TensorFlow does not check what is passed by name."""
    # without this TensorFlow relies on the declared shape and optimizes the check away
    image = tf.raw_ops.PlaceholderWithDefault(input=image, shape=None)
    actual = tf.shape(image)
    fits = tf.reduce_all(tf.raw_ops.Equal(x=actual[1:], y=list(shape), incompatible_shape_error=False))
    expected = f"image: expected uint8 (batch, {', '.join(map(str, shape))}), got"
    advice = "resize the pixels, or give the image files to serving_bytes, which resizes them"
    with tf.control_dependencies([tf.debugging.Assert(fits, [expected, actual, advice], summarize=4)]):
        return tf.identity(image)
