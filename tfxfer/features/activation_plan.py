"""What a cache of activations has to compute: by which key each part is known, and the passes that fill it."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core.cache import Store
from tfxfer.data import Splits
from tfxfer.data.splits import TRAINING_SPLITS
from tfxfer.features import frozen_prefix, inference
from tfxfer.model import freezing

Job: TypeAlias = tuple[str, str]  # a layer's name and a split


class Plan:
    """What has to be computed: for each job its key in the cache, its shape and its dtype."""

    def __init__(
        self,
        net: keras.Model,
        tensors: dict[str, keras.KerasTensor],
        splits: Splits,
        *,
        views: int,
        seed: int,
        dtype: str | None,
        strategy: tf.distribute.Strategy | None,
        engine: str,
    ):
        self.net, self.tensors, self.splits, self.views, self.seed = net, tensors, splits, views, seed
        self.strategy, self.engine = strategy, engine
        self.forwards: dict[tuple[frozenset[str], bool], inference.Forward] = {}
        example = tf.zeros((1, *net.input_shape[1:]), tf.uint8)
        outputs = keras.Model(net.input, tensors)(example, training=False)  # called, to have the present precision
        self.facts: dict[Job, list[Any]] = {}
        self.specs: dict[Job, tuple[tuple[int, ...], np.dtype]] = {}
        for name, tensor in tensors.items():
            graph = frozen_prefix.identity(net, tensor)
            kind = tf.as_dtype(dtype if dtype and outputs[name].dtype.is_floating else outputs[name].dtype)
            for split in TRAINING_SPLITS:
                times = max(1, views) if split == "train" else 1
                drawn = (views, seed) if views and split == "train" else None
                self.facts[name, split] = [graph, splits.fingerprint, split, kind.name, drawn, inference.REVISION]
                shape = (times * splits.size(split), *outputs[name].shape[1:])
                self.specs[name, split] = shape, np.dtype(kind.as_numpy_dtype)

    def key(self, job: Job, engine: str) -> str:
        return hashlib.sha256(repr([*self.facts[job], engine]).encode()).hexdigest()

    def open(self, store: Store, engine: str) -> dict[Job, np.ndarray]:
        """What an engine left on disk."""
        opened = {job: store.open(self.key(job, engine)) for job in self.specs}
        return {job: entry["values"] for job, entry in opened.items() if entry is not None}

    def about(self, job: Job) -> dict[str, str]:
        return {"model": self.net.name, "layer": job[0], "data": self.splits.name, "split": job[1]}

    def forward(self, names: Iterable[str], random: bool = False) -> inference.Forward:
        """The pass that computes these tensors; with random views in training mode."""
        job = frozenset(names), random
        if job not in self.forwards:
            tensors = {name: tensor for name, tensor in self.tensors.items() if name in job[0]}
            part = keras.Model(self.net.input, tensors)
            self.forwards[job] = inference.Forward(
                part,
                None if random else self.strategy,  # random states count calls, and there would be fewer
                training=random,
                batch_size=inference.images_per_batch(part),
                engine=self.engine,
            )
        return self.forwards[job]

    def choose_engine(self) -> str:
        """Resolves "auto" for all that there is to compute."""
        images = sum({split: shape[0] for (_, split), (shape, _) in self.specs.items()}.values())
        self.engine = self.forward(self.tensors).choose(images)
        return self.engine

    def fill(self, filled: dict[Job, Any]) -> None:
        """Runs each split through the prefix, once for each view, and writes into the arrays."""
        missing = {split: [name for name in self.tensors if (name, split) in filled] for split in TRAINING_SPLITS}
        names = {*missing["train"], *missing["validation"]}
        if not names:
            return
        for split in filter(missing.get, TRAINING_SPLITS):
            random, n = bool(self.views) and split == "train", self.splits.size(split)
            forward = self.forward(names, random)
            for view in range(self.views if random else 1):
                row = view * n
                with _random_states(forward.model, self.seed, view) if random else contextlib.nullcontext():
                    batches = self.splits.batches(split, forward.batch_size)
                    for values in forward.over(batches, f"{split} activations"):
                        rows = slice(row, row + len(values["id"]))
                        row = rows.stop
                        for name in missing[split]:
                            filled[name, split][rows] = values[name]
                if row != (view + 1) * n:
                    raise RuntimeError(f"{row - view * n} activations of {n} images came back: the cache is void")


@contextlib.contextmanager
def _random_states(net: keras.Model, seed: int, view: int) -> Iterator[None]:
    """Within the block, random layers draw numbers that depend on seed and view alone; their states are restored."""
    states = [state for layer in net.layers for state in freezing.random_states(layer)]
    before = [state.numpy() for state in states]
    for number, state in enumerate(states):
        state.assign([seed % 2**32, (view * len(states) + number) * 2**20 % 2**32])
    try:
        yield
    finally:
        for state, value in zip(states, before):
            state.assign(value)
