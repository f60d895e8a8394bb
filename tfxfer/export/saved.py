"""A trained network as a SavedModel that takes raw pixels and needs neither tfxfer nor Keras."""

import os
import shutil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfxfer.errors import InputError

TOLERANCE = 1e-4


def saved_model(net: keras.Model, run_dir: str | Path, images: np.ndarray | None = None) -> float:
    """Writes `run_dir/saved_model`, reloads it and compares it with the network.

    Two signatures take `image`, uint8 (batch, height, width, channels) as the data set has them:
    `serving_default` gives `probabilities` float32 (batch, classes), `class_index` int64 (batch,) and `class_name`
    string (batch,); `embed` gives `embedding` float32 (batch, d). Augmentation and dropout are off.

    Args:
        net: from `model.build`.
        run_dir: a folder without a `saved_model` in it; made if it is not there.
        images: uint8 images to compare on; random noise if not given.

    Returns:
        The largest difference of a probability, in [0, 1].

    Raises:
        InputError: there is a `saved_model` already.
        RuntimeError: the reloaded model differs by more than 1e-4.
    """
    target = Path(run_dir) / "saved_model"
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise InputError(f"{target} exists: export into another folder, or move it away")
    images = _noise(net) if images is None else images
    beside = target.with_name(".partial-saved_model")
    shutil.rmtree(beside, ignore_errors=True)
    spec = [tf.TensorSpec((None, *net.input_shape[1:]), tf.uint8, name="image")]
    names = tf.constant(list(net.classes))
    both = keras.Model(net.input, [net.output, net.get_layer("embedding").output])

    def serve(image):
        probabilities = tf.nn.softmax(both(image, training=False)[0])
        index = tf.argmax(probabilities, axis=-1)
        return {"probabilities": probabilities, "class_index": index, "class_name": tf.gather(names, index)}

    archive = keras.export.ExportArchive()
    archive.track(both)
    archive.add_endpoint("serving_default", serve, spec)
    archive.add_endpoint("embed", lambda image: {"embedding": both(image, training=False)[1]}, spec)
    archive.write_out(str(beside), verbose=False)
    try:
        difference = _parity(both, beside, images)
        os.replace(beside, target)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return difference


def _noise(net: keras.Model) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, *net.input_shape[1:])).astype(np.uint8)


def _parity(both: keras.Model, path: Path, images: np.ndarray) -> float:
    """Largest difference of a probability; embeddings are compared relative to their largest value."""
    signatures = tf.saved_model.load(str(path)).signatures
    logits, embedding = (np.asarray(value) for value in both(images, training=False))
    served, embedded = (signatures[name](image=tf.constant(images)) for name in ("serving_default", "embed"))
    difference = float(np.max(np.abs(served["probabilities"].numpy() - tf.nn.softmax(logits).numpy())))
    relative = float(np.max(np.abs(embedded["embedding"].numpy() - embedding)) / max(np.max(np.abs(embedding)), 1e-9))
    if not max(difference, relative) <= TOLERANCE:
        raise RuntimeError(
            f"the SavedModel reloaded differs: probabilities by {difference:.2g}, embeddings by {relative:.2g} of "
            f"their range, more than {TOLERANCE}"
        )
    return difference
