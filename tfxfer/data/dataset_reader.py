"""Images and labels out of a user's own tf.data pipeline, read once in a stream."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfxfer.core import batching, memory
from tfxfer.core.cache import Store
from tfxfer.core.count_progress import CountProgress
from tfxfer.core.errors import InputError, shown
from tfxfer.data.array_pairs import class_numbers
from tfxfer.data.lazy_images import Picked, Rows

BATCH = 256  # examples read at once, where single ones come
Range = tuple[float, float]

Block = tuple[np.ndarray, np.ndarray]  # images, uint8 (n, height, width, channels), and labels, int64 (n,)


def read(name: str, dataset: tf.data.Dataset, keys: tuple[str, str], pixel_range: Range | None) -> Rows:
    """Reads a data set: into memory if it fits there, otherwise into the cache, in a second pass.

    Args:
        name: what errors and the cache call it.
        dataset: pairs (image, label), or dicts with the two `keys`; single examples or batches.
        keys: of the image and of the label.
        pixel_range: the lowest and the highest value of float pixels, which become 0 and 255.

    Raises:
        InputError: elements have another structure, there are none or no end of them, or there is no room.
    """
    dataset, convert = _converter(name, dataset, keys, pixel_range)
    if int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY:
        raise InputError(f"{name}: has no end: leave out repeat(), or take(n) some of it")
    found = _stream(name, dataset, convert, keep=True)
    if not found.n:
        raise InputError(f"{name}: is empty: expected at least one image of each class")
    if found.blocks:
        return Rows(np.concatenate([images for images, _ in found.blocks]), found.labels)
    store, spec = Store(), {"pixels": ((found.n, *found.shape), np.dtype(np.uint8))}
    if store.open(found.digest) is None:
        with store.write(found.digest, spec, {"model": "pixels", "layer": name, "data": name, "split": ""}) as arrays:
            again = _stream(name, dataset, convert, place=arrays["pixels"])
            if again.digest != found.digest:
                raise InputError(
                    f"{name}: gives other images, or in another order, when it is read again, and is too large for "
                    "memory: leave out shuffle() and random augmentation"
                )
    entry = store.open(found.digest)
    if entry is None:
        raise InputError(f"{name}: its pixels were removed from {store.root} just now: raise TFXFER_CACHE_GB")
    return Rows(Picked(entry["pixels"], np.arange(found.n), found.digest), found.labels)


@dataclass
class _Found:
    """What one pass gave: `digest` of all examples, their number, an image's shape, labels, and what was kept."""

    digest: str
    n: int
    shape: tuple[int, ...]
    labels: np.ndarray
    blocks: list[Block]


def _stream(
    name: str,
    dataset: tf.data.Dataset,
    convert: Callable[..., Block],
    keep: bool = False,
    place: np.ndarray | None = None,
) -> _Found:
    """One pass; keeps the images while they fit into memory, or writes them to a place."""
    digest, n, shape = hashlib.sha256(), 0, tuple[int, ...]()
    labels: list[np.ndarray] = []
    blocks: list[Block] = []
    with CountProgress(f"reading {name}") as progress:
        for images, numbers in _blocks(dataset, convert):
            digest.update(repr(images.shape[1:]).encode() + numbers.tobytes())
            digest.update(np.ascontiguousarray(images).data)
            if place is not None:
                place[n : n + len(images)] = images[: len(place) - n]
            keep = keep and memory.fits(2 * (n + len(images)) * images[0].nbytes)  # they are joined at the end
            if keep:
                blocks.append((images, numbers))
            else:
                blocks.clear()
            n, shape = n + len(images), images.shape[1:]
            labels.append(numbers)
            progress.update(n)
    return _Found(digest.hexdigest(), n, shape, np.concatenate(labels) if labels else np.zeros(0, np.int64), blocks)


def _blocks(dataset: tf.data.Dataset, convert: Callable[..., Block]) -> Iterator[Block]:
    for element in batching.steady(dataset.prefetch(2)):
        images, labels = convert(element)
        if len(images):
            yield images, labels


def _converter(
    name: str, dataset: tf.data.Dataset, keys: tuple[str, str], pixel_range: Range | None
) -> tuple[tf.data.Dataset, Callable[..., Block]]:
    """Checks the structure of a data set; returns it, single examples in batches where all images are known to have one
    size, and a function from its elements to blocks."""
    spec = dataset.element_spec
    if isinstance(spec, dict):
        if missing := [key for key in keys if key not in spec]:
            raise InputError(
                f"{name}: elements have {', '.join(map(str, spec))}, not {missing[0]}: give image_key and label_key"
            )
        places: tuple = keys
    elif isinstance(spec, tuple | list) and len(spec) >= 2:
        places = 0, 1
    else:
        raise InputError(f"{name}: elements are {shown(spec)}: expected pairs (image, label), or dicts of both")
    image, label = (spec[place] for place in places)
    if not all(isinstance(part, tf.TensorSpec) for part in (image, label)) or image.shape.rank not in (3, 4):
        raise InputError(
            f"{name}: images are {shown(image)}: expected (height, width, channels), or batches of these; give grey "
            "images one channel"
        )
    whole = image.dtype == tf.uint8
    if whole == (pixel_range is not None):
        raise InputError(
            f"{name}: pixels are {image.dtype.name}, pixel_range is {pixel_range}: "
            + ("leave it out, uint8 is 0 to 255" if whole else "give their lowest and highest value, such as (0, 1)")
        )
    batched = image.shape.rank == 4
    if not batched and image.shape.is_fully_defined():
        dataset, batched = dataset.batch(BATCH), True
    known: dict[str, tuple[int, ...]] = {}  # the size in the first element

    def convert(element) -> Block:
        pixels, numbers = (np.asarray(element[place]) for place in places)
        if not batched:
            pixels, numbers = pixels[None], numbers[None]
        size = known.setdefault("size", pixels.shape[1:])
        if size != pixels.shape[1:]:
            raise InputError(f"{name}: images of {size} and of {pixels.shape[1:]}: resize them to one size")
        return (pixels if whole else _bytes(name, pixels, pixel_range)), _classes(name, numbers, len(pixels))

    return dataset, convert


def _bytes(name: str, pixels: np.ndarray, pixel_range: Range | None) -> np.ndarray:
    low, high = pixel_range or (0, 255)
    share = (pixels.astype(np.float64) - low) / (high - low)
    if not (np.isfinite(share).all() and share.min(initial=0) > -1e-3 and share.max(initial=1) < 1 + 1e-3):
        found = f"{pixels.min():.4g} to {pixels.max():.4g}"
        raise InputError(f"{name}: pixels are {found}, outside of pixel_range {pixel_range}: correct it")
    return (share.clip(0, 1) * 255).round().astype(np.uint8)


def _classes(name: str, labels: np.ndarray, n: int) -> np.ndarray:
    """Whole numbers (n,), also from (n, 1) and from one-hot (n, classes)."""
    labels = class_numbers(labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise InputError(f"{name}: labels {labels.dtype} {labels.shape}: expected whole numbers, or one-hot labels")
    return labels.astype(np.int64)
