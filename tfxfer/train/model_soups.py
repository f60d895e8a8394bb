"""Model soups: averages of the weights of several fine-tunings from the same start."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfxfer import model
from tfxfer.core.errors import InputError, shown
from tfxfer.data import Splits
from tfxfer.features.activation_cache import Activations
from tfxfer.train import checks, moved_tail, weight_lists
from tfxfer.train.moved_tail import Measure, MovedTail
from tfxfer.train.weight_lists import Weights

METHODS = ("uniform", "greedy")


@dataclass(frozen=True)
class Soup:
    """What a soup is made of.

    Attributes:
        kept: the numbers of its ingredients, from 0; of a greedy soup in the order in which they were added.
        rows: of a greedy soup, for each ingredient alone, in the order given, a dict of ingredient (its number),
            val_accuracy, val_balanced_accuracy, val_loss and what `measure` gives; of a uniform one, none.
        figures: of a greedy soup, the same figures of the soup; of a uniform one, none.
        recomputed: names of the batch norm layers whose moving statistics differ between ingredients, and are
            recomputed for every average of two or more.
    """

    kept: list[int]
    rows: list[dict[str, float]]
    figures: dict[str, float]
    recomputed: list[str]


def soup(
    net: keras.Model,
    weights: Sequence[Weights],
    splits: Splits | None = None,
    *,
    method: str = "uniform",
    metric: str = "val_accuracy",
    measure: Measure | None = None,
    statistics: str = "recomputed",
    batch_size: int = 32,
    cache: str | Activations = "auto",
    engine: str = "auto",
) -> Soup:
    """Gives a network the average of several sets of weights (Wortsman et al. 2022, arXiv:2203.05482).

    The ingredients are fine-tunings of the same weights, with other rates, seeds or augmentation. A uniform soup is the
    mean of all. A greedy soup begins with the ingredient that validates best and takes the others in the order of their
    figures, each only if validation does not get worse (the paper's recipe 1), so that a bad one does no harm. A soup
    of one ingredient is that ingredient, bit for bit. Batch norm's moving statistics that differ are recomputed, as
    `interpolate` describes; random states are those of the last ingredient.

    Args:
        net: from `model.build`; its weights are replaced.
        weights: the ingredients, each from `model.values(net)`.
        splits: images: a greedy soup validates on `validation`, statistics are those of `train`. A uniform soup needs
            them only if batch norm trained.
        method: "uniform" or "greedy".
        metric, measure: by what a greedy soup chooses, as `interpolation_curve` takes them.
        statistics, batch_size, cache, engine: as `interpolate` takes them.

    Raises:
        InputError: no ingredients, lists that are not this network's weights, an unknown method or metric, or no splits
            where they are needed. The network is then as it was.
    """
    if not isinstance(weights, list | tuple) or not weights:
        raise InputError(f"weights: expected a list of what model.values(net) returned, got {shown(weights)}")
    weight_lists.check(net, {f"weights[{number}]": arrays for number, arrays in enumerate(weights)})
    if method not in METHODS:
        raise InputError(f"method {method!r}: expected one of {', '.join(METHODS)}")
    moved_tail.check_statistics(statistics)
    options: dict[str, Any] = {"statistics": statistics, "batch_size": batch_size, "cache": cache, "engine": engine}
    if method == "uniform":
        everything = list(range(len(weights)))
        return Soup(
            everything, [], {}, moved_tail.average(net, weights, _shares(everything, weights), splits, **options)
        )
    if splits is None:
        raise InputError("a greedy soup chooses by validation: give splits")
    checks.network(net, splits)
    moved_tail.check_metric(metric, measure)
    with moved_tail.unchanged_by_errors(net):
        tail = MovedTail(net, splits, weights, measure=measure, **options)
        rows: list[dict[str, float]] = []
        for number in range(len(weights)):
            tail.put(_shares([number], weights))
            rows.append({"ingredient": float(number)} | tail.validate())
            moved_tail.check_metric(metric, measure, rows[-1])
        first, *others = sorted(
            range(len(rows)), key=lambda number: moved_tail.merit(rows[number], metric), reverse=True
        )
        kept, best_values = [first], weights[first]
        figures = {name: value for name, value in rows[first].items() if name != "ingredient"}
        for number in others:
            tail.put(_shares([*kept, number], weights))
            tried = tail.validate()
            if moved_tail.merit(tried, metric)[0] >= moved_tail.merit(figures, metric)[0]:
                kept, figures, best_values = [*kept, number], tried, model.values(net)
        model.assign_values(net, best_values)
    return Soup(kept, rows, figures, tail.recomputed)


def _shares(kept: Sequence[int], weights: Sequence[Weights]) -> list[float]:
    return [1 / len(kept) if number in kept else 0.0 for number in range(len(weights))]
