"""What a frozen prefix gives, computed once: in memory, or on disk for later runs too."""

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

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
    """What a prefix gives, computed once: by split and layer name, tensors, or arrays on disk (views x examples, ...)
    that are read by rows."""

    arrays: dict[str, dict[str, tf.Tensor | np.memmap | Concatenated]]
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
        tensors: of the network's graph, such as `frontier(net).tensors`, or of several frontiers together.
        mode: "memory", "disk" (memory-mapped; kept for later runs), or "auto": what is on disk, else memory if half of
            what is free will do, else disk, else none.
        views: if above 0, augmentation is active and so many fixed random views of each training image are made.
        seed: of the views.
        dtype: "bfloat16" stores floats in half the space, rounded to 8 bits of precision; None as computed.
        strategy: shares the pass out among replicas and workers.

    Returns:
        None if "auto" finds no place.
    """
    plan = _Plan(net, tensors, splits, views, seed, dtype)
    store, found = Store(), {}
    if mode != "memory":
        opened = {job: store.open(key) for job, key in plan.keys.items()}
        found = {job: entry["values"] for job, entry in opened.items() if entry is not None}
    if distribute.workers(strategy) > 1 and not distribute.agree(strategy, len(found) == len(plan.keys)):
        found = {}  # a pass is for all workers, or for none
    missing = {job: spec for job, spec in plan.specs.items() if job not in found}
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
        filled = {}
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
    arrays = {split: {name: (found | filled)[name, split] for name in tensors} for split in TRAINING_SPLITS}
    megabytes = sum(math.prod(shape) * kind.itemsize for shape, kind in plan.specs.values()) / 1e6
    where = f"{megabytes:,.0f} MB " + (
        "found on disk" if not missing else "in memory" if mode == "memory" else "on disk"
    )
    return Activations(arrays, where, {split: splits.rows[split].labels for split in TRAINING_SPLITS})


class _Plan:
    """What is to be computed: for each (layer name, split) its key, shape and dtype."""

    def __init__(self, net, tensors, splits, views, seed, dtype):
        self.net, self.tensors, self.splits, self.views, self.seed = net, tensors, splits, views, seed
        example = tf.zeros((1, *net.input_shape[1:]), tf.uint8)
        given = keras.Model(net.input, tensors)(example, training=False)  # called, for its precision is today's
        self.keys, self.specs = {}, {}
        for name, tensor in tensors.items():
            graph = frozen_prefix.identity(net, tensor)
            kind = tf.as_dtype(dtype if dtype and given[name].dtype.is_floating else given[name].dtype)
            for split in TRAINING_SPLITS:
                times = max(1, views) if split == "train" else 1
                drawn = (views, seed) if views and split == "train" else None
                facts = [graph, splits.fingerprint, split, kind.name, drawn]
                self.keys[name, split] = hashlib.sha256(repr(facts).encode()).hexdigest()
                shape = (times * splits.size(split), *given[name].shape[1:])
                self.specs[name, split] = shape, np.dtype(kind.as_numpy_dtype)

    def about(self, job: tuple[str, str]) -> dict[str, str]:
        return {"model": self.net.name, "layer": job[0], "data": self.splits.name, "split": job[1]}

    def fill(self, filled: dict[tuple[str, str], np.ndarray], strategy) -> None:
        """Runs each split through the prefix, once for each view, and writes into the arrays."""
        missing = {split: [name for name in self.tensors if (name, split) in filled] for split in TRAINING_SPLITS}
        names = {*missing["train"], *missing["validation"]}
        if not names:
            return
        part = keras.Model(self.net.input, {name: self.tensors[name] for name in names})
        batch_size = inference.images_per_batch(part)
        fixed = inference.Forward(part, strategy, batch_size=batch_size)
        # random states count calls, which sharing out would change
        drawn = inference.Forward(part, training=True, batch_size=batch_size) if self.views else None
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
def _random_states(net: keras.Model, seed: int, view: int):
    """Within the block every random layer draws numbers fixed by seed and view; afterwards it goes on as before."""
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
    if mode not in MODES:
        raise InputError(f"cache {mode!r}: expected one of {', '.join(MODES)}")
    if views < 0 or (views and mode == "off"):
        raise InputError(f"views {views} with cache {mode!r}: views are cached activations, expected 0 or a cache")
