"""The plain way and ours to train the same network on the same batches, both timed by one callback."""

import statistics
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO

import keras
import numpy as np
import tensorflow as tf

from tfxfer import model, train
from tfxfer.train import optimizers

LEARNING_RATE = 1e-3
TOLERANCE = 1e-4  # of losses


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch, validation included, and of its training alone."""

    def __init__(self):
        super().__init__()
        self.epochs, self.training = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_test_begin(self, logs=None):
        self.training.append(time.perf_counter() - self.started)

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(time.perf_counter() - self.started)


@dataclass
class Timing:
    """One fit: seconds in all, outside of epochs, and of each epoch (of its training alone), with its history."""

    seconds: float
    outside: float
    epochs: list[float]
    training: list[float]
    history: dict[str, list[float]] = field(repr=False)


def plain_fit(net, splits, batch_size: int, epochs: int, measured: int | None = None) -> Timing:
    """Keras's own fit, of which only the first `measured` epochs are run, and the others reckoned at their median."""
    started, clock, measured = time.perf_counter(), Clock(), min(measured or epochs, epochs)
    steps, validation_steps = (-(-splits.size(split) // batch_size) for split in ("train", "validation"))

    tuning = tf.data.Options()
    tuning.autotune.enabled = False  # its thread may hear of an iterator's end 5 s late, by chance; epochs are as fast

    def pairs(split, **options):
        batches = splits.batches(split, batch_size, **options)
        batches = batches.map(lambda batch: (batch["image"], batch["label"])).prefetch(tf.data.AUTOTUNE)
        return batches.with_options(tuning)

    net.compile(
        optimizers.create(net, "adam", LEARNING_RATE, steps=epochs * steps),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,  # XLA's convolutions on CPUs are slow
    )
    validation = pairs("validation").apply(tf.data.experimental.assert_cardinality(validation_steps))
    options = {"epochs": measured, "steps_per_epoch": steps, "shuffle": False, "callbacks": [clock], "verbose": 0}
    history = net.fit(pairs("train", seed=0, epochs=epochs), validation_data=validation, **options).history
    timing = _timing(started, clock, history)
    timing.seconds += (epochs - measured) * statistics.median(clock.epochs[1:] or clock.epochs)
    return timing


def our_fit(net, splits, batch_size: int, epochs: int, callbacks=(), **options) -> Timing:
    """tfxfer's fit, its activations computed within the time."""
    started, clock = time.perf_counter(), Clock()
    options = {"learning_rate": LEARNING_RATE, "batch_size": batch_size, "cache": "memory", **options}
    with redirect_stdout(StringIO()):
        history = train.fit(net, splits, epochs, callbacks=[clock, *callbacks], **options)
    return _timing(started, clock, history)


def _timing(started: float, clock: Clock, history: dict) -> Timing:
    seconds = time.perf_counter() - started
    return Timing(seconds, seconds - sum(clock.epochs), clock.epochs, clock.training, dict(history))


def loss_differences(plain: dict, ours: dict) -> list[float]:
    """Between two histories' training losses, by epoch: absolute, or relative to losses above 1, where float32 does
    not resolve 1e-4."""
    return [abs(a - b) / max(1.0, abs(a)) for a, b in zip(plain["loss"], ours["loss"])]


def compare(net, splits, start: Sequence, batch_size: int, epochs: int, required: int, ours: list) -> dict:
    """Prints and returns the largest `loss_differences` of all (plain, ours).

    Where the first `required` epochs differ by more than TOLERANCE, plain Keras runs these again, three times, from the
    same weights but for 1e-7 of each that trains: `rounding_difference` is how much it then differs from itself. One
    run would not do, whether rounding is amplified is chance.
    """
    found = np.max([loss_differences(a.history, b.history) for a, b in ours], axis=0).tolist()
    result = {"loss_difference": found}
    print(f"  losses differ, epoch by epoch, by {_listed(found)}", flush=True)
    required = min(required, len(found))
    if max(found[:required]) > TOLERANCE:
        result["rounding_difference"] = []
        for seed in range(3):
            model.assign_values(net, start)
            random = np.random.default_rng(seed)
            for variable in net.trainable_variables:
                value = keras.ops.convert_to_numpy(variable)
                variable.assign((value * (1 + random.choice([-1e-7, 1e-7], value.shape))).astype(value.dtype))
            again = plain_fit(net, splits, batch_size, epochs, required).history
            result["rounding_difference"].append(loss_differences(ours[0][0].history, again))
        runs = "; ".join(map(_listed, result["rounding_difference"]))
        print(f"    more than {TOLERANCE}; plain Keras from itself, weights changed by 1e-7, three runs: {runs}")
    return result


def _listed(differences: Sequence[float]) -> str:
    return ", ".join(f"{x:.1g}" for x in differences)
