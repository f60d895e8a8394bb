"""Fine-tuning in phases: first the head alone, then head and tail together."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from tfxfer import model
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.train import checks, optimizers
from tfxfer.train.depth_sweep import Depth
from tfxfer.train.fitting import fit
from tfxfer.train.history import History


def fine_tune(
    net: keras.Model,
    splits: Splits,
    unfreeze: Depth | Sequence[Depth] = 10,
    *,
    epochs: int = 5,
    tune_epochs: int = 5,
    learning_rate: float = optimizers.RATE,
    tune_learning_rate: float = optimizers.RATE / 10,
    train_batch_norm: bool = True,
    backbone_learning_rate: optimizers.Rates = None,
    stage_decay: float | None = None,
    checkpoint_dir: str | Path | None = None,
    **options: Any,
) -> History:
    """Trains the head on the frozen backbone, and then head and tail together.

    That way the large gradients of a new head do not reach the pretrained weights (Kumar et al. 2022,
    arXiv:2202.10054).

    Args:
        net: from `model.build`; its freezing is set here.
        splits: as `fit` takes them.
        unfreeze: how much to unfreeze, as `model.unfreeze_last` takes it; several depths, such as (10, 20, 40), are
            gradual unfreezing (Howard and Ruder 2018, arXiv:1801.06146), with one fit for each.
        epochs, learning_rate: those of the head alone.
        tune_epochs, tune_learning_rate: those of each fit after it.
        train_batch_norm: whether batch normalisation in the unfrozen tail trains.
        backbone_learning_rate, stage_decay: as `fit` takes them; used when the tail trains.
        checkpoint_dir: folder for checkpoints, with a folder inside for each fit.
        options: further options of `fit`. `keep` and `early_stopping` apply to each fit by itself: with keep="best" the
            tail starts from the head's best epoch.

    Returns:
        The histories of the fits one after another, with a column `unfrozen`, the number of backbone layers that train.
        `facts["phases"]` has the facts of each fit.

    Raises:
        InputError: as `fit` raises it, no depth, or an optimizer object, which has only one rate.
    """
    checks.network(net, splits)
    checks.kinds({"epochs": epochs, "tune_epochs": tune_epochs, "tune_learning_rate": tune_learning_rate} | options)
    if isinstance(optimizer := options.get("optimizer"), keras.optimizers.Optimizer):
        name = type(optimizer).__name__
        raise InputError(f"optimizer {name} has one rate, and two are needed: give the class keras.optimizers.{name}")
    depths = (unfreeze,) if isinstance(unfreeze, int | str) else tuple(unfreeze)
    if not depths:
        raise InputError("unfreeze is empty: expected at least one depth")
    history = History()
    phases: list[dict[str, Any]] = []
    for number, depth in enumerate((0, *depths)):
        tuned = model.unfreeze_last(net, depth, train_batch_norm)
        rates: dict[str, Any] = {}
        if tuned:
            rates = {"backbone_learning_rate": backbone_learning_rate, "stage_decay": stage_decay}
        part = fit(
            net,
            splits,
            tune_epochs if number else epochs,
            tune_learning_rate if number else learning_rate,
            checkpoint_dir=Path(checkpoint_dir, f"phase-{number}") if checkpoint_dir else None,
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
