"""Keras metrics of an epoch: updated by each step, read after a call to the device, and set back between epochs."""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from tfxfer.core import distribute
from tfxfer.core.errors import InputError, shown
from tfxfer.train import loss_inputs

Metric: TypeAlias = str | Callable[..., Any] | keras.metrics.Metric
_TAKEN = ("loss", "accuracy", "seconds", "epoch", "unfrozen")  # columns of every history, or of history.csv


class EpochMetrics:
    """Copies of Keras metrics, whose variables live on the devices of a strategy.

    Args:
        metrics: as `fit` takes them.
        classes: the number of the network's outputs.
        strategy: its replicas each count their own images; results are those of all of them.

    Raises:
        InputError: an unknown name, a metric that does not fit labels and logits, gives several numbers, or cannot be
            copied; a name that the history has already; or a TPU.
    """

    def __init__(
        self, metrics: Sequence[Metric] | None = None, classes: int = 0, strategy: tf.distribute.Strategy | None = None
    ):
        self.strategy = distribute.default(strategy)
        self.metrics: dict[str, keras.metrics.Metric] = {}
        self.inputs: dict[str, loss_inputs.Inputs] = {}
        self.identity: list[tuple] = []
        metrics = [metric for metric in metrics or () if metric != "accuracy"]  # in every history
        if metrics and isinstance(strategy, tf.distribute.TPUStrategy):
            raise InputError("metrics: not on a TPU, whose batches are filled up with images that must not count")
        with self.strategy.scope():
            for given in metrics:
                self._add(given, classes)

    def _add(self, given: Metric, classes: int) -> None:
        metric, name, source = _create(given)
        numbered = {name, *(f"{name}_{number}" for number in range(1, len(self.metrics) + 1))} - self.metrics.keys()
        name = min(numbered, key=lambda each: (len(each), each))  # as Keras names equal ones
        if name in _TAKEN or name.startswith("val_") or not re.fullmatch(r"[\w .@%+-]+", name):
            raise InputError(f"metrics: no column can be called {name!r}: give the metric another name")
        inputs = loss_inputs.inputs_of(source, f"metrics: {name}")

        def trial(labels: tf.Tensor, logits: tf.Tensor) -> Any:
            metric.update_state(*inputs.of(labels, logits))
            return metric.result()

        with keras.StatelessScope():  # creates variables that only an update does, and changes none
            result = loss_inputs.traced(trial, classes, f"metrics: {name}")
        if not isinstance(result, tf.Tensor | tf.TensorSpec) or result.shape.rank != 0:
            raise InputError(f"metrics: {name} gives several numbers, expected one, as with average='macro'")
        self.metrics[name], self.inputs[name] = metric, inputs
        self.identity.append((name, *loss_inputs.identity(source)))

    @property
    def variables(self) -> list[keras.Variable]:
        """What the epoch so far has left in the metrics."""
        return [variable for metric in self.metrics.values() for variable in metric.variables]

    @property
    def facts(self) -> dict[str, Any]:
        """What a history records, if there are metrics: by name, what each is computed from."""
        return {"metrics": {name: str(inputs) for name, inputs in self.inputs.items()}} if self.metrics else {}

    @tf.autograph.experimental.do_not_convert  # as in Keras's own fit
    def update(self, labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor) -> None:
        """Counts some images, within a step.

        Args:
            labels: int64 (n,).
            logits: float32 (n, classes).
            weights: float32 (n,); images of weight 0 do not count.
        """
        if self.metrics and self.strategy.num_replicas_in_sync > 1:
            labels, logits = tf.boolean_mask(labels, weights > 0), tf.boolean_mask(logits, weights > 0)
        for name, metric in self.metrics.items():
            metric.update_state(*self.inputs[name].of(labels, logits))

    def results(self) -> dict[str, float]:
        """The metrics of all images since `reset`, by name."""
        with self.strategy.scope():
            return {name: float(keras.ops.convert_to_numpy(metric.result())) for name, metric in self.metrics.items()}

    def reset(self) -> None:
        """Sets all metrics back to no images."""
        with self.strategy.scope():
            for metric in self.metrics.values():
                metric.reset_state()


def _create(given: Metric) -> tuple[keras.metrics.Metric, str, Any]:
    """A metric of its own, the name of its column, and what tells its inputs: itself, or the function in it."""
    if isinstance(given, str):
        named = _named(given)
        return named, given, named
    try:
        made = keras.metrics.get(given) if callable(given) else None  # of a class, an object
    except TypeError:
        raise InputError(f"metrics: {shown(given)} needs arguments: give an object of it") from None
    if isinstance(made, keras.metrics.Metric):
        copy, stem = _copy(made), re.sub(r"_\d+$", "", made.name)
        numbered = stem.replace("_", "") == type(made).__name__.lower()  # by Keras, for lack of another name
        return copy, stem if numbered else made.name, copy
    if not callable(made):
        raise InputError(f"metrics: expected names, Keras metrics or functions, got {shown(given)} in it")
    name = getattr(getattr(made, "func", made), "__name__", type(made).__name__)
    return keras.metrics.MeanMetricWrapper(made, name=name), name, made


def _named(name: str) -> keras.metrics.Metric:
    if name == "acc":
        return keras.metrics.SparseCategoricalAccuracy(name=name)
    try:
        found = keras.metrics.get(name)
    except (ValueError, TypeError):  # unknown, or one that needs arguments
        found = None
    if not isinstance(found, keras.metrics.Metric):
        raise InputError(
            f"metrics: {name!r} is not the name of a Keras metric that needs no arguments: expected one such as "
            "'sparse_top_k_categorical_accuracy', or a metric"
        )
    return found


def _copy(metric: keras.metrics.Metric) -> keras.metrics.Metric:
    """A metric like another, made from its settings."""
    try:
        copy = type(metric).from_config(metric.get_config())
        reason = "a setting is missing in get_config()"
    except Exception as error:  # of the user's own code, or of Keras, which has no exception of its own
        copy, reason = None, (str(error).strip() or type(error).__name__).splitlines()[0]
    if copy is None or loss_inputs.settings(copy) != loss_inputs.settings(metric):
        raise InputError(
            f"metrics: {metric.name} cannot be made again from its settings ({reason[:200]}): complete its "
            "get_config(), or give the class, or the function"
        )
    return copy
