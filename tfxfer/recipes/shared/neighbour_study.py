"""The training images that are nearest to test images in the features of a trained network, for the report."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from tfxfer import features
from tfxfer.core.nearest_neighbours import nearest
from tfxfer.data import Splits
from tfxfer.features import inference
from tfxfer.features.bank import Bank
from tfxfer.recipes.shared.artifacts import Artifacts

SEARCHED = 5000  # training images, the first ones; `tfxfer neighbours` searches all of them
COUNT = 6  # neighbours of each image
SIDE = 32  # pixels of the pictures that are kept


def neighbours(net: keras.Model, splits: Splits, shown: Bank, options: Mapping[str, Any]) -> Artifacts:
    """Finds the nearest training images of each shown test image.

    Args:
        net: the trained network.
        shown: with "image", of test images.
        options: for `features.extract`.

    Returns:
        The bank "neighbours", of the shown images: `row`, int32 (n, k), and `distance`, float32 (n, k); the bank
        "references", the training images that these rows name: "thumbnail", uint8, at most 32 pixels a side; and the
        fact `neighbours`, how many were searched. Nothing if there are no images.
    """
    subset = splits.only(train=slice(SEARCHED))
    n = subset.size("train")
    if not n or not len(shown):
        return Artifacts()
    known = features.extract(net, subset.examples("train"), **options)
    forward = keras.Model(net.input, net.get_layer("embedding").output)
    queries = inference.predictor(forward, tf.identity)(shown["image"])
    found = nearest(queries.reshape(len(queries), -1), np.asarray(known["embedding"]).reshape(n, -1), min(COUNT, n))
    kept, rows = np.unique(found.rows, return_inverse=True)
    values = {"row": rows.reshape(found.rows.shape).astype(np.int32), "distance": found.distances.astype(np.float32)}
    references = Bank({"thumbnail": _pictures(subset, kept)}, known.labels[kept], known.ids[kept])
    banks = {"neighbours": Bank(values, shown.labels, shown.ids), "references": references}
    return Artifacts(banks, facts={"neighbours": {"searched": n, "count": found.rows.shape[1]}})


def _pictures(splits: Splits, rows: np.ndarray) -> np.ndarray:
    """Small pictures of training images, uint8 (n, height, width, channels)."""
    height, width, channels = splits.image_shape
    scale = min(1, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    parts = [np.zeros((0, size[1], size[0], channels), np.uint8)]
    for batch in splits.only(train=rows).batches("train", 256):
        images = batch["image"].numpy()
        if scale < 1:
            small = [Image.fromarray(image.squeeze()).resize(size, Image.Resampling.BOX) for image in images]
            images = np.stack([np.asarray(image) for image in small]).reshape(len(images), size[1], size[0], channels)
        parts.append(images)
    return np.concatenate(parts)
