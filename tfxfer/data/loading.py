"""Named data sets as tf.data: stratified, seeded splits of uint8 images, labels and ids."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from tfxfer.core.errors import InputError
from tfxfer.core.numbers import check_count
from tfxfer.data import (
    aspect_ratio,
    catalog,
    cifar10c,
    duplicates,
    image_validation,
    partition,
    sources,
    square_images,
)
from tfxfer.data.corrupted import CorruptedCopy
from tfxfer.data.lazy_images import Rows
from tfxfer.data.partition import Partition
from tfxfer.data.splits import SPLITS, Splits


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
    image_key: str | None = None,
    label_key: str | None = None,
    aspect: str = "squash",
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
            `npz:FILE`, or the path of such a folder or file; `tfds:NAME`, `tfds:NAME/CONFIG` or
            `tfds:NAME/CONFIG:VERSION`, an image-classification data set that TFDS knows or has prepared; or
            `cifar10_corrupted`, which /NAME or /NAME_SEVERITY restricts to a corruption: CIFAR-10-C, which has test
            images only, divided by base image.
        data_dir: the folder to look in first; then the system's share/datasets, then TFDS. For `tfds:NAME`, TFDS's
            folder. Not for bundled data sets.
        limit: at most this many training images, and a quarter as many validation and test images, stratified.
        image_size: for image files, and for a data set of TFDS whose images differ in size, and required there: the
            size in pixels per side to which they are resized, as `image_decoding.pixels` does it.
        validation: the share of the training images to set aside, between 0 and 1; 0.1 by default.
        test: the share of all images to set aside if the source has no test set, between 0 and 1; 0.25 by default.
        seed: the random seed of the splits, 0 or more.
        skip_bad: where `image_size` is required: leave out files that cannot be read, with a warning; the `notes` of
            the splits name them. The other images stay in their splits.
        strict: refuse images that are in two of training, validation and test, instead of warning about them, and
            near-copies across them, which are otherwise not looked for here (`near_duplicates.find`).
        image_key, label_key: for `tfds:NAME`: which features are the image and the label, where there are several;
            `a/b` is the feature b in the dict a.
        aspect: how pictures that are not square become so: "squash" resizes height and width to `image_size`; "crop"
            resizes the shorter side to it and keeps the centre; "pad" resizes the longer side to it and fills the rest
            with black (Keras's `crop_to_aspect_ratio` and `pad_to_aspect_ratio`). Images that all have one size keep
            it and are cropped to their shorter or padded to their longer side; "squash" leaves them to the network,
            which resizes them. Networks remember it: what `tfxfer predict` and the exported `serving_bytes` are given
            is read in the same way, whatever the training images were.

    Returns:
        The splits: `train`, `validation` and `test` are tf.data.Datasets of dicts with image (uint8, height x width x
        channels), label (int64) and id (int64).

    Raises:
        InputError: the name is unknown, files are missing or broken, there are too few images for the classes, images
            or near-copies of them are in two splits and `strict` is set, a share is given for a set that the source
            has, or an argument is of another kind.

    Example:
        >>> from tfxfer import data
        >>> splits = data.load("digits", limit=40)
        >>> {split: splits.size(split) for split in ("train", "validation", "test")}
        {'train': 40, 'validation': 10, 'test': 10}
        >>> splits.image_shape, splits.classes[:3]
        ((8, 8, 1), ('0', '1', '2'))
    """
    check_count("image_size", image_size)
    aspect_ratio.check(aspect)
    part = Partition(limit, validation, test, seed)
    name = sources.full_name(name)
    if (image_key, label_key) != (None, None) and not name.startswith("tfds:"):
        raise InputError(f"image_key and label_key were given for {name}: they are for tfds:NAME, leave them out")
    if name.partition("/")[0] == "cifar10_corrupted":
        return duplicates.check(replace(_corrupted(name, data_dir, part), aspect=aspect), strict)
    source = sources.find(name, data_dir, image_key, label_key)
    if source.train.images.dtype == np.uint8:
        source = _mapped(source, lambda rows: square_images.square(rows, aspect))
        return duplicates.check(replace(part.split(name, source), aspect=aspect), strict)
    if image_size is None or image_size < 1:
        raise InputError(
            f"{name}: images of different sizes need a common one: image_size is {image_size}, expected pixels per side"
        )
    sized = partial(source.sized, size=image_size, aspect=aspect)
    source = _mapped(source, lambda rows: replace(rows, images=sized(np.asarray(rows.images))))
    splits = image_validation.readable(replace(part.split(name, source), aspect=aspect), skip_bad)
    return duplicates.check(partition.complete(splits), strict)


def _mapped(source: sources.Source, change: Callable[[Rows], Rows]) -> sources.Source:
    """A source with all of its rows changed."""
    validation, test = source.validation and change(source.validation), source.test and change(source.test)
    return replace(source, train=change(source.train), validation=validation, test=test)


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
