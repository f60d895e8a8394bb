"""Data sets that a program has at hand, as NumPy arrays or as tf.data pipelines, split as those that are loaded."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf

from tfxfer.core.errors import InputError, shown
from tfxfer.data import array_pairs, aspect_ratio, dataset_reader, duplicates, partition, sources, square_images
from tfxfer.data.lazy_images import Rows
from tfxfer.data.partition import Partition
from tfxfer.data.splits import Splits


def from_arrays(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    classes: Sequence[str] | None = None,
    *,
    limit: int | None = None,
    validation: float = partition.VALIDATION,
    seed: int = 0,
    strict: bool = False,
    aspect: str = "squash",
) -> Splits:
    """Splits NumPy arrays as `load` splits a data set.

    Args:
        train: images, uint8 (n, height, width, channels) or (n, height, width), and integer labels (n,) from 0.
        test: the same for the test images.
        classes: the names of the classes, in the order of the labels; by default the labels themselves.
        limit: at most this many training images, and a quarter as many validation and test images, stratified.
        validation: the share of the training images to set aside, between 0 and 1.
        seed: the random seed of the splits, 0 or more.
        strict: refuse images that are in two of training, validation and test, instead of warning about them.
        aspect: as `load` takes it, for images that all have one size.

    Returns:
        The splits, as `load` returns them.

    Raises:
        InputError: arrays have other shapes or dtypes, there are too few images for the classes, or images are in two
            splits and `strict` is set.

    Example:
        >>> import numpy as np
        >>> from tfxfer import data
        >>> images = np.random.default_rng(0).integers(0, 256, (60, 28, 28), np.uint8)
        >>> labels = np.arange(60) % 2
        >>> splits = data.from_arrays((images[:40], labels[:40]), (images[40:], labels[40:]), ("cat", "dog"))
        >>> {split: splits.size(split) for split in ("train", "validation", "test")}
        {'train': 36, 'validation': 4, 'test': 20}
        >>> splits.image_shape
        (28, 28, 1)
    """
    aspect_ratio.check(aspect)
    part = Partition(limit, validation, None, seed)
    rows = {"train": _rows("train", train), "test": _rows("test", test)}
    return _divided("arrays", "arrays", rows, classes, part, strict, aspect)


def from_dataset(
    train: tf.data.Dataset,
    test: tf.data.Dataset | None = None,
    validation: tf.data.Dataset | None = None,
    classes: Sequence[str] | None = None,
    *,
    image_key: str = "image",
    label_key: str = "label",
    pixel_range: tuple[float, float] | None = None,
    limit: int | None = None,
    seed: int = 0,
    strict: bool = False,
    aspect: str = "squash",
) -> Splits:
    """Splits tf.data pipelines as `load` splits a data set.

    Each is read once, in a stream: into memory, or, where it does not fit there, into the cache in a second pass, for
    which it has to give the same images in the same order. Like every data set it is known by its content.

    Args:
        train: pairs (image, label) or dicts, single examples or batches, such as
            `keras.utils.image_dataset_from_directory` returns them. Images are uint8, or of another type with
            `pixel_range`, and all of one size (height, width, channels). Labels are whole numbers from 0, or one-hot.
        test: the same for the test images; None draws a quarter of the training images, stratified.
        validation: the same for the validation images; None draws a tenth of the training images, stratified.
        classes: the names of the classes, in the order of the labels; by default those that the pipeline has in its
            attribute `class_names`, or else the labels themselves.
        image_key, label_key: where they are in dicts.
        pixel_range: the lowest and the highest value of pixels that are not uint8, such as (0, 1) or (-1, 1). They
            become 0 to 255, rounded.
        limit, seed, strict: as `load` takes them.
        aspect: as `load` takes it, for images that all have one size: "crop" says that pictures were cropped, as with
            `image_dataset_from_directory(..., crop_to_aspect_ratio=True)`, and have to be for the exported network.

    Returns:
        The splits, as `load` returns them.

    Raises:
        InputError: elements have another structure, pixels are outside of their range, there is no end of them, there
            is no room, or there are too few images for the classes.

    Example:
        >>> import numpy as np, tensorflow as tf
        >>> from tfxfer import data
        >>> images = np.random.default_rng(0).random((60, 28, 28, 1))
        >>> train = tf.data.Dataset.from_tensor_slices((images, np.arange(60) % 2)).batch(16)
        >>> splits = data.from_dataset(train, classes=("cat", "dog"), pixel_range=(0, 1))
        >>> {split: splits.size(split) for split in ("train", "validation", "test")}
        {'train': 40, 'validation': 5, 'test': 15}
    """
    aspect_ratio.check(aspect)
    part, given = Partition(limit, None, None, seed), {"train": train, "validation": validation, "test": test}
    given = {name: dataset for name, dataset in given.items() if dataset is not None or name == "train"}
    for name, dataset in given.items():
        if not isinstance(dataset, tf.data.Dataset):
            raise InputError(f"{name} {shown(dataset)}: expected a tf.data.Dataset")
    if pixel_range is not None and not (len(pixel_range) == 2 and pixel_range[0] < pixel_range[1]):
        raise InputError(f"pixel_range {pixel_range}: expected the lowest and the highest value, such as (0, 1)")
    rows = {name: dataset_reader.read(name, of, (image_key, label_key), pixel_range) for name, of in given.items()}
    named = {tuple(names) for of in given.values() if (names := getattr(of, "class_names", None))}
    if classes is None and len(named) > 1:
        raise InputError(f"the pipelines have different classes, {' and '.join(map(str, sorted(named)))}: give classes")
    return _divided("dataset", "a tf.data pipeline", rows, classes or next(iter(named), None), part, strict, aspect)


def _divided(
    name: str,
    origin: str,
    rows: dict[str, Rows],
    classes: Sequence[str] | None,
    part: Partition,
    strict: bool,
    aspect: str,
) -> Splits:
    """The splits of what was given as training and, if at all, as validation and test."""
    if classes is not None and (isinstance(classes, str) or not isinstance(classes, Sequence)):
        raise InputError(f"classes {shown(classes)}: expected a list of names, in the order of the labels")
    shapes = {given: found.images.shape[1:] for given, found in rows.items()}
    if other := next((given for given in shapes if shapes[given] != shapes["train"]), None):
        sizes = f"{shapes['train']}, {other} images {shapes[other]}"
        raise InputError(f"training images are {sizes}: resize one to the other")
    labels = np.concatenate([found.labels for found in rows.values()])
    names = tuple(classes or map(str, range(labels.max() + 1)))
    if not 0 <= labels.min() <= labels.max() < len(names):
        raise InputError(f"labels outside 0 to {len(names) - 1}, the range of the {len(names)} classes")
    rows = {given: square_images.square(found, aspect) for given, found in rows.items()}
    source = sources.Source(rows["train"], rows.get("test"), names, origin, rows.get("validation"))
    return duplicates.check(replace(part.split(name, source), aspect=aspect), strict)


def _rows(part: str, pair: tuple[np.ndarray, np.ndarray]) -> Rows:
    """One pair of `from_arrays`, checked."""
    try:
        images, labels = (np.asarray(array) for array in pair)
    except (TypeError, ValueError):
        raise InputError(f"{part} {shown(pair)}: expected a pair of arrays, images and labels") from None
    return Rows(*array_pairs.checked(part, images, labels))
