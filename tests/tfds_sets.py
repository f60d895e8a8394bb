"""Data sets of TFDS made on the spot, from a few images: what TFDS has prepared, without code that knows it."""

import io
import re
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

CLASSES = ("cat", "dog", "owl")
FEATURES = {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(names=CLASSES)}


def pixels(number: int, side: int = 0) -> np.ndarray:
    """An image, uint8 (height, width, 3), of a size that differs from number to number unless a side is given; its
    class, number % 3, is its bright channel."""
    rng = np.random.default_rng(number)
    image = rng.integers(0, 120, (side or rng.integers(12, 40), side or rng.integers(12, 40), 3))
    image[..., number % len(CLASSES)] += 120
    return image.astype(np.uint8)


def encoded(image: np.ndarray, kind: str = "PNG") -> io.BytesIO:
    """An image as a file of a kind of Pillow's, which costs less than what TFDS does with arrays."""
    file = io.BytesIO()
    Image.fromarray(image.squeeze()).save(file, kind)
    return io.BytesIO(file.getvalue())


def example(number: int) -> dict:
    """What has `FEATURES`."""
    return {"image": encoded(pixels(number)), "label": number % len(CLASSES)}


def store(folder, name="pets", make=example, features=FEATURES, splits=None, config=None, version="1.0.0") -> Path:
    """Has TFDS prepare a data set, in the order of its numbers; returns its folder.

    `splits` are ranges of numbers, of which `make` makes the examples; by default one pool of 24.
    """
    numbers = {"train": range(24)} if splits is None else splits
    builder = tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version=version,
        features=tfds.features.FeaturesDict(features),
        split_datasets={split: [(number, make(number)) for number in rows] for split, rows in numbers.items()},
        config=config,
        data_dir=folder,
        disable_shuffling=True,
    )
    return Path(re.sub(r"/+$", "", str(builder.data_dir)))
