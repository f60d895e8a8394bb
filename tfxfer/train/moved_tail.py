"""Averages of several sets of weights, put into a network and validated; what they have in common is computed once."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy.special import log_softmax

from tfxfer import model
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.features import inference
from tfxfer.features.activation_cache import Activations
from tfxfer.features.batch_statistics import BatchStatistics
from tfxfer.train import checks, weight_lists
from tfxfer.train.tail import cut
from tfxfer.train.weight_lists import Weights

STATISTICS = ("recomputed", "averaged")
METRICS = ("val_accuracy", "val_balanced_accuracy", "val_loss")
Measure = Callable[[keras.Model], Mapping[str, float]]


class MovedTail:
    """The layers of a network from the first one in which lists of weights differ, and what they take.

    What lies before is the same for all averages of the lists, and is computed once, as `fit` does it.

    Args:
        net: from `model.build`.
        splits: images for it.
        lists: sets of its weights, as `weight_lists.check` accepts them.
        statistics: one of `STATISTICS`: what becomes of batch norm's moving statistics that differ.
        batch_size: training images in a batch of which batch norm takes the statistics.
        cache, engine: as `fit` takes them.
        measure: a function of the network that gives figures besides those of `METRICS`.
    """

    def __init__(
        self,
        net: keras.Model,
        splits: Splits,
        lists: Sequence[Weights],
        *,
        statistics: str = "recomputed",
        batch_size: int = 32,
        cache: str | Activations = "auto",
        engine: str = "auto",
        measure: Measure | None = None,
    ):
        checks.network(net, splits)
        checks.kinds({"batch_size": batch_size, "cache": cache})
        checks.ranges(1, batch_size, None, 0.0, None)
        self.net, self.lists, self.measure = net, lists, measure
        moved, norms = weight_lists.moved(net, lists)
        norms = norms if statistics == "recomputed" else []
        self.recomputed = [norm.name for norm in norms]
        if not norms and isinstance(cache, str):
            splits = splits.only(train=np.arange(1))  # no pass needs training images
        model.assign_values(net, lists[0])  # the layers before the cut are computed with these
        self.tail = cut(net, splits, cache, engine=engine, moved={*moved, "logits"})
        if self.tail.activations and (missing := {*self.tail.layers} - {*self.tail.activations.arrays["validation"]}):
            raise InputError(f"cache: the activations are not those at {', '.join(missing)}: give them, or 'auto'")
        part = self.tail.net
        self._validation = self.tail.batches("validation", inference.images_per_batch(part))
        (spec, _), _ = self._validation.element_spec
        self._logits = tf.function(lambda inputs: part(inputs, training=False), [spec], autograph=False)
        self._statistics = BatchStatistics(part, norms)
        n = splits.size("train")
        even = -(-n // -(-n // batch_size))  # as many batches, of nearly the same size
        self._train = self.tail.batches("train", even, seed=0)

    def put(self, shares: Sequence[float]) -> None:
        """Gives the network the average of the lists with these shares; all of one list is that list, bit for bit."""
        model.assign_values(self.net, weight_lists.mean(self.lists, shares))
        if self.recomputed and 1 not in shares:
            self._statistics.assign(self._statistics.over(inputs for (inputs, _), _ in self._train))

    def validate(self) -> dict[str, float]:
        """The figures of `METRICS` for the weights that the network has now, and those that it is measured by."""
        parts = [(self._logits(inputs).numpy(), labels.numpy()) for (inputs, labels), _ in self._validation]
        logits, labels = (np.concatenate(arrays) for arrays in zip(*parts))
        return figures(logits, labels) | (dict(self.measure(self.net)) if self.measure else {})


def figures(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Those of `METRICS`: accuracy, balanced accuracy (the mean over classes) and cross-entropy.

    Args:
        logits: float (n, classes).
        labels: integers (n,).
    """
    right = logits.argmax(1) == labels
    counts = np.bincount(labels)
    recalls = np.bincount(labels, right)[counts > 0] / counts[counts > 0]
    loss = -log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(labels)), labels].mean()
    return dict(zip(METRICS, map(float, (right.mean(), recalls.mean(), loss)), strict=True))


def check_statistics(statistics: str) -> None:
    """Raises InputError for anything but the names in `STATISTICS`."""
    if statistics not in STATISTICS:
        raise InputError(f"statistics {statistics!r}: expected one of {', '.join(STATISTICS)}")


def check_metric(metric: str, measure: Measure | None, figures: Mapping[str, float] | None = None) -> None:
    """Raises InputError for a metric that is not among the figures, or of which that is known before there are any."""
    known = METRICS if figures is None else tuple(figures)
    if metric not in known and (figures is not None or measure is None):
        raise InputError(f"metric {metric!r}: expected one of {', '.join(known)}")


def merit(figures: Mapping[str, float], metric: str) -> tuple[float, float]:
    """What the best weights have the most of: the metric, or less of it if its name ends in loss; of equal ones, less
    validation loss."""
    return (-1 if metric.endswith("loss") else 1) * figures[metric], -figures["val_loss"]


@contextlib.contextmanager
def unchanged_by_errors(net: keras.Model) -> Iterator[None]:
    """Within the block, an error or an interruption leaves the network with the weights that it had before."""
    before = model.values(net)
    try:
        yield
    except BaseException:
        model.assign_values(net, before)
        raise


def average(
    net: keras.Model,
    lists: Sequence[Weights],
    shares: Sequence[float],
    splits: Splits | None,
    statistics: str = "recomputed",
    **options: Any,
) -> list[str]:
    """Gives a network the average of lists of weights, and recomputes batch norm's moving statistics that differ.

    Args:
        net, lists, statistics, options: as `MovedTail` takes them; the lists are checked.
        shares: one for each list.
        splits: the training images for the statistics; None where none are recomputed.

    Returns:
        The names of the batch norm layers whose statistics were recomputed.

    Raises:
        InputError: statistics have to be recomputed, and there are no splits.
    """
    check_statistics(statistics)
    if splits is not None:
        checks.network(net, splits)
    _, norms = weight_lists.moved(net, lists)
    if 1 in shares or not norms or statistics == "averaged":
        model.assign_values(net, weight_lists.mean(lists, shares))
        return []
    if splits is None:
        raise InputError(
            f"the moving statistics of {len(norms)} batch norm layers differ ({norms[0].name} is the first), and those "
            "of an average have to be recomputed: give splits, whose training images are used"
        )
    with unchanged_by_errors(net):
        tail = MovedTail(net, splits, lists, **options)
        tail.put(shares)
    return tail.recomputed
