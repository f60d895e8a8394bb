"""What the work costs at best, by the forward passes it takes: the bounds on every ratio, and ratios beside them."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tfxfer import model
from tfxfer.features import frozen_prefix

GOAL = 0.8  # of a bound


@dataclass
class Cost:
    """`forward`: seconds of a forward pass over the training images; `t`: the tail's share; `v`: validation images by
    training images; `backward`: of the tail, by its forward, as measured. The bounds reckon with 2."""

    forward: float
    t: float
    v: float
    backward: float = 2.0

    @property
    def plain(self) -> float:
        """Seconds an epoch."""
        return self.forward * (1 + 2 * self.t + self.v)

    @property
    def ours(self) -> float:
        return self.forward * self.t * (3 + self.v)

    @property
    def cache(self) -> float:
        return self.forward * (1 + self.v)

    def epoch_bounds(self) -> dict[str, float]:
        """On the ratio of epochs: with validation, without it, and with validation and the measured backward."""
        t, v, b = self.t, self.v, self.backward
        real = (1 + b * t + v) / (t * (1 + b + v))
        return {"epoch_bound": self.plain / self.ours, "simple_bound": (1 + 2 * t) / (3 * t), "measured_bound": real}

    def show(self, title: str = "") -> dict[str, float]:
        """Prints and returns all of it."""
        found = {"forward_seconds": self.forward, "t": self.t, "v": self.v, "backward": self.backward}
        found |= self.epoch_bounds()
        print(f"  {title}{listed(found)}", flush=True)
        return found


def costs(net, splits, batch_size: int, depths: Sequence[int | str], repeats: int = 5) -> list[Cost]:
    """Times the whole forward and each tail's, without and with backward, in turn, over the same batches; medians.

    The network's freezing stays at the last depth.
    """
    most = min(16, splits.size("train") // batch_size)
    if most < 1:
        raise SystemExit(f"--batch-size {batch_size} is more than the {splits.size('train')} training images")
    rows = splits.rows["train"]
    images, labels = (tf.constant(column[: most * batch_size]) for column in (rows.images, rows.labels))
    images, labels = (tf.reshape(column, (most, batch_size, *column.shape[1:])) for column in (images, labels))
    functions = [_over(net, [images])]
    functions[0](1)  # traces
    steps = int(np.clip(3 / functions[0](1), 1, most))  # 3 seconds a pass will do
    for depth in depths:
        model.unfreeze_last(net, depth)
        cut = frozen_prefix.frontier(net)
        before = keras.Model(net.input, list(cut.tensors.values()))
        parts = [tf.nest.flatten(before(batch, training=False)) for batch in images[:steps]]
        inputs, tail = [tf.stack(column) for column in zip(*parts)], frozen_prefix.tail(net, cut)
        functions += [_over(tail, inputs), _over(tail, inputs, labels, net.trainable_variables)]
        functions[-1](1)  # traces what trains now
    seconds = [[once(steps) for once in functions] for _ in range(repeats + 1)]
    whole, *tails = np.median(seconds[1:], axis=0).tolist()
    scale, v = splits.size("train") / (steps * batch_size), splits.size("validation") / splits.size("train")
    return [Cost(whole * scale, once / whole, v, both / once - 1) for once, both in zip(tails[::2], tails[1::2])]


def _over(net: keras.Model, inputs: list[tf.Tensor], labels=None, variables=()) -> Callable[[int], float]:
    """A function that times so many batches in one call, forward or, with variables, their gradients too."""

    @tf.function
    def several(steps):
        total = tf.zeros(())
        for i in tf.range(steps):
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)
            batch = [tensor[i] for tensor in inputs]
            with tf.GradientTape() as tape:
                result = net(batch if len(batch) > 1 else batch[0], training=bool(variables))
                if variables:
                    losses = keras.losses.sparse_categorical_crossentropy(labels[i], result, from_logits=True)
                    result = tf.reduce_mean(losses)
            parts = tape.gradient(result, [variable.value for variable in variables]) if variables else [result]
            total += tf.add_n([tf.reduce_sum(part) for part in parts])
        return total

    def once(steps: int) -> float:
        started = time.perf_counter()
        float(several(tf.constant(steps)))
        return time.perf_counter() - started

    return once


def paired(plain: Sequence[float], ours: Sequence[float]) -> list[float]:
    """Ratios of one to one, as far as there are both."""
    return [a / b for a, b in zip(plain, ours)]


def summary(name: str, ratios: Sequence[float], bound: float, goal: float = GOAL) -> dict:
    """Prints and returns the median ratio, its spread, the bound and the share of it that is reached."""
    ratio, low, high = statistics.median(ratios), min(ratios), max(ratios)
    print(
        f"  {name}: ratio {ratio:.3g} ({low:.3g} to {high:.3g}, {len(ratios)} pairs), bound {bound:.3g}, "
        f"reached {ratio / bound:.2f} (goal {goal})",
        flush=True,
    )
    found = {"ratio": ratio, "spread": [low, high], "bound": bound, "share": ratio / bound}
    return {f"{name.replace(' ', '_')}_{key}": value for key, value in found.items()}


def against(way: str, timings: Sequence, least: float, later: int = 1) -> dict:
    """Prints and returns median seconds of one way's fits: an epoch (from number `later`), also by the least it can
    take; the first; what is outside of epochs (ours: the cache); all together."""
    median = statistics.median
    found = {
        "epoch_seconds": (epoch := median(seconds for timing in timings for seconds in timing.epochs[later:])),
        "epoch_by_least": epoch / least,
        "first_epoch_seconds": median(timing.epochs[0] for timing in timings),
        "outside_seconds": median(timing.outside for timing in timings),
        "total_seconds": median(timing.seconds for timing in timings),
    }
    print(f"  {way}: {listed(found)}", flush=True)
    return found


def listed(found: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in found.items())
