"""The precision of the backbone's arithmetic: float32, bfloat16 or float16.

Weights, head and exported files stay float32.
"""

import contextlib
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf

from tfxfer import model
from tfxfer.core import atomic, distribute, live_lines
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.train import compilation, fast_convolution

PRECISIONS = ("float32", "bfloat16", "float16", "auto")
BFLOAT16_GPUS = (8, 0)  # NVIDIA's compute capability from which tensor cores take bfloat16


def check(precision: str) -> None:
    """Raises InputError for anything but the names in `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")


@contextlib.contextmanager
def compute(net: keras.Model, precision: str) -> Iterator[None]:
    """Lets the backbone's layers compute in "float32", "bfloat16" or "float16" within the block, and then as before.

    With the shorter two their policy is Keras's `mixed_bfloat16` or `mixed_float16`, in which variables stay float32.
    """
    body = model.backbone_layers(net) if precision != "float32" else []
    before = [layer.dtype_policy for layer in body]
    for layer in body:
        layer.dtype_policy = f"mixed_{precision}"
    try:
        yield
    finally:
        for layer, policy in zip(body, before):
            layer.dtype_policy = policy


def loss_scaled(optimizer: keras.optimizers.Optimizer, precision: str) -> keras.optimizers.Optimizer:
    """The optimizer that training steps use: the given one, with "float16" in Keras's LossScaleOptimizer.

    float16 has no numbers between 0 and 6e-8, where many gradients are. Keras multiplies the loss by 32,768 and divides
    the gradients by it again; a step whose gradients overflow is skipped and halves the factor (Micikevicius et al.
    2018, arXiv:1710.03740). bfloat16 has float32's range and needs none of that.
    """
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == "float16" else optimizer


def candidates(strategy: tf.distribute.Strategy | None = None) -> tuple[str, str]:
    """What "auto" times on the devices at hand: float32, and the shorter precision that is best there.

    That is float16 on GPUs whose tensor cores do not take bfloat16, such as Colab's T4 (compute capability 7.5), and on
    those that do not tell; everywhere else bfloat16. Newer GPUs compute in both at the same speed, and bfloat16 cannot
    overflow.
    """
    on_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
    gpus = [] if on_tpu else tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    old = any(found.get("compute_capability", (0, 0)) < BFLOAT16_GPUS for found in details)
    return "float32", "float16" if old else "bfloat16"


def choose(
    net: keras.Model,
    splits: Splits,
    batch_size: int,
    precision: str,
    strategy: tf.distribute.Strategy | None = None,
    *,
    jit: str = "off",
    repeats: int = 5,
    record: Path | None = None,
) -> tuple[str, dict[str, float]]:
    """Resolves "auto" by timing forward and backward passes of one batch of this very graph.

    It compares what `candidates` names, on one device or on the replicas of this machine.

    Args:
        net: from `model.build`; it is left as it was.
        splits: the first training batch is used.
        batch_size: images per step.
        precision: one of `PRECISIONS`.
        strategy: as `fit` takes it; all workers take the choice of the first.
        jit: as `fit` takes it; unless it is "off", XLA compiles what is timed where "auto" does.
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
        compiled = jit != "off" and compilation.choose(net, "auto", strategy)
        content = json.dumps(_race(net, splits, batch_size, strategy, compiled, repeats)).encode()
        if record and distribute.is_chief(strategy):
            with atomic.file(record) as beside:
                beside.write_bytes(content)
    seconds: dict[str, float] = json.loads(distribute.broadcast(strategy, content))
    return min(seconds, key=seconds.__getitem__), seconds


@live_lines.line("timing precisions", after=live_lines.PATIENCE)
def _race(
    net: keras.Model,
    splits: Splits,
    batch_size: int,
    strategy: tf.distribute.Strategy | None,
    compiled: bool,
    repeats: int,
) -> dict[str, float]:
    """Median seconds per batch of each precision."""
    strategy = None if distribute.workers(strategy) > 1 else strategy  # workers need not wait for each other
    replicas = distribute.default(strategy).num_replicas_in_sync
    batch = next(iter(splits.batches("train", -(-batch_size // replicas))))
    before = model.values(net)  # a step in training mode changes moving statistics and random states
    seconds = {}
    try:
        for name in candidates(strategy):
            with compute(net, name):
                local = distribute.mirror(net, strategy)
                seconds[name] = _time(local, batch["image"], batch["label"], strategy, compiled, repeats)
    finally:
        model.assign_values(net, before)
    return seconds


def _time(
    net: keras.Model,
    images: tf.Tensor,
    labels: tf.Tensor,
    strategy: tf.distribute.Strategy | None,
    compiled: bool,
    repeats: int,
) -> float:
    def step() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            losses = keras.losses.sparse_categorical_crossentropy(labels, net(images, training=True), from_logits=True)
            loss = tf.reduce_mean(losses)
        return loss, tape.gradient(loss, [variable.value for variable in net.trainable_variables])

    runner, step = distribute.default(strategy), compilation.function(step, compiled, strategy)

    @tf.function(autograph=False)
    def everywhere() -> tuple[tf.Tensor, list[tf.Tensor]]:
        loss, gradients = runner.run(step)
        return runner.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None), gradients

    with fast_convolution.trained_fast(net):
        traced = everywhere.get_concrete_function()

    def seconds() -> float:
        started = time.perf_counter()
        float(traced()[0])
        return time.perf_counter() - started

    seconds()  # XLA compiles, and memory is allocated
    return statistics.median(seconds() for _ in range(repeats))
