"""Feature extraction: one pass over the images, several layers, into memory or into shards on disk."""

import functools
import hashlib
import itertools
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core import atomic, batching, distribute, memory
from tfxfer.core.cache import Store, amount
from tfxfer.core.errors import InputError
from tfxfer.data.examples import Examples
from tfxfer.features import engines, frozen_prefix, inference
from tfxfer.features.bank import MANIFEST, Bank, stack

__all__ = ["Bank", "Extractor", "extract"]

SHARD_BYTES = 256e6  # of one shard's features, about


def extract(
    net: keras.Model,
    dataset: tf.data.Dataset | Examples,
    layers: Sequence[str] = ("embedding",),
    limit: int | None = None,
    *,
    batch_size: int | None = None,
    strategy: tf.distribute.Strategy | None = None,
    out: str | Path | Store | None = None,
    engine: str = "auto",
) -> Bank:
    """Runs images through a network in inference mode and collects the outputs of the named layers.

    The features are in memory, unless they would take more than half of the free memory, or `out` is given: then they
    are in memory-mapped shards on disk. Shards are known by the network's layers and weights, and by the images with
    their labels and ids: an extraction that was interrupted continues, and shards that exist are not computed again.
    To recognise a plain data set takes one more pass over its images, but not through the network; `Examples`, such
    as `splits.examples("test")`, have their fingerprint with them.

    Args:
        net: a network from `model.build`.
        dataset: single examples, dicts {image: uint8 (height, width, channels), label, id}, such as `splits.test`; or
            `Examples`.
        layers: names of layers of `net`; "logits" gives class scores, "image" the pixels themselves (uint8).
        limit: take only this many images, the first ones (in a split, a stratified subset); None takes all.
        batch_size: images per batch; by default what suits the network and the device.
        strategy: distributes each batch over its replicas; every worker gets the whole bank, in the data set's order.
        out: a folder for the shards, which `Bank.load` reads again, or a `Store`, such as the cache, `Store()`.
        engine: what computes them on a CPU: "tensorflow", "onnxruntime" (with the extra `onnx`) or "auto", the one that
            needs less time for these images, see `engines.choose`. Shards are known by it, too; with "auto" those of
            either engine are taken.

    Returns:
        A bank with, for each layer, float32 (n, ...) features (uint8 for "image"), and labels and ids, int64 (n,).

    Raises:
        InputError: a layer or the engine is unknown, the images are not uint8 (floats in [0, 1] would silently become
            0) or have another shape than the network takes, there are none, or the disk has no room.

    Example:
        >>> from tfxfer import data, features, model
        >>> splits = data.load("digits", limit=40)
        >>> net = model.build("cnn", splits, weights="none")
        >>> bank = features.extract(net, splits.test, ("embedding", "logits"))
        >>> bank["embedding"].shape, bank["logits"].shape, bank.labels.shape
        ((10, 128), (10, 10), (10,))
    """
    return Extractor(net, layers, batch_size=batch_size, strategy=strategy, engine=engine)(dataset, limit, out)


