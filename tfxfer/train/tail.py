"""The part of a network that trains, and the data that it takes: cached activations, or images."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfxfer.core import atomic, batching, distribute
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.features import activation_cache, engines, frozen_prefix
from tfxfer.features.activation_cache import Activations


@dataclass(frozen=True)
class Tail:
    """What each training step runs.

    Attributes:
        net: the layers behind the frozen prefix, sharing the network's variables; without activations, the whole
            network.
        splits: the images that the network trains on.
        activations: the outputs of the frozen prefix for all these images; None if every step runs the whole network.
        layers: names of the layers whose outputs `net` takes as inputs; empty for the whole network.
        frozen_layers: the number of backbone layers in the prefix, cached or not.
        cache: where the activations are, such as "3 MB in memory at embedding", or "off: " and the reason.
    """

    net: keras.Model
    splits: Splits
    activations: Activations | None
    layers: Sequence[str]
    frozen_layers: int
    cache: str

    @property
    def facts(self) -> dict[str, Any]:
        """What a history records: where the activations are, what computed them, how many layers they replace."""
        if self.activations is None:
            return {"cache": self.cache, "frozen_prefix_layers": 0}
        found = {"cache": self.cache, "frozen_prefix_layers": self.frozen_layers}
        return found | ({"engine": self.activations.engine} if self.activations.engine else {})

    def batches(
        self, split: str, batch_size: int, strategy: tf.distribute.Strategy | None = None, **order: Any
    ) -> tf.data.Dataset:
        """The elements of one split, distributed among the replicas of a strategy.

        Args:
            split: "train" or "validation".
            batch_size: examples per step, on all replicas together.
            order: `seed`, `epochs`, `start` and `views`, as `batching.batches` takes them.

        Returns:
            Elements ((inputs of `net`, labels int64), weights float32), as `steps.Steps` takes them.
        """
        read = self.activations.reader(split, self.layers) if self.activations else self.splits.pairs(split)
        rows = batching.batches(self.splits.size(split), batch_size, **order)
        return distribute.distribute(strategy, rows, lambda part, weights: (read(part), weights), batch_size)


def cut(
    net: keras.Model,
    splits: Splits,
    cache: str | Activations = "auto",
    *,
    cache_dtype: str | None = None,
    views: int = 0,
    seed: int = 0,
    strategy: tf.distribute.Strategy | None = None,
    engine: str = "auto",
    record: Path | None = None,
    moved: Collection[str] | None = None,
) -> Tail:
    """Cuts a network at the frontier of what trains, and computes the activations there unless they are given.

    Args:
        net: from `model.build`.
        splits: images of the size that `net` takes.
        cache: "auto", "memory", "disk" or "off", see `activation_cache.compute`; or activations computed before.
        cache_dtype: "bfloat16" stores activations in half the space.
        views: the number of random views of each training image to cache; 0 without augmentation.
        seed: random seed of the views.
        strategy: computes the activations on all of its replicas.
        engine: what computes the activations, see `engines.choose`.
        record: a file that holds an earlier choice of the engine, or receives this one.
        moved: names of the layers behind which to cut, however the network is frozen now, for passes without
            augmentation; None cuts where training starts.

    Raises:
        InputError: an unknown cache, or views of a network without augmentation or without a place for them.
    """
    engines.check(engine)
    mode = cache if isinstance(cache, str) else "memory"
    activation_cache.check_mode(mode, views)
    frontier = frozen_prefix.frontier(net, views if moved is None else 1, moved)
    if views and frozen_prefix.frontier(net).tensors.keys() == frontier.tensors.keys():
        raise InputError(f"views {views}: no random layer comes before the frozen ones; build the network with augment")
    activations = None
    reason = "neither memory nor disk has room"
    if mode == "off":
        reason = "as requested"
    elif not frontier.frozen:
        reason = f"{frontier.first} {frontier.why}, and no backbone layer is frozen before it"
        if frontier.why.startswith("is random"):
            reason += "; views=K would cache K fixed views of each image"
    elif isinstance(cache, Activations):
        activations = cache
    else:
        options: dict[str, Any] = {"views": views, "seed": seed, "dtype": cache_dtype}
        options |= {"strategy": strategy, "engine": engines.earlier(engine, record, strategy)}
        activations = activation_cache.compute(net, frontier.tensors, splits, mode, **options)
        if activations and record and distribute.is_chief(strategy):
            with atomic.file(record) as beside:
                beside.write_text(activations.engine)
    if activations is None:
        if views:
            raise InputError(f"views {views} need cached activations, and there are none ({reason}): use views 0")
        return Tail(net, splits, None, (), frontier.frozen, f"off: {reason}")
    layers = tuple(frontier.tensors)
    tail = frozen_prefix.tail(net, frontier)
    return Tail(tail, splits, activations, layers, frontier.frozen, f"{activations.where} at {', '.join(layers)}")
