"""Which epoch's weights a training leaves: the last one's, or those of the lowest validation loss."""

import math
from collections.abc import Sequence

import keras

from tfxfer.core.errors import InputError

KEEP = ("best", "last")


def check(keep: str | None) -> None:
    """Raises InputError if it is none of `KEEP`; None stands for a default."""
    if keep is not None and keep not in KEEP:
        raise InputError(f"keep {keep!r}: expected one of {', '.join(KEEP)}")


class BestEpoch(keras.callbacks.Callback):
    """Remembers the epoch with the lowest validation loss, of equal ones the first, and puts its weights back when
    training ends.

    Loss, not accuracy: accuracy is a count of few images, in which many epochs are equal, and it does not fall while
    the network only grows too sure of its mistakes, which is how overfitting begins. It is what early stopping watches
    and what the report's curves mark.

    It does what Keras's EarlyStopping does with `restore_best_weights`, but copies only what can change, the layers
    that train with their moving statistics: of a large network with a small tail that is little, in memory and in
    every checkpoint, of which it is a part like any callback's state.
    """

    def __init__(self):
        super().__init__()
        self.best_loss, self.best_epoch = math.inf, 0
        self.best_weights = None

    def _variables(self) -> list[keras.Variable]:
        return [variable for layer in self.model.layers if layer.trainable for variable in layer.weights]

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_loss"] < self.best_loss:
            self.best_loss, self.best_epoch = logs["val_loss"], epoch
            self.best_weights = [keras.ops.convert_to_numpy(variable) for variable in self._variables()]

    def on_train_end(self, logs=None):
        for variable, array in zip(self._variables(), self.best_weights, strict=True):
            variable.assign(array)


def kept(callbacks: Sequence[keras.callbacks.Callback], epochs: int) -> int:
    """The epoch, counted from 0, whose weights a network has after training: that of the last callback which put an
    earlier one's back, else the last."""
    restored = [
        each.best_epoch
        for each in callbacks
        if isinstance(each, BestEpoch)
        or (isinstance(each, keras.callbacks.EarlyStopping) and each.restore_best_weights)
        if each.best_weights is not None
    ]
    return restored[-1] if restored else epochs - 1
