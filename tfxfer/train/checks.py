"""Checks of arguments, which reject wrong ones in one line before anything is loaded, computed or written."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import keras
import tensorflow as tf

from tfxfer.core.errors import InputError, shown
from tfxfer.data import Splits
from tfxfer.features.activation_cache import Activations

_LANDMARKS = ("scaled", "embedding", "logits")  # of a network from model.build

_KINDS = {
    "epochs": (Integral, "a whole number"),
    "tune_epochs": (Integral, "a whole number"),
    "batch_size": (Integral, "a whole number"),
    "seed": (Integral, "a whole number"),
    "views": (Integral, "a whole number"),
    "steps": (Integral, "a whole number"),
    "early_stopping": (Integral | None, "a whole number of epochs, or None"),
    "learning_rate": (Real | None, "a number (a schedule is an optimizer's, such as Adam(schedule))"),
    "tune_learning_rate": (Real | None, "a number"),
    "lowest": (Real, "a number"),
    "highest": (Real, "a number"),
    "backbone_learning_rate": (Real | Mapping | None, "a number, or numbers by stage or layer"),
    "stage_decay": (Real | None, "a number"),
    "label_smoothing": (Real, "a number"),
    "mixup": (Real, "a number"),
    "loss": (str | Callable | None, "the name of a Keras loss, a Keras loss, or a function of labels and logits"),
    "metrics": (list | tuple | None, "a list of Keras metrics, their names, or functions"),
    "optimizer": (str | Callable | keras.optimizers.Optimizer, "a name, a Keras optimizer, its class or a function"),
    "callbacks": (Sequence, "a list of Keras callbacks"),
    "cache": (str | Activations, "auto, memory, disk, off, or activations"),
    "cache_dtype": (str | None, "bfloat16, or None"),
    "strategy": (str | tf.distribute.Strategy | None, "a name, a tf.distribute.Strategy, or None"),
    "checkpoint_dir": (str | os.PathLike | None, "a folder, or None"),
}


def network(net: Any, splits: Any) -> None:
    """Checks that `net` is a network from `model.build`, and that `splits` has images for it.

    Raises:
        InputError: either is something else, or they do not fit each other.
    """
    if not isinstance(net, keras.Model):
        raise InputError(f"net: expected a Keras model from model.build, got {shown(net)}")
    if not isinstance(splits, Splits):
        known = f"data.load({splits!r}) gives" if isinstance(splits, str) else "data.load and data.from_arrays give"
        raise InputError(f"splits: expected tfxfer's splits, got {shown(splits)}: {known} them")
    if missing := [name for name in _LANDMARKS if name not in {layer.name for layer in net.layers}]:
        raise InputError(
            f"net: {net.name} has no layer {missing[0]}, so it is not from model.build: model.build(net, splits, "
            "scaling=...) makes a network of any Keras model"
        )
    if net.input_shape[1:] != tuple(splits.image_shape):
        raise InputError(
            f"net: {net.name} takes images of {_size(net.input_shape[1:])}, {splits.name} has "
            f"{_size(splits.image_shape)}: build it with these splits"
        )
    if net.output_shape[-1] < len(splits.classes):
        raise InputError(
            f"net: {net.name} knows {net.output_shape[-1]} classes, {splits.name} has {len(splits.classes)}: build it "
            "with these splits"
        )


def kinds(arguments: Mapping[str, Any]) -> None:
    """Checks the type of each argument by its name; names that are not in the table are ignored.

    Raises:
        InputError: an argument of the wrong type.
    """
    for name, (kind, expected) in _KINDS.items():
        value = arguments.get(name)
        if name in arguments and (isinstance(value, bool) or not isinstance(value, kind)):
            raise InputError(f"{name}: expected {expected}, got {shown(value)}")
    rates = arguments.get("backbone_learning_rate")
    for name, rate in rates.items() if isinstance(rates, Mapping) else ():
        if not isinstance(rate, Real):
            raise InputError(f"backbone_learning_rate of {name}: expected a number, got {shown(rate)}")
    for callback in arguments.get("callbacks", ()):
        if not isinstance(callback, keras.callbacks.Callback):
            raise InputError(f"callbacks: expected a list of Keras callbacks, got {shown(callback)} in it")
    if arguments.get("cache_dtype") not in (None, "bfloat16", "float16", "float32"):
        raise InputError(f"cache_dtype {arguments['cache_dtype']!r}: expected bfloat16, or None")
    if (folder := arguments.get("checkpoint_dir")) is not None and os.path.exists(folder) and not os.path.isdir(folder):
        raise InputError(f"checkpoint_dir: {folder} is a file, expected a folder")


def ranges(
    epochs: int, batch_size: int, learning_rate: float | None, label_smoothing: float, early_stopping: int | None
) -> None:
    """Checks that the numbers of a fit are in range; a learning rate of None belongs to an optimizer's own schedule.

    Raises:
        InputError: one of them is out of range.
    """
    if min(epochs, batch_size) < 1 or not (learning_rate is None or 0 < learning_rate < math.inf):
        raise InputError(
            f"epochs {epochs}, batch_size {batch_size}, learning_rate {learning_rate}: expected finite, above zero"
        )
    if not 0 <= label_smoothing < 1 or (early_stopping is not None and early_stopping < 1):
        raise InputError(
            f"label_smoothing {label_smoothing}, early_stopping {early_stopping}: expected a share of at least 0 and "
            "below 1, and at least 1 epoch or None"
        )


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
