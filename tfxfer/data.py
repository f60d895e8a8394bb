"""Named data sets as tf.data: stratified, seeded splits of uint8 images, labels and ids."""

import math
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfxfer import cifar10c, sources
from tfxfer.errors import InputError
from tfxfer.permuted import permute_pixels
from tfxfer.relabelling import relabel
from tfxfer.sources import Rows
from tfxfer.splits import SPLITS, Splits, refuse_leak, stratified
from tfxfer.twins import Twin, corrupt, known_as

__all__ = ["Splits", "Twin", "corrupt", "from_arrays", "load", "permute_pixels", "refuse_leak", "relabel"]


def load(
    name: str,
    data_dir: str | Path | None = None,
    limit: int | None = None,
    *,
    image_size: int | None = None,
    validation: float = 0.1,
    test: float = 0.25,
    seed: int = 0,
) -> Splits:
    """Loads a data set and splits it.

    A published test set stays as it is. Where a source has one pool (digits, folders), `test` of it is set aside; then
    `validation` of the training rows. Both draws are stratified and depend on `seed` alone.

    Args:
        name: `digits`, `mnist`, `fashion_mnist`, `cifar10`, `idx:PATH` or `folder:PATH`; or `cifar10_corrupted`, with
            /NAME or /NAME_SEVERITY of a corruption: CIFAR-10-C, which has test images only, divided by base image.
        data_dir: where to look first; then the system's share/datasets, then TFDS.
        limit: at most this many training images, and a quarter of it in validation and in test, stratified.
        image_size: folders only: pixels a side that images are resized to (bilinear, antialiased).
        validation: share of the training rows, in (0, 1).
        test: share of a source without a test set, in (0, 1).
        seed: of the splits.

    Raises:
        InputError: unknown name, files missing or broken, or too few images for the classes.
    """
    for what, share in (("validation", validation), ("test", test)):
        if not 0 < share < 1:
            raise InputError(f"{what} {share}: expected a share between 0 and 1, such as 0.1")
    if name.partition("/")[0] == "cifar10_corrupted":
        return _corrupted(name, data_dir, limit, validation, test, seed)
    source = sources.find(name, data_dir)
    files = source.train.images.dtype != np.uint8
    if files and (image_size is None or image_size < 1):
        raise InputError(
            f"{name}: images of any size need a common one: image_size is {image_size}, give pixels a side"
        )
    shape = (image_size, image_size, 3) if files else source.train.images.shape[1:]
    pool, pool_ids = source.train, np.arange(len(source.train.labels))
    if source.test is not None:
        test_rows, test_ids = source.test, len(pool_ids) + np.arange(len(source.test.labels))
        chosen = stratified(test_rows.labels, seed)
    else:
        test_rows, test_ids = pool, pool_ids
        chosen = stratified(pool.labels, seed)
        chosen, rest = np.split(chosen, [math.ceil(test * len(chosen))])
        pool, pool_ids = pool.take(rest), rest
    return _split(
        name, pool, pool_ids, test_rows.take(chosen), test_ids[chosen], source, shape, limit, validation, seed
    )


def from_arrays(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    classes: tuple[str, ...] | None = None,
    *,
    limit: int | None = None,
    validation: float = 0.1,
    seed: int = 0,
) -> Splits:
    """Splits NumPy arrays as `load` does.

    Args:
        train, test: images, uint8 (n, height, width, channels) or (n, height, width), and integer labels (n,).
        classes: names in the order of the labels; the labels themselves if not given.
    """
    pools = []
    for part, (images, labels) in (("train", train), ("test", test)):
        images, labels = np.asarray(images), np.asarray(labels)
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
    source = sources.Source(*pools, classes, "arrays")
    ids = np.arange(sum(len(rows.labels) for rows in pools))
    n, chosen = len(pools[0].labels), stratified(pools[1].labels, seed)
    shape = pools[0].images.shape[1:]
    test_rows = pools[1].take(chosen)
    return _split("arrays", pools[0], ids[:n], test_rows, ids[n:][chosen], source, shape, limit, validation, seed)


def _corrupted(name, data_dir, limit, validation, test, seed) -> Splits:
    """CIFAR-10-C alone, divided by base image."""
    cells = cifar10c.parse(name)
    files, labels, origin = cifar10c.read(cells, data_dir)
    nothing = Rows(np.empty((0, 32, 32, 3), np.uint8), np.empty(0, np.int64))
    empty = {"rows": dict.fromkeys(SPLITS, nothing), "ids": dict.fromkeys(SPLITS, nothing.labels)}
    like = Splits(name, sources.KNOWN["cifar10"].classes, (32, 32, 3), origin, seed, **empty)
    bases = cifar10c.FIRST_ID + np.arange(len(labels))
    twin = Twin(like, labels, bases, None, files, known_as=known_as(origin))
    whole = twin.divide(cells, (1 - test) * (1 - validation), (1 - test) * validation, seed)
    quarter = slice(limit and max(1, limit // 4))
    return replace(whole.only(train=slice(limit), validation=quarter, test=quarter), name=name)


def _split(name, pool, pool_ids, test, test_ids, source, shape, limit, validation, seed) -> Splits:
    if limit is not None and limit < len(source.classes):
        raise InputError(
            f"limit {limit} is less than one image for each of the {len(source.classes)} classes: raise it"
        )
    if len(source.classes) < 2:
        raise InputError(f"{source.origin}: holds the one class {source.classes[0]}, expected at least 2")
    every = stratified(pool.labels, seed)
    kept, rest = np.split(every, [math.ceil(validation * len(every))])
    quarter = None if limit is None else max(1, limit // 4)
    chosen = {"train": rest[:limit], "validation": kept[:quarter], "test": np.arange(len(test_ids))[:quarter]}
    rows = {part: (test if part == "test" else pool).take(index) for part, index in chosen.items()}
    ids = {part: (test_ids if part == "test" else pool_ids)[index] for part, index in chosen.items()}
    if missing := set(range(len(source.classes))) - set(rows["train"].labels.tolist()):
        names = ", ".join(source.classes[label] for label in sorted(missing))
        raise InputError(
            f"{source.origin}: no training image of class {names}: add images, raise limit, or leave the class out"
        )
    if not all(len(column) for column in ids.values()):
        raise InputError(f"{source.origin}: {len(pool_ids) + len(test_ids)} images are too few for three splits")
    if pool.images.dtype != np.uint8:
        _check_files(np.concatenate([part.images for part in rows.values()]))
    return Splits(name, source.classes, tuple(shape), source.origin, seed, rows, ids)


def _check_files(paths: np.ndarray) -> None:
    """Decodes every file once, in parallel: a damaged one would otherwise end the training in which it is met."""

    def fault(path: str) -> str | None:
        try:
            tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
        except tf.errors.OpError as error:
            reason = re.sub(r"{{.*?}}|\[Op:.*", "", error.message).strip()
            return f"{path}: {reason}"

    with ThreadPoolExecutor() as threads:
        faults = list(filter(None, threads.map(fault, np.sort(paths))))
    if faults:
        more = f" (and {len(faults) - 1:,} more files)" if len(faults) > 1 else ""
        raise InputError(f"{faults[0]}{more}: expected a whole JPEG or PNG, mend it or take it out")
