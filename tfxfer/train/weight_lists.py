"""Several sets of weights of one network, as `model.values` returns them: checked, compared and averaged."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core import private_names
from tfxfer.core.errors import InputError, shown

Weights: TypeAlias = Sequence[np.ndarray]


def check(net: keras.Model, lists: Mapping[str, Any]) -> None:
    """Checks that lists, by the names that a message gives them, could be `model.values(net)`.

    Raises:
        InputError: one has other arrays than the network, or numbers in it that are not finite.
    """
    advice = "expected what model.values(net) returned for this network"
    for name, arrays in lists.items():
        if not isinstance(arrays, list | tuple) or not all(isinstance(array, np.ndarray) for array in arrays):
            raise InputError(f"{name}: expected the list of arrays that model.values(net) returns, got {shown(arrays)}")
        if len(arrays) != len(net.variables):
            raise InputError(f"{name}: {len(arrays)} arrays, {net.name} has {len(net.variables)}: {advice}")
        for variable, array in zip(net.variables, arrays):
            kind = np.dtype(tf.as_dtype(variable.dtype).as_numpy_dtype)
            if array.shape != tuple(variable.shape) or array.dtype != kind:
                raise InputError(
                    f"{name}: {array.dtype} {array.shape} for {variable.path}, which is {kind} "
                    f"{tuple(variable.shape)}: {advice}"
                )
            if is_float(array) and not np.isfinite(array).all():
                raise InputError(
                    f"{name}: {variable.path} contains NaN or infinity: leave out a training that diverged"
                )


def is_float(array: np.ndarray) -> bool:
    """Whether an array can be averaged: random states are whole numbers, which cannot."""
    return array.dtype.kind in "fV"  # V: bfloat16


def mean(lists: Sequence[Weights], shares: Sequence[float]) -> list[np.ndarray]:
    """The average of lists of weights, computed in float64 and rounded once.

    Args:
        lists: as `check` accepts them.
        shares: one for each list, from 0; their sum is 1.

    Returns:
        The arrays. Those that are the same in all lists with a share are exactly these; whole numbers are those of the
        last list with a share.
    """
    parts = [(share, arrays) for share, arrays in zip(shares, lists, strict=True) if share]
    return [_mean([share for share, _ in parts], arrays) for arrays in zip(*(arrays for _, arrays in parts))]


def _mean(shares: Sequence[float], arrays: Weights) -> np.ndarray:
    if not is_float(arrays[-1]) or _same(arrays):
        return arrays[-1]
    total = sum(share * array.astype(np.float64) for share, array in zip(shares, arrays))
    return np.asarray(total).astype(arrays[-1].dtype)


def moved(net: keras.Model, lists: Sequence[Weights]) -> tuple[set[str], list[keras.layers.BatchNormalization]]:
    """Where lists of weights differ; random states do not count.

    Returns:
        The names of the network's layers whose weights or statistics differ; and the batch norm layers, among them or
        within them, whose moving statistics do.
    """
    moved = {
        id(variable) for variable, *arrays in zip(net.variables, *lists) if is_float(arrays[0]) and not _same(arrays)
    }
    layers = [layer for layer in net.layers if any(id(variable) in moved for variable in layer.variables)]
    norms = [
        part
        for layer in layers
        for part in private_names.flattened(layer)
        if isinstance(part, keras.layers.BatchNormalization) and any(id(each) in moved for each in _statistics(part))
    ]
    return {layer.name for layer in layers}, norms


def _statistics(norm: keras.layers.BatchNormalization) -> list[keras.Variable]:
    return [weight for weight in norm.weights if weight is not norm.gamma and weight is not norm.beta]


def _same(arrays: Weights) -> bool:
    return all(np.array_equal(arrays[0], other) for other in arrays[1:])
