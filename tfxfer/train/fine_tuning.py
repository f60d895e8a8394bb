"""More than one fit: head first and then the tail, and the sweep over how much to unfreeze."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from tfxfer import model
from tfxfer.core import distribute
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.features import activation_cache, frozen_prefix
from tfxfer.features.activation_cache import Activations
from tfxfer.train import checks, optimizers
from tfxfer.train import precision as precisions
from tfxfer.train.fitting import History, fit

Depth = int | str


def fine_tune(
    net: keras.Model,
    splits: Splits,
    unfreeze: Depth | Sequence[Depth] = 10,
    epochs: int = 5,
    tune_epochs: int = 5,
    learning_rate: float = optimizers.RATE,
    tune_learning_rate: float = optimizers.RATE / 10,
    *,
    train_batch_norm: bool = True,
    backbone_learning_rate: float | dict[str, float] | None = None,
    stage_decay: float | None = None,
    checkpoint_dir: str | Path | None = None,
    **options,
) -> History:
    """Trains the head on the frozen backbone, then head and tail together: a new head's first, large gradients do not
    reach the pretrained weights (Kumar et al. 2022, arXiv:2202.10054).

    Args:
        unfreeze: as `model.unfreeze_last` takes it; several, such as (10, 20, 40), are gradual unfreezing (Howard and
            Ruder 2018, arXiv:1801.06146), one fit each.
        epochs, learning_rate: of the head alone.
        tune_epochs, tune_learning_rate: of each fit thereafter.
        train_batch_norm: of the unfrozen tail.
        backbone_learning_rate, stage_decay: when the tail trains.
        options: for `fit`. `keep` and `early_stopping` count in each fit alone: with keep="best" the tail starts from
            the head's best epoch.

    Returns:
        The histories one after another, with a column `unfrozen` (backbone layers that train). `facts["phases"]` has
        the facts of each fit.
    """
    checks.network(net, splits)
    checks.kinds({"epochs": epochs, "tune_epochs": tune_epochs, "tune_learning_rate": tune_learning_rate} | options)
    if isinstance(made := options.get("optimizer"), keras.optimizers.Optimizer):
        name = type(made).__name__
        raise InputError(f"optimizer {name} has one rate, and here are two: give the class keras.optimizers.{name}")
    depths = (unfreeze,) if isinstance(unfreeze, int | str) else tuple(unfreeze)
    if not depths:
        raise InputError("unfreeze is empty: expected at least one depth")
    history, phases = History(), []
    for number, depth in enumerate((0, *depths)):
        tuned = model.unfreeze_last(net, depth, train_batch_norm)
        rates = {"backbone_learning_rate": backbone_learning_rate, "stage_decay": stage_decay} if tuned else {}
        part = fit(
            net,
            splits,
            tune_epochs if number else epochs,
            tune_learning_rate if number else learning_rate,
            checkpoint_dir=_folder(checkpoint_dir, f"phase-{number}"),
            **rates,
            **options,
        )
        part["unfrozen"] = [float(len(tuned))] * len(part["loss"])
        phases.append(part.facts)
        before, length = len(history.get("loss", [])), len(part["loss"])
        for name in {**history, **part}:  # a callback may log in one phase only
            history.setdefault(name, [math.nan] * before).extend(part.get(name, [math.nan] * length))
    sums = {name: sum(facts[name] for facts in phases) for name in ("epochs", "seconds")}
    kept = sums["epochs"] - phases[-1]["epochs"] + phases[-1]["weights_of_epoch"]
    history.facts = {"phases": phases, "keep": phases[-1]["keep"], "weights_of_epoch": kept} | sums
    return history


@dataclass(frozen=True)
class Sweep:
    """A row per depth: depth, val_accuracy, val_loss, accuracy, loss (training), seconds, trainable_parameters; the
    figures are of the epoch whose weights `fit` keeps.

    `best` is the row with the highest validation accuracy, the fewest trainable parameters among equals; `histories`
    are in the rows' order; `shared_seconds` were spent once, for the activations of all depths.
    """

    rows: list[dict[str, float | Depth]]
    best: dict[str, float | Depth]
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
    checkpoint_dir: str | Path | None = None,
    measure: Callable[[keras.Model], dict[str, float]] | None = None,
    **options,
) -> Sweep:
    """Trains the same network, from the same weights, at several freezing depths. The test split is not touched.

    The activations at the frontiers of all depths come from one pass over the data.

    Args:
        net: has the best depth's weights and freezing afterwards.
        depths: as `model.unfreeze_last` takes them.
        measure: called with the network as each depth leaves it; its figures join the row. `studies.collapse_of` gives
            one for neural collapse.
        options: for `fit`, as are the others.
    """
    checks.network(net, splits)
    checks.kinds({"epochs": epochs, "learning_rate": learning_rate, "strategy": strategy} | options)
    if len(set(depths)) != len(depths) or not depths:
        raise InputError(f"depths {depths}: expected at least one, each once")
    started = time.perf_counter()
    strategy = distribute.create(strategy) if isinstance(strategy, str) else strategy
    kept = _folder(checkpoint_dir, "precision.json")
    precision, _ = precisions.choose(net, splits, options.get("batch_size", 32), precision, strategy, kept=kept)
    found = _shared(
        net, splits, depths, train_batch_norm, cache, cache_dtype, views, options.get("seed", 0), strategy, precision
    )
    shared_seconds = time.perf_counter() - started
    start, rows, histories, best = model.values(net), [], [], None
    for depth in depths:
        model.assign_values(net, start)
        model.unfreeze_last(net, depth, train_batch_norm)
        history = fit(
            net,
            splits,
            epochs,
            learning_rate,
            cache=found or "off",
            views=views,
            strategy=strategy,
            precision=precision,
            checkpoint_dir=_folder(checkpoint_dir, f"depth-{depth}"),
            **options,
        )
        row = {name: history.kept(name) for name in ("val_accuracy", "val_loss", "accuracy", "loss")}
        parameters = sum(math.prod(variable.shape) for variable in net.trainable_variables)
        row |= {"seconds": history.facts["seconds"], "trainable_parameters": parameters}
        rows.append({"depth": depth} | row | (measure(net) if measure else {}))
        histories.append(history)
        if best is None or _merit(row) > _merit(best[0]):
            best = rows[-1], model.values(net)
    model.unfreeze_last(net, best[0]["depth"], train_batch_norm)
    model.assign_values(net, best[1])
    return Sweep(rows, best[0], histories, shared_seconds)


def _merit(row: dict[str, float]) -> tuple[float, float]:
    return row["val_accuracy"], -row["trainable_parameters"]


def _shared(
    net, splits, depths, train_batch_norm, cache, cache_dtype, views, seed, strategy, precision
) -> Activations | None:
    """The activations at the frontiers of all depths, in one pass; None if there are none, or no room for them."""
    activation_cache.check_mode(cache, views)
    tensors = {}
    for depth in depths:
        model.unfreeze_last(net, depth, train_batch_norm)
        where = frozen_prefix.frontier(net, views)
        tensors |= where.tensors if where.frozen else {}
    model.unfreeze_last(net, 0)  # all that the pass goes through is in inference mode
    if cache == "off" or not tensors:
        return None
    options = {"views": views, "seed": seed, "dtype": cache_dtype, "strategy": strategy}
    with precisions.compute(net, precision), distribute.watch(strategy):
        return activation_cache.compute(net, tensors, splits, cache, **options)


def _folder(parent, name: str) -> Path | None:
    return Path(parent) / name if parent else None
