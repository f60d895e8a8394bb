"""The outputs of a frozen prefix, computed once: in memory, or on disk for later runs too."""

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core import distribute, memory
from tfxfer.core.cache import Store, amount
from tfxfer.core.concatenated import Concatenated
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.data.splits import TRAINING_SPLITS
from tfxfer.features import frozen_prefix, inference

MODES = ("auto", "memory", "disk", "off")


@dataclass
class Activations:
    """The outputs of a frozen prefix for the splits that a training sees.

    Attributes:
        arrays: by split and layer name, (views x examples, ...): tensors, or arrays on disk that are read by rows.
        where: how large they are and where they are kept, for people.
        labels: by split, int64 (examples,).
    """

    arrays: Mapping[str, Mapping[str, tf.Tensor | np.ndarray | Concatenated]]
    where: str
    labels: dict[str, np.ndarray]

    def reader(self, split: str, names: Iterable[str]) -> Callable[[tf.Tensor], tuple]:
        """A function for tf.data from rows int64 (batch,) to (activations, labels)."""
        arrays = [self.arrays[split][name] for name in names]
        labels = tf.constant(self.labels[split])

        def take(array, rows):
            if tf.is_tensor(array):
                return tf.gather(array, rows)
            taken = tf.numpy_function(lambda rows: array[rows], [rows], tf.as_dtype(array.dtype))
            return tf.ensure_shape(taken, (None, *array.shape[1:]))

        def read(rows):
            values = tuple(take(array, rows) for array in arrays)
            return (values if len(values) > 1 else values[0]), tf.gather(labels, rows % len(labels))

        return read


