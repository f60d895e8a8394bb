"""The learning-rate range test."""

from dataclasses import dataclass

import keras
import numpy as np

from tfxfer import model
from tfxfer.core import batching, distribute
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.features import activation_cache, frozen_prefix
from tfxfer.train import checks, optimizers
from tfxfer.train.loop import Steps

BETA = 0.98  # of the running mean of losses
DIVERGED = 4.0  # times the lowest loss


@dataclass(frozen=True)
class LearningRates:
    """`rates` and the `losses` (running means, corrected for the start) at each; `suggestion` is a tenth of the rate
    with the lowest loss, beyond which training becomes unstable."""

    rates: list[float]
    losses: list[float]
    suggestion: float


def find_learning_rate(
    net: keras.Model,
    splits: Splits,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    *,
    batch_size: int = 32,
    optimizer: optimizers.Optimizer = "adam",
    seed: int = 0,
    cache: str = "auto",
) -> LearningRates:
    """Trains with a rate that grows exponentially, until the loss explodes (Smith 2017, arXiv:1506.01186).

    Weights, moving statistics, random states and the optimizer `net` is compiled with are as before afterwards, and no
    global random number is drawn.

    Args:
        net: from `model.build`, with what shall train unfrozen.
        lowest, highest: the range of rates, which take the place of an optimizer's own.
        steps: batches at most; the training images are gone through as often as that takes.

    Raises:
        InputError: arguments out of range, or a loss that never falls.
    """
    checks.kinds(locals())
    checks.network(net, splits)
    if not 0 < lowest < highest or min(steps - 9, batch_size) < 1:
        raise InputError(f"lowest {lowest}, highest {highest}, steps {steps}: expected rising rates, and 10 steps")
    activation_cache.check_mode(cache, 0)
    rates, losses, mean = np.geomspace(lowest, highest, steps), [], 0.0
    before = model.values(net)
    where = frozen_prefix.frontier(net)
    found = activation_cache.compute(net, where.tensors, splits, cache) if where.frozen and cache != "off" else None
    read = found.reader("train", where.tensors) if found else splits.pairs("train")
    epochs = -(-steps * batch_size // splits.size("train"))
    rows = batching.batches(splits.size("train"), batch_size, seed, epochs=epochs + 1)
    elements = iter(distribute.distribute(None, rows, lambda r, weight: (read(r), weight), batch_size))
    trained = frozen_prefix.tail(net, where) if found else net
    algorithm = optimizers.create(net, optimizer, lowest, schedule="constant", steps=steps)
    step = Steps(trained, algorithm, None, 0.0)
    try:
        for number, rate in enumerate(rates, start=1):
            algorithm.learning_rate = rate
            loss, _, count = step.train(elements, 1)
            mean = BETA * mean + (1 - BETA) * loss / count
            losses.append(float(mean / (1 - BETA**number)))
            if not losses[-1] <= DIVERGED * min(losses):
                break
    finally:
        model.assign_values(net, before)
    lowest_loss = int(np.nanargmin(losses))
    if lowest_loss == 0:
        raise InputError(f"the loss does not fall from {lowest} to {highest}: try a lower range")
    return LearningRates(rates[: len(losses)].tolist(), losses, float(rates[lowest_loss] / 10))
