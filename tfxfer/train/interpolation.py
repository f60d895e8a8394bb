"""Interpolation between the weights before and after fine-tuning (WiSE-FT)."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import keras
import numpy as np

from tfxfer import model
from tfxfer.core.count_progress import track
from tfxfer.core.errors import InputError, shown
from tfxfer.data import Splits
from tfxfer.features.activation_cache import Activations
from tfxfer.train import checks, moved_tail, weight_lists
from tfxfer.train.moved_tail import Measure, MovedTail
from tfxfer.train.weight_lists import Weights

WEIGHTS = tuple(step / 10 for step in range(11))


def interpolate(
    net: keras.Model,
    before: Weights,
    after: Weights,
    weight: float,
    splits: Splits | None = None,
    *,
    statistics: str = "recomputed",
    batch_size: int = 32,
    cache: str | Activations = "auto",
    engine: str = "auto",
) -> list[str]:
    """Gives a network (1 - weight) times the weights before fine-tuning plus weight times those after it.

    WiSE-FT (Wortsman et al. 2022, arXiv:2109.01903): between the two ends there are often weights that keep most of
    what tuning has gained, and most of what it has cost on other images.

    Weights 0 and 1 give the ends themselves, bit for bit, with their moving statistics. In between, arrays that are the
    same at both ends stay exactly that, and random states are those of `after`. Of batch norm's moving statistics,

    - those that are the same at both ends stay, also behind layers that moved: batch norm that was frozen while the
      layers before it trained is a fixed scale and offset, to which both ends are fitted;
    - those that differ, because these layers trained, are recomputed as the means over batches of training images, in
      random order and without augmentation, see `features.batch_statistics.BatchStatistics`: the average of two
      networks' statistics is that of the network between them only where nothing before the layer moved. The layers
      from the first one that moved are run for it; the output of those before is cached, as `fit` caches it.

    Recomputed statistics are those of the training images. If those of `before` are of other images, such as
    ImageNet's, the line does not lead to that end: an EfficientNet-Lite0 whose last stage was tuned on 2,000 images of
    Fashion-MNIST at 48 pixels had validation accuracies of 0.77 at weight 0, 0.58 at 0.1, 0.81 at 0.5 and 0.83 at 1.
    With `statistics="averaged"` it was 0.77 at 0.1 and 0.80 at 0.5: better near `before`, while from 0.6 on the
    validation loss was higher. Batch norm that stays frozen has neither trouble.

    Args:
        net: from `model.build`; its weights are replaced, whatever they are now. How it is frozen makes no difference
            and does not change.
        before, after: from `model.values(net)`, before and after tuning.
        weight: from 0, which gives `before`, to 1, which gives `after`.
        splits: images for the statistics; needed only if batch norm trained and `weight` is between 0 and 1.
        statistics: "recomputed", or "averaged" like all weights, which takes no images.
        batch_size: training images per batch for the statistics: the one of the training.
        cache, engine: as `fit` takes them; activations computed before must be of the same splits and the same place.

    Returns:
        The names of the batch norm layers whose statistics were recomputed.

    Raises:
        InputError: lists that are not this network's weights, a weight out of range, or no splits where they are
            needed. The network is then as it was.

    Example:
        >>> from tfxfer import data, model, train
        >>> splits = data.load("digits", limit=40)
        >>> net = model.build("cnn", splits, weights="none")
        >>> before = model.values(net)
        >>> history = train.fit(net, splits, epochs=1)  # doctest: +ELLIPSIS
        activations of ...
        >>> train.interpolate(net, before, model.values(net), 0.5)
        []
    """
    weight_lists.check(net, {"before": before, "after": after})
    weight = _checked(weight)
    options: dict[str, Any] = {"statistics": statistics, "batch_size": batch_size, "cache": cache, "engine": engine}
    return moved_tail.average(net, [before, after], [1 - weight, weight], splits, **options)


@dataclass(frozen=True)
class Curve:
    """Validation figures along the line from one set of weights to another.

    Attributes:
        rows: for each weight a dict of weight, val_accuracy, val_balanced_accuracy, val_loss and what `measure` gives.
        best: the row of the weights that the network has now.
        recomputed: names of the batch norm layers whose statistics were recomputed for each weight between the ends.
        cache: where the activations of the layers that did not move are, or why there are none.
    """

    rows: list[dict[str, float]]
    best: dict[str, float]
    recomputed: list[str]
    cache: str


def interpolation_curve(
    net: keras.Model,
    splits: Splits,
    before: Weights,
    after: Weights,
    weights: Sequence[float] | np.ndarray = WEIGHTS,
    metric: str = "val_accuracy",
    *,
    measure: Measure | None = None,
    statistics: str = "recomputed",
    batch_size: int = 32,
    cache: str | Activations = "auto",
    engine: str = "auto",
) -> Curve:
    """Validates a network at several weights between two ends, as `interpolate` makes them, and keeps the best.

    The layers before the first one that moved run once, for all weights. The test split is not touched.

    Args:
        net: from `model.build`; afterwards it has the best weights.
        splits: validates on `validation`; batch norm's statistics are those of `train`.
        before, after, statistics, batch_size, cache, engine: as `interpolate` takes them.
        weights: each once, from 0 to 1; 0, 0.1 and so on to 1 unless stated otherwise.
        metric: what the best has the most of: "val_accuracy", "val_balanced_accuracy" (the mean over classes), or a
            figure of `measure`; of "val_loss" (the cross-entropy) and others whose names end in loss, the least. Of
            equal ones the lower validation loss decides, then the order of `weights`.
        measure: called with the network at each weight; the figures that it returns join the row. With it the weight
            can be chosen for other images, such as corrupted ones.

    Raises:
        InputError: as `interpolate` raises it, weights of another kind, or an unknown metric. The network is then as it
            was.
    """
    weight_lists.check(net, {"before": before, "after": after})
    checks.network(net, splits)
    moved_tail.check_metric(metric, measure)
    moved_tail.check_statistics(statistics)
    if not isinstance(weights, Sequence | np.ndarray) or isinstance(weights, str) or not len(weights):
        raise InputError(f"weights: expected a list of numbers from 0 to 1, got {shown(weights)}")
    numbers = [_checked(weight) for weight in weights]
    if len({*numbers}) < len(numbers):
        raise InputError(f"weights {', '.join(map(str, numbers))}: expected each once")
    rows: list[dict[str, float]] = []
    best: dict[str, float] = {}
    with moved_tail.unchanged_by_errors(net):
        options: dict[str, Any] = {"statistics": statistics, "batch_size": batch_size, "cache": cache, "engine": engine}
        tail = MovedTail(net, splits, [before, after], measure=measure, **options)
        for weight in track(numbers, "interpolation", len(numbers), "weights"):
            tail.put([1 - weight, weight])
            row = {"weight": weight} | tail.validate()
            moved_tail.check_metric(metric, measure, row)
            rows.append(row)
            if not best or moved_tail.merit(row, metric) > moved_tail.merit(best, metric):
                best, best_values = row, model.values(net)
        model.assign_values(net, best_values)
    return Curve(rows, best, tail.recomputed, tail.tail.cache)


def _checked(weight: Any) -> float:
    if isinstance(weight, bool) or not isinstance(weight, Real) or not 0 <= float(weight) <= 1:
        raise InputError(f"weight {shown(weight)}: expected a number from 0 (before) to 1 (after)")
    return float(weight)
