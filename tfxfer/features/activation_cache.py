"""The outputs of a frozen prefix, computed once: in memory, or on disk for later runs too."""

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping
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
from tfxfer.features import engines
from tfxfer.features.activation_plan import Job, Plan

MODES = ("auto", "memory", "disk", "off")


@dataclass
class Activations:
    """The outputs of a frozen prefix for the splits that a training sees.

    Attributes:
        arrays: by split and layer name, (views x examples, ...): tensors, or arrays on disk that are read by rows.
        where: how large they are and where they are kept, for people.
        labels: by split, int64 (examples,).
        engine: what computed them, see `engines.ENGINES`; "" if that is not known.
    """

    arrays: Mapping[str, Mapping[str, tf.Tensor | np.ndarray | Concatenated]]
    where: str
    labels: dict[str, np.ndarray]
    engine: str = ""

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
    engine: str = "auto",
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
        engine: what computes them, see `engines.choose`; with "auto", what either engine left on disk is taken.

    Returns:
        The activations, or None if "auto" finds no room for them.

    Raises:
        InputError: the mode is "memory" or "disk", and there is no room.
    """
    plan = Plan(net, tensors, splits, views=views, seed=seed, dtype=dtype, strategy=strategy, engine=engine)
    store = Store()
    stored: dict[Job, np.ndarray] = {}
    found: dict[str, dict[Job, np.ndarray]] = {}
    for candidate in engines.candidates(engine):
        found[candidate] = plan.open(store, candidate) if mode != "memory" else {}
        if distribute.agree(strategy, len(found[candidate]) == len(plan.specs)):
            stored, engine = found[candidate], candidate
            break
    else:  # a pass is for all workers, or for none
        engine = plan.choose_engine()
        stored = found[engine] if distribute.workers(strategy) == 1 else {}
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
        filled: dict[Job, Any] = {}
        for job, (shape, kind) in missing.items():
            if mode == "memory":
                filled[job] = np.empty(shape, kind)
            else:
                spec = {"values": (shape, kind)}
                filled[job] = writing.enter_context(store.write(plan.key(job, engine), spec, plan.about(job)))["values"]
        plan.fill(filled)
    if mode == "memory":  # one by one: the copies should not be there together
        with tf.device("CPU:0"):
            filled = {job: tf.constant(filled.pop(job)) for job in list(filled)}
    arrays = {split: {name: (stored | filled)[name, split] for name in tensors} for split in TRAINING_SPLITS}
    megabytes = sum(math.prod(shape) * kind.itemsize for shape, kind in plan.specs.values()) / 1e6
    where = f"{megabytes:,.0f} MB " + (
        "found on disk" if not missing else "in memory" if mode == "memory" else "on disk"
    )
    return Activations(arrays, where, {split: splits.rows[split].labels for split in TRAINING_SPLITS}, engine)


def check_mode(mode: str, views: int) -> None:
    """Raises InputError unless the mode is one of `MODES` and fits the number of views."""
    if mode not in MODES:
        raise InputError(f"cache {mode!r}: expected one of {', '.join(MODES)}")
    if views < 0 or (views and mode == "off"):
        raise InputError(f"views {views} with cache {mode!r}: views are cached activations, expected 0 or a cache")
