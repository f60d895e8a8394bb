"""Which epoch's weights a training leaves: those of the last epoch, or of the one with the lowest validation loss."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfxfer.core.errors import InputError

KEEP = ("best", "last")


def check(keep: str | None) -> None:
    """Raises InputError for anything but the names in `KEEP`, or None, which stands for a default."""
    if keep is not None and keep not in KEEP:
        raise InputError(f"keep {keep!r}: expected one of {', '.join(KEEP)}")


class BestEpoch(keras.callbacks.Callback):
    """Remembers the epoch with the lowest validation loss, the first of equal ones, and puts its weights back when
    training ends.

    It goes by the loss, not by accuracy: accuracy is a count over few images, so that many epochs are equal, and it
    does not fall while the network merely grows too sure of its mistakes, which is how overfitting begins. The loss is
    also what early stopping watches and what the report's curves mark.

    It does what Keras's EarlyStopping does with `restore_best_weights`, but copies only what can change: the weights
    and moving statistics of the layers that train. For a large network with a small tail that is little, both in memory
    and in every checkpoint, which holds them as it holds any callback's state.
    """

    def __init__(self):
        super().__init__()
        self.best_loss, self.best_epoch = math.inf, 0
        self.best_weights: list[np.ndarray] | None = None

    def _variables(self) -> list[keras.Variable]:
        return [variable for layer in self.model.layers if layer.trainable for variable in layer.weights]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs["val_loss"] < self.best_loss:
            self.best_loss, self.best_epoch = logs["val_loss"], epoch
            self.best_weights = [keras.ops.convert_to_numpy(variable) for variable in self._variables()]

    def on_train_end(self, logs: Any = None) -> None:
        if self.best_weights is None:
            raise RuntimeError("no epoch has ended, so there are no best weights to put back")
        for variable, array in zip(self._variables(), self.best_weights, strict=True):
            variable.assign(array)


def create(keep: str, early_stopping: int | None) -> list[keras.callbacks.Callback]:
    """The callbacks that decide when training ends and which epoch's weights it leaves.

    Args:
        keep: "best" or "last".
        early_stopping: epochs without a lower validation loss after which training ends; None for never.
    """
    callbacks: list[keras.callbacks.Callback] = [BestEpoch()] if keep == "best" else []
    if early_stopping:
        callbacks.append(keras.callbacks.EarlyStopping("val_loss", patience=early_stopping, mode="min"))
    return callbacks


def kept(callbacks: Sequence[keras.callbacks.Callback], epochs: int) -> int:
    """The epoch, counted from 0, whose weights a network has after training.

    That is the epoch which the last of the callbacks to restore any has restored; without one it is the last epoch.

    Args:
        callbacks: those of the training, in their order.
        epochs: how many epochs were trained.
    """
    restored = [
        callback.best_epoch
        for callback in callbacks
        if isinstance(callback, BestEpoch)
        or (isinstance(callback, keras.callbacks.EarlyStopping) and callback.restore_best_weights)
        if callback.best_weights is not None
    ]
    return restored[-1] if restored else epochs - 1
