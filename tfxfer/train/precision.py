"""The precision of the backbone's arithmetic, float32 or bfloat16; weights, head and exported files stay float32."""

import contextlib
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf

from tfxfer import model
from tfxfer.core import atomic, distribute
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.train import fast_convolution

PRECISIONS = ("float32", "bfloat16", "auto")


def check(precision: str) -> None:
    """Raises InputError for anything but the names in `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")


@contextlib.contextmanager
def compute(net: keras.Model, precision: str) -> Iterator[None]:
    """Lets the backbone's layers compute in "float32" or "bfloat16" within the block, and then as before.

    With "bfloat16" their policy is Keras's `mixed_bfloat16`, in which variables stay float32.
    """
    body = model.backbone_layers(net) if precision == "bfloat16" else []
    before = [layer.dtype_policy for layer in body]
    for layer in body:
        layer.dtype_policy = "mixed_bfloat16"
    try:
        yield
    finally:
        for layer, policy in zip(body, before):
            layer.dtype_policy = policy


def choose(
    net: keras.Model,
    splits: Splits,
    batch_size: int,
    precision: str,
    strategy: tf.distribute.Strategy | None = None,
    *,
    repeats: int = 5,
    record: Path | None = None,
) -> tuple[str, dict[str, float]]:
    """Resolves "auto" by timing forward and backward passes of one batch of this very graph in both precisions.

    Args:
        net: from `model.build`; it is left as it was.
        splits: the first training batch is used.
        batch_size: images per step.
        precision: one of `PRECISIONS`.
        strategy: all workers take the choice of the first.
        repeats: how many times each precision is timed, after one step to trace it.
        record: a file that holds an earlier choice, or receives this one: a training that is resumed must not choose
            again.

    Returns:
        The faster precision, and the median seconds per batch of each. Without "auto", the given precision and an empty
        dict.

    Raises:
        InputError: an unknown precision.
    """
    check(precision)
    if precision != "auto":
        return precision, {}
    if record and record.exists():
        content = record.read_bytes()
    else:
        content = json.dumps(_race(net, splits, batch_size, repeats)).encode()
        if record and distribute.is_chief(strategy):
            with atomic.file(record) as beside:
                beside.write_bytes(content)
    seconds: dict[str, float] = json.loads(distribute.broadcast(strategy, content))
    return min(seconds, key=seconds.__getitem__), seconds


def _race(net: keras.Model, splits: Splits, batch_size: int, repeats: int) -> dict[str, float]:
    """Median seconds per batch of each precision."""
    batch = next(iter(splits.batches("train", batch_size)))
    before = model.values(net)  # a step in training mode changes moving statistics and random states
    seconds = {}
    try:
        for name in ("float32", "bfloat16"):
            with compute(net, name):
                seconds[name] = _time(net, batch["image"], batch["label"], repeats)
    finally:
        model.assign_values(net, before)
    return seconds


def _time(net: keras.Model, images: tf.Tensor, labels: tf.Tensor, repeats: int) -> float:
    @tf.function
    def step() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape, fast_convolution.trained_fast(net):
            losses = keras.losses.sparse_categorical_crossentropy(labels, net(images, training=True), from_logits=True)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, [variable.value for variable in net.trainable_variables])
        return loss, gradients

    def seconds() -> float:
        started = time.perf_counter()
        float(step()[0])
        return time.perf_counter() - started

    seconds()  # traces
    return statistics.median(seconds() for _ in range(repeats))
