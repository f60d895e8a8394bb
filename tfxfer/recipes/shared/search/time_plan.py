"""What fits into the time: the size of the pictures, how deep to train, how many trials and epochs."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxfer import model
from tfxfer.model import freezing

SIZES = (96, 128, 160, 192, 224)
SMALLEST = 64  # for pictures that are no larger themselves
ENLARGED = 4  # times its own size is the most that a picture is enlarged to
TRACING = 5.0  # seconds before the first step of a trial
BACKWARD = 3.0  # a training step takes so many times as long as its forward pass
PASSES = 12  # forward passes over the training images that should fit into the time
EXPLORE, LEARNING_CURVE, ENDING = 0.3, 0.1, 0.05  # shares of the time: trials, learning curve, interpolation
EPOCHS = 3  # of an explored trial
EXPLORED = 2000  # training images of the first round
FEWEST = 3  # epochs of a refinement for which a depth has to leave time
DEPTHS = 4


@dataclass(frozen=True)
class Plan:
    """What a search will do; printed before it begins, and recorded.

    Attributes:
        image_size: pixels per side.
        seconds_per_image: of a forward pass through the whole network, on this machine.
        depths: what trials train, from the least to the most.
        explored: how many settings are tried.
        images: the training images of a trial of the first round.
        refined_epochs: how many epochs of the deepest setting would fit into the rest.
    """

    image_size: int
    seconds_per_image: float
    depths: list[int | str]
    explored: int
    images: int
    refined_epochs: int


def seconds_per_image(net: keras.Model, batch: int = 32, repeats: int = 3) -> float:
    """Measures a forward pass of a network on random pixels: the least of several, for other programs only add."""
    shape = (batch, *net.input_shape[1:])
    images = tf.constant(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    forward = tf.function(lambda x: net(x, training=False), autograph=False)
    forward(images)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        forward(images).numpy()
        times.append(time.perf_counter() - started)
    return min(times) / batch


def image_size(seconds: float, measured_at: int, images: int, side: int | None, limit: float) -> int:
    """The largest of `SIZES` at which `PASSES` forward passes over the images fit into the time.

    Args:
        seconds: of a forward pass of one image.
        measured_at: its size; the time grows with the area.
        images: the number of training images.
        side: the shorter side of the pictures themselves, None if they differ: nothing is enlarged more than four
            times, and pictures of 64 pixels or less may be seen at 64.
        limit: seconds for the search.
    """
    sizes: Sequence[int] = SIZES
    if side is not None:
        sizes = [size for size in (SMALLEST, *SIZES) if size <= max(SIZES[0], ENLARGED * side)]
        sizes = sizes if side <= SMALLEST else sizes[1:]
    fits = [size for size in sizes if PASSES * images * seconds * (size / measured_at) ** 2 <= limit]
    return max(fits, default=min(sizes))


def work_from(net: keras.Model) -> dict[str, float]:
    """By stage, the share of a forward pass's multiplications from this stage to the end, in (0, 1]."""
    stages = model.stages(net)
    each = {name: sum(map(_work, layers)) for name, layers in stages.items()}
    total, left = sum(each.values()) or 1.0, sum(each.values())
    shares = {}
    for name, amount in each.items():
        shares[name] = max(left / total, 1e-3)
        left -= amount
    return shares


def _work(layer: keras.Layer) -> float:
    kernels = [weight for weight in layer.weights if len(weight.shape) in (2, 4)]
    shape = freezing.output_shape(layer)
    places = math.prod(shape[1:3]) if len(shape) == 4 and None not in shape[1:3] else 1
    slow = 4.0 if isinstance(layer, keras.layers.DepthwiseConv2D) else 1.0  # multiplications that wait for memory
    return slow * places * sum(math.prod(kernel.shape) for kernel in kernels)


def make(
    net: keras.Model, size: int, seconds: float, train: int, validation: int, limit: float, rates: int, folds: int
) -> Plan:
    """Plans the trials of a search.

    Args:
        net: the first candidate, at its size.
        size: pixels per side.
        seconds: of a forward pass of one image at this size.
        train, validation: the numbers of images.
        limit: seconds for the search.
        rates: how many learning rates each depth is tried with.
        folds: how many times each setting is trained.
    """
    shares = work_from(net)
    each = {name: folds * seconds * share * (BACKWARD * train + validation) for name, share in shares.items()}
    rest = limit * (1 - EXPLORE - LEARNING_CURVE - ENDING)
    last = model.depth(net, "last")
    usual = [name for name in shares if model.depth(net, name) >= last]  # a 1 x 1 convolution alone is hardly worth it
    affordable = [name for name in usual if FEWEST * each[name] <= rest] or [usual[-1]]
    depths = _spread(affordable, shares)
    images = min(train, EXPLORED)
    trials = [folds * TRACING + EPOCHS * each[name] * images / train for name in depths for _ in range(rates)]
    explored, spent = 0, 0.0
    for cost in trials:
        spent += cost
        explored += spent <= 0.6 * EXPLORE * limit
    epochs = int(rest / each[depths[-1]])
    return Plan(size, seconds, list(depths), explored if explored > 1 else 0, images, max(1, epochs))


def _spread(stages: Sequence[str], shares: dict[str, float]) -> list[Any]:
    """At most `DEPTHS` of the stages, from the least to the most work: the ends, and what divides it evenly."""
    if len(stages) <= DEPTHS:
        chosen = list(stages)
    else:
        least, most = math.log(shares[stages[-1]]), math.log(shares[stages[0]])
        wanted = np.linspace(least, most, DEPTHS)
        chosen = [min(stages, key=lambda name: abs(math.log(shares[name]) - point)) for point in wanted]
    return sorted(dict.fromkeys(chosen), key=lambda name: shares[name])
