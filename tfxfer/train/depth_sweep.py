"""A sweep over how many layers to unfreeze: one fit for each depth, one pass for the activations of all."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from tfxfer import model
from tfxfer.core import distribute
from tfxfer.core.count_progress import track
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.features import activation_cache, frozen_prefix
from tfxfer.features.activation_cache import Activations
from tfxfer.train import checks, compilation
from tfxfer.train import precision as precisions
from tfxfer.train.fitting import fit
from tfxfer.train.history import History

Depth: TypeAlias = int | str  # as `model.unfreeze_last` takes it


@dataclass(frozen=True)
class Sweep:
    """The result of a sweep over depths.

    Attributes:
        rows: for each depth a dict of depth, val_accuracy, val_loss, accuracy and loss (both of training), seconds and
            trainable_parameters; the figures are those of the epoch whose weights `fit` keeps.
        best: the row with the highest validation accuracy; of equal ones the one with the fewest trainable parameters.
        histories: one for each row, in the same order.
        shared_seconds: time spent once, on the activations of all depths.
    """

    rows: list[dict[str, Any]]
    best: dict[str, Any]
    histories: list[History]
    shared_seconds: float


def sweep(
    net: keras.Model,
    splits: Splits,
    depths: Sequence[Depth] = (0, 10, 20, 40, "all"),
    epochs: int = 5,
    learning_rate: float | None = None,
    *,
    train_batch_norm: bool = True,
    cache: str = "auto",
    cache_dtype: str | None = None,
    views: int = 0,
    strategy: str | tf.distribute.Strategy | None = None,
    precision: str = "float32",
    engine: str = "auto",
    checkpoint_dir: str | Path | None = None,
    measure: Callable[[keras.Model], dict[str, float]] | None = None,
    **options: Any,
) -> Sweep:
    """Trains the same network from the same weights at several freezing depths. The test split is not touched.

    One pass over the data computes the activations that all depths need.

    Args:
        net: from `model.build`; afterwards it has the weights and the freezing of the best depth.
        splits, epochs, learning_rate: as `fit` takes them.
        depths: how much to unfreeze, each as `model.unfreeze_last` takes it.
        train_batch_norm: whether batch normalisation in the unfrozen layers trains.
        measure: called with the network as each depth leaves it; the figures that it returns join the row.
            `recipes.shared.feature_measures.collapse_of` makes such a function for neural collapse.
        cache, cache_dtype, views, strategy, precision, engine: as `fit` takes them, the same for all depths.
        checkpoint_dir: folder for checkpoints, with a folder inside for each depth.
        options: further options of `fit`.

    Raises:
        InputError: as `fit` raises it, no depth, or one that is given twice.
    """
    checks.network(net, splits)
    checks.kinds({"epochs": epochs, "learning_rate": learning_rate, "strategy": strategy} | options)
    if len(set(depths)) != len(depths) or not depths:
        raise InputError(f"depths {depths}: expected at least one, each once")
    started = time.perf_counter()
    strategy = distribute.create(strategy) if isinstance(strategy, str) else strategy
    record = _inside(checkpoint_dir, "precision.json")
    size, jit = options.get("batch_size", 32), options.get("jit", "auto")
    compilation.check(jit, strategy)
    precision, _ = precisions.choose(net, splits, size, precision, strategy, jit=jit, record=record)
    activations = _shared_activations(
        net,
        splits,
        depths=depths,
        train_batch_norm=train_batch_norm,
        cache=cache,
        cache_dtype=cache_dtype,
        views=views,
        seed=options.get("seed", 0),
        strategy=strategy,
        precision=precision,
        engine=engine,
    )
    shared_seconds = time.perf_counter() - started
    start = model.values(net)
    rows: list[dict[str, Any]] = []
    histories: list[History] = []
    best: dict[str, Any] = {}
    for depth in track(depths, "sweep", len(depths), "depths"):
        model.assign_values(net, start)
        model.unfreeze_last(net, depth, train_batch_norm)
        history = fit(
            net,
            splits,
            epochs,
            learning_rate,
            cache=activations or "off",
            views=views,
            strategy=strategy,
            precision=precision,
            engine=engine,
            checkpoint_dir=_inside(checkpoint_dir, f"depth-{depth}"),
            **options,
        )
        row: dict[str, Any] = {"depth": depth}
        row |= {name: history.kept(name) for name in ("val_accuracy", "val_loss", "accuracy", "loss")}
        parameters = sum(math.prod(variable.shape) for variable in net.trainable_variables)
        row |= {"seconds": history.facts["seconds"], "trainable_parameters": parameters}
        row |= measure(net) if measure else {}
        rows.append(row)
        histories.append(history)
        if not best or _merit(row) > _merit(best):
            best, best_values = row, model.values(net)
    model.unfreeze_last(net, best["depth"], train_batch_norm)
    model.assign_values(net, best_values)
    return Sweep(rows, best, histories, shared_seconds)


def _merit(row: dict[str, Any]) -> tuple[float, float]:
    return row["val_accuracy"], -row["trainable_parameters"]


def _shared_activations(
    net: keras.Model,
    splits: Splits,
    *,
    depths: Sequence[Depth],
    train_batch_norm: bool,
    cache: str,
    cache_dtype: str | None,
    views: int,
    seed: int,
    strategy: tf.distribute.Strategy | None,
    precision: str,
    engine: str,
) -> Activations | None:
    """The activations at the frontiers of all depths, from one pass; None if there are none, or no room for them."""
    activation_cache.check_mode(cache, views)
    tensors: dict[str, keras.KerasTensor] = {}
    for depth in depths:
        model.unfreeze_last(net, depth, train_batch_norm)
        frontier = frozen_prefix.frontier(net, views)
        tensors |= frontier.tensors if frontier.frozen else {}
    model.unfreeze_last(net, 0)  # every layer of the pass is in inference mode
    if cache == "off" or not tensors:
        return None
    options: dict[str, Any] = {"views": views, "seed": seed, "dtype": cache_dtype}
    options |= {"strategy": strategy, "engine": engine}
    with precisions.compute(net, precision), distribute.watch(strategy):
        return activation_cache.compute(net, tensors, splits, cache, **options)


def _inside(folder: str | Path | None, name: str) -> Path | None:
    return Path(folder) / name if folder else None
