"""Named data sets as tf.data: stratified, seeded splits of uint8 images, labels and ids."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tfxfer.core.errors import InputError, shown
from tfxfer.core.numbers import check_count
from tfxfer.data import catalog, cifar10c, duplicates, image_validation, partition, sources
from tfxfer.data.class_groups import relabel
from tfxfer.data.corrupted import CorruptedCopy, corrupt
from tfxfer.data.lazy_images import Files, Rows
from tfxfer.data.partition import Partition
from tfxfer.data.pixel_permutation import permute_pixels
from tfxfer.data.splits import SPLITS, Splits, refuse_leak

__all__ = ["CorruptedCopy", "Splits", "corrupt", "from_arrays", "load", "permute_pixels", "refuse_leak", "relabel"]


def load(
    name: str | Path,
    data_dir: str | Path | None = None,
    limit: int | None = None,
    *,
    image_size: int | None = None,
    validation: float | None = None,
    test: float | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    strict: bool = False,
) -> Splits:
    """Loads a data set and splits it.

    A published test set stays as it is, and so do a folder's own test and validation images. If a source has one pool
    (digits, most folders), the share `test` of it is set aside, then the share `validation` of the remaining training
    images. Both draws are stratified and depend on `seed` alone.

    All sources are searched for images that are equal in every pixel. A warning says how many there are and how many of
    them are in two splits; the `notes` of the splits say so too.

    The images of a folder are listed first. Then every file that will be used is decoded once, in parallel, which finds
    files that cannot be read and duplicates. The cache keeps the resized pixels until a file changes: every pass, epoch
    and later run reads these, and no more than a few batches are in memory. Where the cache has no room for them, one
    warning says so, and files are decoded whenever they are needed.

    Args:
        name: `digits`, `mnist_sample`, `mnist`, `fashion_mnist`, `cifar10`, `idx:PATH`, `folder:PATH`, `csv:FILE`,
            `npz:FILE`, or the path of such a folder or file; or `cifar10_corrupted`, which /NAME or /NAME_SEVERITY
            restricts to a corruption: CIFAR-10-C, which has test images only, divided by base image.
        data_dir: the folder to look in first; then the system's share/datasets, then TFDS. Not for bundled data sets.
        limit: at most this many training images, and a quarter as many validation and test images, stratified.
        image_size: for image files only, and required there: the size in pixels per side to which they are resized,
            as `image_decoding.pixels` does it.
        validation: the share of the training images to set aside, between 0 and 1; 0.1 by default.
        test: the share of all images to set aside if the source has no test set, between 0 and 1; 0.25 by default.
        seed: the random seed of the splits, 0 or more.
        skip_bad: for folders only: leave out files that cannot be read, with a warning; the `notes` of the splits name
            them. The other images stay in their splits.
        strict: refuse images that are in two of training, validation and test, instead of warning about them.

    Returns:
        The splits: `train`, `validation` and `test` are tf.data.Datasets of dicts with image (uint8, height x width x
        channels), label (int64) and id (int64).

    Raises:
        InputError: the name is unknown, files are missing or broken, there are too few images for the classes, images
            are in two splits and `strict` is set, a share is given for a set that the source has, or an argument is of
            another kind.

    Example:
        >>> from tfxfer import data
        >>> splits = data.load("digits", limit=40)
        >>> {split: splits.size(split) for split in ("train", "validation", "test")}
        {'train': 40, 'validation': 10, 'test': 10}
        >>> splits.image_shape, splits.classes[:3]
        ((8, 8, 1), ('0', '1', '2'))
    """
    check_count("image_size", image_size)
    part = Partition(limit, validation, test, seed)
    name = sources.full_name(name)
    if name.partition("/")[0] == "cifar10_corrupted":
        return duplicates.check(_corrupted(name, data_dir, part), strict)
    source = sources.find(name, data_dir)
    if source.train.images.dtype == np.uint8:
        return duplicates.check(part.split(name, source), strict)
    if image_size is None or image_size < 1:
        raise InputError(
            f"{name}: images of different sizes need a common one: image_size is {image_size}, expected pixels per side"
        )
    source = replace(
        source,
        train=_resized(source.train, image_size),
        test=source.test and _resized(source.test, image_size),
        validation=source.validation and _resized(source.validation, image_size),
    )
    splits = image_validation.readable(part.split(name, source), skip_bad)
    return duplicates.check(partition.complete(splits), strict)


def _resized(rows: Rows, image_size: int) -> Rows:
    """Rows of file paths as rows of images of one size."""
    return replace(rows, images=Files(np.asarray(rows.images), image_size))


def from_arrays(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    classes: Sequence[str] | None = None,
    *,
    limit: int | None = None,
    validation: float = partition.VALIDATION,
    seed: int = 0,
    strict: bool = False,
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
    part = Partition(limit, validation, None, seed)
    if classes is not None and (isinstance(classes, str) or not isinstance(classes, Sequence)):
        raise InputError(f"classes {shown(classes)}: expected a list of names, in the order of the labels")
    train_rows, test_rows = _rows("train", train), _rows("test", test)
    if train_rows.images.shape[1:] != test_rows.images.shape[1:]:
        sizes = f"{train_rows.images.shape[1:]}, test images {test_rows.images.shape[1:]}"
        raise InputError(f"training images are {sizes}: resize one to the other")
    labels = np.concatenate([train_rows.labels, test_rows.labels])
    names = tuple(classes or map(str, range(labels.max() + 1)))
    if not 0 <= labels.min() <= labels.max() < len(names):
        raise InputError(f"labels outside 0 to {len(names) - 1}, the range of the {len(names)} classes")
    return duplicates.check(part.split("arrays", sources.Source(train_rows, test_rows, names, "arrays")), strict)


def _rows(part: str, pair: tuple[np.ndarray, np.ndarray]) -> Rows:
    """One pair of `from_arrays`, checked."""
    try:
        images, labels = (np.asarray(array) for array in pair)
    except (TypeError, ValueError):
        raise InputError(f"{part} {shown(pair)}: expected a pair of arrays, images and labels") from None
    fits = labels.ndim == 1 and labels.dtype.kind in "iu" and len(images) == len(labels) > 0
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or not fits:
        raise InputError(
            f"{part}: images {images.dtype} {images.shape} labels {labels.dtype} {labels.shape}, expected uint8 "
            "pixels 0-255 "
            "(n, height, width, channels) and integer labels (n,): multiply floats in [0, 1] by 255"
        )
    return Rows(images if images.ndim == 4 else images[..., None], labels.astype(np.int64))


def _corrupted(name: str, data_dir: str | Path | None, part: Partition) -> Splits:
    """CIFAR-10-C alone, divided by base image."""
    cells = cifar10c.parse(name)
    part.check_limit(catalog.KNOWN["cifar10"].classes)
    files, labels, origin = cifar10c.read(cells, data_dir)
    empty = Rows(np.empty((0, 32, 32, 3), np.uint8), np.empty(0, np.int64))
    rows, ids = dict.fromkeys(SPLITS, empty), dict.fromkeys(SPLITS, empty.labels)
    template = Splits(name, catalog.KNOWN["cifar10"].classes, (32, 32, 3), origin, part.seed, rows, ids)
    bases = cifar10c.FIRST_ID + np.arange(len(labels))
    copy = CorruptedCopy(template, labels, bases, None, files, known_as=cifar10c.identify(origin))
    validation, test = part.validation or partition.VALIDATION, part.test or partition.TEST
    whole = copy.divide(cells, (1 - test) * (1 - validation), (1 - test) * validation, part.seed)
    quarter = slice(part.quarter)
    limited = whole.only(train=slice(part.limit), validation=quarter, test=quarter)
    return partition.complete(replace(limited, name=name))
