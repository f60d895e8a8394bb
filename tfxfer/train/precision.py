"""float32 or bfloat16 for the backbone's arithmetic; weights, head and whatever leaves the lab stay float32."""

import contextlib
import json
import statistics
import time
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
    """Raises InputError if it is none of `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")


@contextlib.contextmanager
def compute(net: keras.Model, precision: str):
    """Within the block the backbone's layers compute in "float32" or "bfloat16" (Keras's `mixed_bfloat16`: variables
    stay float32); afterwards as before."""
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
    kept: Path | None = None,
) -> tuple[str, dict[str, float]]:
    """Resolves "auto": times forward and backward of one batch of this very graph in both precisions.

    Args:
        kept: a file that holds an earlier choice, or gets this one: a training that is resumed may not choose anew.

    Returns:
        The faster precision, and the median seconds a batch of each; what is not "auto" comes back as it is, untimed.
    """
    check(precision)
    if precision != "auto":
        return precision, {}
    if kept and kept.exists():
        content = kept.read_bytes()
    else:
        content = json.dumps(_race(net, splits, batch_size, repeats)).encode()
        if kept and distribute.is_chief(strategy):
            with atomic.file(kept) as beside:
                beside.write_bytes(content)
    seconds = json.loads(distribute.broadcast(strategy, content))
    return min(seconds, key=seconds.get), seconds


def _race(net: keras.Model, splits: Splits, batch_size: int, repeats: int) -> dict[str, float]:
    batch = next(iter(splits.batches("train", batch_size)))
    before = model.values(net)  # training mode moves statistics and random states
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
    def step():
        with tf.GradientTape() as tape, fast_convolution.trained_fast(net):
            losses = keras.losses.sparse_categorical_crossentropy(labels, net(images, training=True), from_logits=True)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, [variable.value for variable in net.trainable_variables])
        return loss, gradients

    def once() -> float:
        started = time.perf_counter()
        float(step()[0])
        return time.perf_counter() - started

    once()  # traces
    return statistics.median(once() for _ in range(repeats))
