"""Fitting: schedule, epochs, and the proof that what was frozen did not move."""

import math
import sys
import time
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfxfer import model
from tfxfer.data import Splits
from tfxfer.errors import InputError

SCHEDULES = ("cosine", "constant")


def fit(
    net: keras.Model,
    splits: Splits,
    epochs: int = 5,
    learning_rate: float = 1e-3,
    *,
    batch_size: int = 32,
    schedule: str = "cosine",
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, list[float]]:
    """Trains what is trainable in `net` with Adam and cross-entropy; validates after each epoch.

    Args:
        net: from `model.build`; compiled here.
        splits: trains on `train` in an order fixed by `seed` and TensorFlow's global seed, evaluates
            `validation`; `test` is not touched.
        epochs: passes over the training images.
        learning_rate: the highest rate.
        batch_size: images a step; the last batch of an epoch may be smaller.
        schedule: "cosine" warms up linearly over the first tenth of all steps and decays to 0 by a half cosine
            (Loshchilov and Hutter 2017, arXiv:1608.03983); "constant" keeps the rate.
        seed: of the order of the images.
        callbacks: further Keras callbacks.

    Returns:
        A list with one number per epoch for each of: loss, accuracy, val_loss, val_accuracy, seconds.

    Raises:
        InputError: arguments out of range, or training that diverged.
        RuntimeError: a frozen weight or moving statistic changed. That is a bug, and the results are void.
    """
    if epochs < 1 or batch_size < 1 or not 0 < learning_rate < math.inf:
        raise InputError(
            f"epochs {epochs}, batch_size {batch_size}, learning_rate {learning_rate}: expected finite, above zero"
        )
    steps = epochs * -(-splits.size("train") // batch_size)
    net.compile(
        optimizer=keras.optimizers.Adam(_schedule(schedule, learning_rate, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    before = model.frozen_digests(net)
    history = net.fit(
        _pairs(splits.batches("train", batch_size, shuffle_seed=seed)),
        validation_data=_pairs(splits.batches("validation", batch_size)),
        epochs=epochs,
        shuffle=False,  # the data set shuffles
        callbacks=[_Seconds(), *callbacks],
        verbose=1 if sys.stdout.isatty() else 2,
    )
    if not np.isfinite([*history.history["loss"], *history.history["val_loss"]]).all():
        raise InputError(f"training diverged, the loss is no number any more: lower learning_rate ({learning_rate})")
    after = model.frozen_digests(net)
    if moved := [name for name in before if before[name] != after.get(name)]:
        raise RuntimeError(f"frozen layers changed while training, results are void: {', '.join(moved)}")
    return {name: [float(value) for value in values] for name, values in history.history.items()}


def _schedule(name: str, rate: float, steps: int):
    if name not in SCHEDULES:
        raise InputError(f"schedule {name!r}: expected one of {', '.join(SCHEDULES)}")
    if name == "constant":
        return rate
    warmup = max(1, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        rate / warmup, max(1, steps - warmup), warmup_target=rate, warmup_steps=warmup
    )


def _pairs(batches: tf.data.Dataset) -> tf.data.Dataset:
    return batches.map(lambda batch: (batch["image"], batch["label"]), tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


class _Seconds(keras.callbacks.Callback):
    """Adds each epoch's duration, validation included, to the history."""

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs["seconds"] = time.perf_counter() - self.started