def compute(
    net: keras.Model,
    tensors: dict[str, keras.KerasTensor],
    splits: Splits,
    mode: str = "auto",
    *,
    views: int = 0,
    seed: int = 0,
    dtype: str | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> Activations | None:
    """Computes the activations of `train` and `validation` in one pass, or finds them where an earlier run left them.

    Args:
        net: a network from `model.build`.
        tensors: tensors of the network's graph, such as `frontier(net).tensors`, or of several frontiers together.
        splits: the data set.
        mode: "memory"; "disk" (memory-mapped and kept for later runs); or "auto": what is on disk already, then memory
            if half of the free memory is enough, then disk.
        views: if above 0, augmentation is active, and this many fixed random views of each training image are made.
        seed: the random seed of the views.
        dtype: "bfloat16" stores floats in half the space, rounded to 8 bits of precision; None keeps them as computed.
        strategy: distributes the pass over replicas and workers.

    Returns:
        The activations, or None if "auto" finds no room for them.

    Raises:
        InputError: the mode is "memory" or "disk", and there is no room.
    """
    plan = _Plan(net, tensors, splits, views=views, seed=seed, dtype=dtype)
    store = Store()
    stored: dict[tuple[str, str], np.ndarray] = {}
    if mode != "memory":
        opened = {job: store.open(key) for job, key in plan.keys.items()}
        stored = {job: entry["values"] for job, entry in opened.items() if entry is not None}
    if distribute.workers(strategy) > 1 and not distribute.agree(strategy, len(stored) == len(plan.keys)):
        stored = {}  # a pass is for all workers, or for none
    missing = {job: spec for job, spec in plan.specs.items() if job not in stored}
    sizes = [math.prod(shape) * kind.itemsize for shape, kind in missing.values()]
    size = sum(sizes)
    needed = size + max(sizes, default=0)  # in memory, where TensorFlow copies one after another
    if mode == "auto":
        mode = "memory" if memory.fits(needed) else "disk" if store.fits(size) else "off"
        if not distribute.agree(strategy, mode != "off"):
            return None
    elif mode == "memory" and needed > memory.available():
        raise InputError(
            f"cache 'memory': the activations need {amount(needed)}, {amount(memory.available())} are free: use "
            "--cache auto, disk or off, or fewer images"
        )
    with contextlib.ExitStack() as writing:
        filled: dict[tuple[str, str], Any] = {}
        for job, (shape, kind) in missing.items():
            if mode == "memory":
                filled[job] = np.empty(shape, kind)
            else:
                spec = {"values": (shape, kind)}
                filled[job] = writing.enter_context(store.write(plan.keys[job], spec, plan.about(job)))["values"]
        plan.fill(filled, strategy)
    if mode == "memory":  # one by one: the copies should not be there together
        with tf.device("CPU:0"):
            filled = {job: tf.constant(filled.pop(job)) for job in list(filled)}
    arrays = {split: {name: (stored | filled)[name, split] for name in tensors} for split in TRAINING_SPLITS}
    megabytes = sum(math.prod(shape) * kind.itemsize for shape, kind in plan.specs.values()) / 1e6
    where = f"{megabytes:,.0f} MB " + (
        "found on disk" if not missing else "in memory" if mode == "memory" else "on disk"
    )
    return Activations(arrays, where, {split: splits.rows[split].labels for split in TRAINING_SPLITS})


class _Plan:
    """What has to be computed: for each (layer name, split) its key in the cache, its shape and its dtype."""

    def __init__(
        self,
        net: keras.Model,
        tensors: dict[str, keras.KerasTensor],
        splits: Splits,
        *,
        views: int,
        seed: int,
        dtype: str | None,
    ):
        self.net, self.tensors, self.splits, self.views, self.seed = net, tensors, splits, views, seed
        example = tf.zeros((1, *net.input_shape[1:]), tf.uint8)
        outputs = keras.Model(net.input, tensors)(example, training=False)  # called, to have the present precision
        self.keys: dict[tuple[str, str], str] = {}
        self.specs: dict[tuple[str, str], tuple[tuple[int, ...], np.dtype]] = {}
        for name, tensor in tensors.items():
            graph = frozen_prefix.identity(net, tensor)
            kind = tf.as_dtype(dtype if dtype and outputs[name].dtype.is_floating else outputs[name].dtype)
            for split in TRAINING_SPLITS:
                times = max(1, views) if split == "train" else 1
                drawn = (views, seed) if views and split == "train" else None
                facts = [graph, splits.fingerprint, split, kind.name, drawn]
                self.keys[name, split] = hashlib.sha256(repr(facts).encode()).hexdigest()
                shape = (times * splits.size(split), *outputs[name].shape[1:])
                self.specs[name, split] = shape, np.dtype(kind.as_numpy_dtype)

    def about(self, job: tuple[str, str]) -> dict[str, str]:
        return {"model": self.net.name, "layer": job[0], "data": self.splits.name, "split": job[1]}

    def fill(self, filled: dict[tuple[str, str], Any], strategy: tf.distribute.Strategy | None) -> None:
        """Runs each split through the prefix, once for each view, and writes into the arrays."""
        missing = {split: [name for name in self.tensors if (name, split) in filled] for split in TRAINING_SPLITS}
        names = {*missing["train"], *missing["validation"]}
        if not names:
            return
        part = keras.Model(self.net.input, {name: self.tensors[name] for name in names})
        batch_size = inference.images_per_batch(part)
        fixed = inference.Forward(part, strategy, batch_size=batch_size)
        # not distributed: random states count calls, and there would be fewer
        drawn = inference.Forward(part, training=True, batch_size=batch_size) if self.views else fixed
        for split in filter(missing.get, TRAINING_SPLITS):
            random, n = bool(self.views) and split == "train", self.splits.size(split)
            for view in range(self.views if random else 1):
                row = view * n
                with _random_states(part, self.seed, view) if random else contextlib.nullcontext():
                    batches = self.splits.batches(split, batch_size)
                    for values in (drawn if random else fixed).over(batches, f"{split} activations"):
                        rows = slice(row, row + len(values["id"]))
                        row = rows.stop
                        for name in missing[split]:
                            filled[name, split][rows] = values[name]
                if row != (view + 1) * n:
                    raise RuntimeError(f"{row - view * n} activations of {n} images came back: the cache is void")


@contextlib.contextmanager
def _random_states(net: keras.Model, seed: int, view: int) -> Iterator[None]:
    """Within the block, random layers draw numbers that depend on seed and view alone; their states are restored."""
    states = [state for layer in net.layers for state in frozen_prefix.random_states(layer)]
    before = [state.numpy() for state in states]
    for number, state in enumerate(states):
        state.assign([seed % 2**32, (view * len(states) + number) * 2**20 % 2**32])
    try:
        yield
    finally:
        for state, value in zip(states, before):
            state.assign(value)


def check_mode(mode: str, views: int) -> None:
    """Raises InputError unless the mode is one of `MODES` and fits the number of views."""
    if mode not in MODES:
        raise InputError(f"cache {mode!r}: expected one of {', '.join(MODES)}")
    if views < 0 or (views and mode == "off"):
        raise InputError(f"views {views} with cache {mode!r}: views are cached activations, expected 0 or a cache")