class Extractor:
    """`extract` for several data sets, one after another: the network is traced once.

    The weights are those that the network has when the extractor is called. Arguments as of `extract`.
    """

    def __init__(
        self,
        net: keras.Model,
        layers: Sequence[str] = ("embedding",),
        *,
        batch_size: int | None = None,
        strategy: tf.distribute.Strategy | None = None,
        engine: str = "auto",
    ):
        if unknown := [name for name in layers if name not in {layer.name for layer in net.layers}]:
            raise InputError(
                f"{net.name} has no layer {', '.join(unknown)}; the last are {[x.name for x in net.layers[-5:]]}"
            )
        self.net, self.layers, self.strategy = net, list(layers), strategy
        self.tapped = keras.Model(net.input, {name: net.get_layer(name).output for name in layers})
        self.batch_size = batch_size or inference.images_per_batch(self.tapped)
        self._forward = inference.Forward(self.tapped, strategy, batch_size=self.batch_size, engine=engine)
        self.specs = {
            f"value/{name}": (tuple(x.shape[1:]), np.dtype(tf.as_dtype(x.dtype).as_numpy_dtype))
            for name, x in self.tapped.output.items()
        }
        self.specs |= {"labels": ((), np.dtype(np.int64)), "ids": ((), np.dtype(np.int64))}
        self.row_bytes = sum(math.prod(shape) * kind.itemsize for shape, kind in self.specs.values())

    def __call__(
        self, dataset: tf.data.Dataset | Examples, limit: int | None = None, out: str | Path | Store | None = None
    ) -> Bank:
        """Extracts features of one data set; arguments, result and errors are those of `extract`."""
        known = dataset if isinstance(dataset, Examples) else None
        dataset = dataset.dataset if isinstance(dataset, Examples) else dataset
        spec, shape = dataset.element_spec, self.net.input_shape[1:]
        fits = isinstance(spec, dict) and not {"image", "label", "id"} - set(spec)
        if not fits or spec["image"].dtype != tf.uint8 or not spec["image"].shape.is_compatible_with(shape):
            raise InputError(f"dataset of {spec}: expected dicts of image (uint8, {shape}), label, id, not batched")
        if out is not None and distribute.workers(self.strategy) > 1:
            raise InputError("out is for one process, and there are several workers: leave it out, or extract with one")
        examples = dataset if limit is None else dataset.take(limit)
        n = int(examples.cardinality())
        if n == 0:
            raise InputError("the data set is empty: nothing to extract features from")
        if n < 0 and out is not None:
            raise InputError(
                "the data set does not know its length: apply tf.data.experimental.assert_cardinality(n) to it"
            )
        if out is None and memory.fits(n * self.row_bytes):
            return _in_memory(self._compute(examples, 0, None))
        known = known or Examples.of(examples)
        return self._to_disk(replace(known, dataset=examples), n, out)

    def _to_disk(self, examples: Examples, n: int, out: str | Path | Store | None) -> Bank:
        own = out is not None and not isinstance(out, Store)
        store = out if isinstance(out, Store) else Store(out, sys.maxsize, "choose another out") if out else Store()
        if out is None:
            print(f"features take {amount(n * self.row_bytes)}: kept in shards in {store.root}", flush=True)
        per_shard = max(1, int(SHARD_BYTES / (self.row_bytes * self.batch_size)))  # batches
        rows = self.batch_size * per_shard
        sizes = [min(rows, n - first) for first in range(0, n, rows)]
        graphs = [frozen_prefix.identity(self.net, self.net.get_layer(name).output) for name in self.layers]
        facts = [(examples.fingerprint, examples.name, examples.split), self.layers, graphs, rows, inference.REVISION]
        keys, found = self._open(store, facts, sizes)
        about = {"model": self.net.name, "layer": ", ".join(self.layers), "data": examples.name}
        about["split"] = examples.split
        compute = functools.partial(self._compute, examples.dataset)
        shards = _in_shards(store, keys, found, sizes, self.specs, about, compute, per_shard)
        if own:
            with atomic.file(store.root / MANIFEST) as beside:
                beside.write_text(json.dumps(about | {"rows": n, "shards": keys}, indent=1) + "\n")
        return stack(shards)

    def _open(self, store: Store, facts: list, sizes: list[int]) -> tuple[list[str], dict[int, dict[str, np.memmap]]]:
        """The shards' keys, and the shards that are there, by number: those of an engine that has computed all of them,
        or of the one that will."""
        opened: dict[str, tuple[list[str], dict[int, dict[str, np.memmap]]]] = {}
        for engine in engines.candidates(self._forward.engine):
            keys = [hashlib.sha256(repr([*facts, engine, *shard]).encode()).hexdigest() for shard in enumerate(sizes)]
            found = {number: shard for number, key in enumerate(keys) if (shard := store.open(key)) is not None}
            opened[engine] = keys, found
            if len(found) == len(keys):
                return keys, found
        return opened[self._forward.choose(sum(sizes))]

    def _compute(self, examples, first: int, number: int | None) -> Iterator[dict[str, np.ndarray]]:
        batches = examples.batch(self.batch_size).skip(first)
        batches = batches if number is None else batches.take(number)
        for found in self._forward.over(batching.steady(batches.prefetch(2)), f"features of {self.net.name}"):
            facts = {"labels": found.pop("label").astype(np.int64), "ids": found.pop("id").astype(np.int64)}
            yield {f"value/{name}": value for name, value in found.items()} | facts


def _in_memory(batches: Iterator[dict[str, np.ndarray]]) -> Bank:
    parts = list(batches)
    if not parts:
        raise InputError("the data set is empty: nothing to extract features from")
    joined = {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}
    labels, ids = joined.pop("labels"), joined.pop("ids")
    return Bank({name.removeprefix("value/"): value for name, value in joined.items()}, labels, ids)


def _in_shards(store, keys, found, sizes, specs, about, compute, per_shard) -> list[dict[str, np.memmap]]:
    """Computes the shards that were not found, each stretch of missing ones in one pass; returns all, in order."""
    missing = [number for number in range(len(keys)) if number not in found]
    total = sum(math.prod(shape) * kind.itemsize for shape, kind in specs.values()) * sum(sizes[i] for i in missing)
    if missing and not store.fits(total):
        raise InputError(f"features take {amount(total)}, {store.root} does not have that much room: {store.advice}")
    for _, stretch in itertools.groupby(enumerate(missing), lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in stretch]
        batches = compute(numbers[0] * per_shard, len(numbers) * per_shard)
        for number in numbers:
            spec = {name: ((sizes[number], *shape), kind) for name, (shape, kind) in specs.items()}
            with store.write(keys[number], spec, about | {"shard": f"{number + 1} of {len(keys)}"}) as arrays:
                row = 0
                for part in itertools.islice(batches, per_shard):
                    rows = slice(row, row := row + len(part["ids"]))
                    for name, value in part.items():
                        arrays[name][rows] = value
                if row != sizes[number]:
                    raise InputError(f"the data set gave {row} images where {sizes[number]} were announced")
            found[number] = store.open(keys[number])
            if found[number] is None:
                raise InputError(f"{store.root}: a shard just written was removed: raise TFXFER_CACHE_GB")
    return [found[number] for number in range(len(keys))]
