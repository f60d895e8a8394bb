"""What a loss or a metric is computed from: labels or one-hot rows, and logits or probabilities."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core.errors import InputError

_LABELS = "SparseCategoricalAccuracy SparseTopKCategoricalAccuracy"
_LABELS_OF_PROBABILITIES = "SparseCategoricalCrossentropy CategoricalGeneralizedCrossEntropy"
_ONE_HOT = "CategoricalAccuracy TopKCategoricalAccuracy Hinge SquaredHinge CategoricalHinge"
_ONE_HOT_OF_PROBABILITIES = """
    CategoricalCrossentropy CategoricalFocalCrossentropy BinaryCrossentropy BinaryFocalCrossentropy KLDivergence Poisson
    MeanSquaredError RootMeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredLogarithmicError
    CosineSimilarity Huber LogCosh LogCoshError Dice Tversky R2Score BinaryAccuracy AUC Precision Recall
    PrecisionAtRecall RecallAtPrecision SensitivityAtSpecificity SpecificityAtSensitivity TruePositives TrueNegatives
    FalsePositives FalseNegatives F1Score FBetaScore
"""
_BASES = ("Loss", "LossFunctionWrapper", "Metric", "Mean", "MeanMetricWrapper", "Sum")
_WRAPPERS = ("LossFunctionWrapper", "MeanMetricWrapper")


@dataclass(frozen=True)
class Inputs:
    """What a loss or a metric is computed from."""

    targets: Literal["labels", "one-hot labels"]
    outputs: Literal["logits", "probabilities"]

    def of(self, labels: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Keras's `y_true` and `y_pred`.

        Args:
            labels: int64 (n,).
            logits: float32 (n, classes).

        Returns:
            The labels or, as float32 (n, classes), their one-hot rows; the logits or their softmax.
        """
        targets = labels if self.targets == "labels" else tf.one_hot(labels, logits.shape[-1])
        # TensorFlow's softmax, whose logits Keras's cross-entropies find again; keras.ops.softmax also marks its output
        # with them, and binary cross-entropy would take them for those of a sigmoid
        return targets, logits if self.outputs == "logits" else tf.nn.softmax(logits)

    def __str__(self) -> str:
        return f"{self.targets} and {self.outputs}{' (softmax of the logits)' * (self.outputs == 'probabilities')}"


def _key(name: str) -> str:
    return name.replace("_", "").lower()


_TABLE = {  # class of Keras, or function of the same name -> its inputs, unless it has from_logits=True
    _key(name): inputs
    for names, inputs in (
        (_LABELS, Inputs("labels", "logits")),
        (_LABELS_OF_PROBABILITIES, Inputs("labels", "probabilities")),
        (_ONE_HOT, Inputs("one-hot labels", "logits")),
        (_ONE_HOT_OF_PROBABILITIES, Inputs("one-hot labels", "probabilities")),
    )
    for name in names.split()
}


def inputs_of(given: Any, argument: str) -> Inputs:
    """What a loss or a metric, an object or a function, is computed from.

    Keras's own are in a table, with the classes that are made from them. Everything else takes labels and logits, which
    is what Keras would give it. Where there is an attribute or an argument `from_logits`, that decides between logits
    and probabilities.

    Args:
        given: a Keras loss or metric, or a function of `y_true` and `y_pred`.
        argument: its name in an error message.

    Raises:
        InputError: one of Keras's that does not fit classification, or a setting of it that does not.
    """
    chosen, known = settings(given), _of_keras(given)
    for name in ("ignore_class", "from_sorted_ids"):
        if known is not None and chosen.get(name) not in (None, False):
            raise InputError(f"{argument}: {known} with {name}={chosen[name]} is not supported here: leave {name} out")
    if known is None:
        inputs = Inputs("labels", "logits")
    elif _key(known) in _TABLE:
        inputs = _TABLE[_key(known)]
    else:
        raise InputError(
            f"{argument}: {known} of Keras is not defined on labels and logits of classes: write a function of y_true, "
            "the labels, and y_pred, the logits"
        )
    if (from_logits := chosen.get("from_logits")) is None:
        return inputs
    return Inputs(inputs.targets, "logits" if from_logits else "probabilities")


def settings(given: Any) -> dict[str, Any]:
    """What tells one loss or metric from another of its kind: numbers and texts, also in lists, dicts and arrays.

    They are the attributes and the configuration of an object, or a function's defaults and the variables of the
    function around it. The name is left out: Keras numbers it, in each process differently.
    """
    values: dict[str, Any] = {}
    if isinstance(given, functools.partial):
        values = settings(given.func) | {"args": given.args} | given.keywords
    elif isinstance(given, keras.losses.Loss | keras.metrics.Metric):
        values = {k: v for k, v in vars(given).items() if not k.startswith("_")} | given.get_config()
    elif inspect.isfunction(given):
        defaults = {name: parameter.default for name, parameter in inspect.signature(given).parameters.items()}
        values = defaults | dict(inspect.getclosurevars(given).nonlocals)
    plain = {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in values.items() if name != "name"}
    return {name: value for name, value in plain.items() if _is_plain(value)}


def identity(given: Any) -> tuple:
    """What makes a loss or a metric the same in another process: its class or function, and its settings."""
    function = getattr(given, "func", given)
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return name, sorted(settings(given).items(), key=str)


def traced(function: Callable[[tf.Tensor, tf.Tensor], Any], classes: int, what: str) -> Any:
    """What a function of labels and logits returns in a graph, for one image more than there are classes.

    Raises:
        InputError: it fails on them.
    """
    shapes = tf.TensorSpec([classes + 1], tf.int64), tf.TensorSpec([classes + 1, classes], tf.float32)
    try:
        return tf.function(function, autograph=False).get_concrete_function(*shapes).structured_outputs
    except Exception as error:  # of the user's own code
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
        raise InputError(
            f"{what} fails on labels ({classes + 1},), logits {(classes + 1, classes)}: {reason}"
        ) from error


def _of_keras(given: Any) -> str | None:
    """The name of the class or function of Keras that a loss or a metric is, or is made from; None for one's own."""
    if not isinstance(given, keras.losses.Loss | keras.metrics.Metric):
        function = getattr(given, "func", given)
        return function.__name__ if str(getattr(function, "__module__", "")).startswith("keras.") else None
    found = next(kind for kind in type(given).__mro__ if kind.__module__.startswith("keras."))
    own = found.__name__ in _BASES and (found is not type(given) or found.__name__ in _WRAPPERS)
    return None if own else found.__name__


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple | dict):
        return all(map(_is_plain, value.values() if isinstance(value, dict) else value))
    return value is None or isinstance(value, bool | int | float | str)
