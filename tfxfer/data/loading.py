"""Named data sets as tf.data: stratified, seeded splits of uint8 images, labels and ids."""

import math
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path

import numpy as np

from tfxfer.core.errors import InputError, shown
from tfxfer.data import catalog, cifar10c, duplicates, image_validation, sources
from tfxfer.data.class_groups import relabel
from tfxfer.data.corrupted import Twin, corrupt, known_as
from tfxfer.data.lazy_images import Files, Rows
from tfxfer.data.pixel_permutation import permute_pixels
from tfxfer.data.splits import SPLITS, Splits, refuse_leak, stratified

__all__ = ["Splits", "Twin", "corrupt", "from_arrays", "load", "permute_pixels", "refuse_leak", "relabel"]

VALIDATION, TEST = 0.1, 0.25  # shares that are set aside where a source has no such images


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

    A published test set stays as it is, and so do a folder's own test and validation. Where a source has one pool
    (digits, most folders), `test` of it is set aside; then `validation` of the training rows. Both draws are stratified
    and depend on `seed` alone.

    Images that are equal in every pixel are looked for in all sources; a warning says how many there are, and how many
    of them are in two splits, and so do the splits' `notes`.

    Of a folder, names are listed first; then every file that will be used is decoded once, in parallel, to find what
    cannot be read and what is there twice, and this is remembered in the cache for as long as files stay as they are.
    Pixels are read again when they are asked for: no more than some batches are in memory.

    Args:
        name: `digits`, `mnist`, `fashion_mnist`, `cifar10`, `idx:PATH`, `folder:PATH` or a folder's path; or
            `cifar10_corrupted`, with /NAME or /NAME_SEVERITY of a corruption: CIFAR-10-C, which has test images only,
            divided by base image.
        data_dir: where to look first; then the system's share/datasets, then TFDS.
        limit: at most this many training images, and a quarter of it in validation and in test, stratified.
        image_size: folders only: pixels a side that images are resized to (bilinear, antialiased).
        validation: share of the training rows that is set aside, in (0, 1); 0.1 unless stated otherwise.
        test: likewise of all rows, of a source that has no test set; 0.25 unless stated otherwise.
        seed: of the splits.
        skip_bad: folders only: leave out files that cannot be read, with a warning; the splits' `notes` name them. The
            other images stay where they were.
        strict: refuse equal images in two of training, validation and test, instead of warning of them.

    Raises:
        InputError: unknown name, files missing or broken, too few images for the classes, equal images if `strict`, a
            share to be set aside where there is a set already, or an argument that is something else.
    """
    _expect_numbers(limit, validation, test, seed, image_size)
    name = sources.full_name(name)
    if name.partition("/")[0] == "cifar10_corrupted":
        return duplicates.check(_corrupted(name, data_dir, limit, validation, test, seed), strict)
    source = sources.find(name, data_dir)
    if source.train.images.dtype == np.uint8:
        return duplicates.check(_split(name, source, limit, validation, test, seed), strict)
    if image_size is None or image_size < 1:
        raise InputError(
            f"{name}: images of any size need a common one: image_size is {image_size}, give pixels a side"
        )
    parts = {part: getattr(source, part) for part in SPLITS}
    source = replace(
        source, **{part: rows and replace(rows, images=Files(rows.images, image_size)) for part, rows in parts.items()}
    )
    splits, digests = image_validation.readable(_split(name, source, limit, validation, test, seed), skip_bad)
    return duplicates.check(_complete(splits), strict, digests)


def from_arrays(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    classes: tuple[str, ...] | None = None,
    *,
    limit: int | None = None,
    validation: float = 0.1,
    seed: int = 0,
    strict: bool = False,
) -> Splits:
    """Splits NumPy arrays as `load` does.

    Args:
        train, test: images, uint8 (n, height, width, channels) or (n, height, width), and integer labels (n,).
        classes: names in the order of the labels; the labels themselves if not given.
        strict: refuse equal images in two of training, validation and test, instead of warning of them.

    Raises:
        InputError: arrays of other shapes or types, too few images for the classes, or equal images if `strict`.
    """
    _expect_numbers(limit, validation, None, seed)
    if classes is not None and (isinstance(classes, str) or not isinstance(classes, Sequence)):
        raise InputError(f"classes {shown(classes)}: expected a list of names, in the order of the labels")
    pools = []
    for part, pair in (("train", train), ("test", test)):
        try:
            images, labels = (np.asarray(each) for each in pair)
        except (TypeError, ValueError):
            raise InputError(f"{part} {shown(pair)}: expected a pair of arrays, images and labels") from None
        fits = labels.ndim == 1 and labels.dtype.kind in "iu" and len(images) == len(labels) > 0
        if images.dtype != np.uint8 or images.ndim not in (3, 4) or not fits:
            raise InputError(
                f"{part}: images {images.dtype} {images.shape} labels {labels.dtype} {labels.shape}, expected uint8 "
                "pixels 0-255 "
                "(n, height, width, channels) and integer labels (n,): floats in [0, 1] have to be multiplied by 255"
            )
        pools.append(Rows(images if images.ndim == 4 else images[..., None], labels.astype(np.int64)))
    if pools[0].images.shape[1:] != pools[1].images.shape[1:]:
        sizes = [rows.images.shape[1:] for rows in pools]
        raise InputError(f"training images are {sizes[0]}, test images {sizes[1]}: resize one to the other")
    classes = tuple(classes or map(str, range(max(rows.labels.max() for rows in pools) + 1)))
    if not all(0 <= rows.labels.min() <= rows.labels.max() < len(classes) for rows in pools):
        raise InputError(f"labels outside 0 to {len(classes) - 1}, the range of the {len(classes)} classes")
    splits = _split("arrays", sources.Source(*pools, classes, "arrays"), limit, validation, None, seed)
    return duplicates.check(splits, strict)


def _expect_numbers(limit, validation, test, seed, image_size=None) -> None:
    """Raises InputError where an argument is no number of its kind, or outside its range."""
    for what, count in (("limit", limit), ("image_size", image_size)):
        if count is not None and not isinstance(count, Integral):
            raise InputError(f"{what} {shown(count)}: expected a whole number, such as 100, or None")
    if not isinstance(seed, Integral) or seed < 0:
        raise InputError(f"seed {shown(seed)}: expected a whole number, 0 or more")
    for what, share in (("validation", validation), ("test", test)):
        if share is not None and not (isinstance(share, Real) and 0 < share < 1):
            raise InputError(f"{what} {share}: expected a share between 0 and 1, such as 0.1")


def _corrupted(name, data_dir, limit, validation, test, seed) -> Splits:
    """CIFAR-10-C alone, divided by base image."""
    cells = cifar10c.parse(name)
    _enough(limit, catalog.KNOWN["cifar10"].classes)
    files, labels, origin = cifar10c.read(cells, data_dir)
    nothing = Rows(np.empty((0, 32, 32, 3), np.uint8), np.empty(0, np.int64))
    empty = {"rows": dict.fromkeys(SPLITS, nothing), "ids": dict.fromkeys(SPLITS, nothing.labels)}
    like = Splits(name, catalog.KNOWN["cifar10"].classes, (32, 32, 3), origin, seed, **empty)
    bases = cifar10c.FIRST_ID + np.arange(len(labels))
    twin = Twin(like, labels, bases, None, files, known_as=known_as(origin))
    validation, test = validation or VALIDATION, test or TEST
    whole = twin.divide(cells, (1 - test) * (1 - validation), (1 - test) * validation, seed)
    quarter = slice(limit and max(1, limit // 4))
    return _complete(replace(whole.only(train=slice(limit), validation=quarter, test=quarter), name=name))


def _split(name, source, limit, validation, test, seed) -> Splits:
    _enough(limit, source.classes)
    if len(source.classes) < 2:
        raise InputError(f"{source.origin}: holds the one class {source.classes[0]}, expected at least 2")
    quarter = None if limit is None else max(1, limit // 4)
    found, first = {}, 0
    for part in SPLITS:  # in whose order ids count
        if own := getattr(source, part):
            found[part] = own, first + np.arange(len(own.labels))
            first += len(own.labels)
    for part, share, default in (("test", test, TEST), ("validation", validation, VALIDATION)):
        if part in found and share is not None:
            raise InputError(f"{part} {share}: {name} has {part} images of its own, which are taken: leave {part} out")
        pool = found.get(part, found["train"])
        order = stratified(pool[0].labels, seed)
        if part in found:
            found[part] = _take(pool, order)
        else:
            aside, rest = np.split(order, [math.ceil((share or default) * len(order))])
            found |= {part: _take(pool, aside), "train": _take(pool, rest)}
    if source.validation is not None:  # else it has an order already
        found["train"] = _take(found["train"], stratified(found["train"][0].labels, seed))
    found = {part: _take(found[part], slice(limit if part == "train" else quarter)) for part in SPLITS}
    rows, ids = ({part: pair[i] for part, pair in found.items()} for i in (0, 1))
    shape = tuple(rows["train"].images.shape[1:])
    return _complete(Splits(name, source.classes, shape, source.origin, seed, rows, ids))


def _enough(limit: int | None, classes: tuple[str, ...]) -> None:
    if limit is not None and limit < len(classes):
        raise InputError(f"limit {limit} is less than one image for each of the {len(classes)} classes: raise it")


def _take(pair: tuple[Rows, np.ndarray], index: np.ndarray | slice) -> tuple[Rows, np.ndarray]:
    return pair[0].take(index), pair[1][index]


def _complete(splits: Splits) -> Splits:
    """The splits, if there is something to learn of each class, and something to test."""
    classes = splits.classes
    if missing := set(range(len(classes))) - set(splits.rows["train"].labels.tolist()):
        names = ", ".join(classes[label] for label in sorted(missing))
        raise InputError(
            f"{splits.origin}: no training image of class {names}: add images, raise limit, or leave the class out"
        )
    if not all(splits.size(part) for part in SPLITS):
        raise InputError(f"{splits.origin}: {len(splits.bases(*SPLITS)):,} images are too few for three splits")
    return splits
