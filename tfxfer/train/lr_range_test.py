"""The learning-rate range test: a short training whose rate grows until the loss explodes."""

from dataclasses import dataclass

import keras
import numpy as np

from tfxfer import model
from tfxfer.core.count_progress import track
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.features.activation_cache import Activations
from tfxfer.train import checks, optimizers
from tfxfer.train.steps import Steps
from tfxfer.train.tail import cut

BETA = 0.98  # of the running mean of losses
DIVERGED = 4.0  # times the lowest loss: the test ends there


@dataclass(frozen=True)
class LearningRates:
    """The result of a learning-rate range test.

    Attributes:
        rates: the rates that were tried, ascending.
        losses: the loss at each rate, as a running mean corrected for its start.
        suggestion: a tenth of the rate with the lowest loss, beyond which training becomes unstable.
    """

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
    cache: str | Activations = "auto",
) -> LearningRates:
    """Trains with a rate that grows exponentially, until the loss explodes (Smith 2017, arXiv:1506.01186).

    Afterwards weights, moving statistics, random states and the optimizer that `net` was compiled with are as before,
    and no global random number has been drawn.

    Args:
        net: from `model.build`, with the layers unfrozen that are to train.
        splits: trains on `train` alone.
        lowest, highest: the range of rates, used in place of an optimizer's own.
        steps: batches at most, 10 or more; the training images are used as often as that takes.
        batch_size, optimizer, cache: as `fit` takes them.
        seed: random seed of the order of the images.

    Raises:
        InputError: arguments out of range, or a loss that never falls.
    """
    checks.kinds(locals())
    checks.network(net, splits)
    if not 0 < lowest < highest or min(steps - 9, batch_size) < 1:
        raise InputError(
            f"lowest {lowest}, highest {highest}, steps {steps}: expected rising rates, and at least 10 steps"
        )
    rates, losses, mean = np.geomspace(lowest, highest, steps), [], 0.0
    before = model.values(net)
    tail = cut(net, splits, cache)
    epochs = -(-steps * batch_size // splits.size("train"))
    elements = iter(tail.batches("train", batch_size, seed=seed, epochs=epochs + 1))
    algorithm = optimizers.create(net, optimizer, lowest, schedule="constant", steps=steps)
    step = Steps(tail.net, algorithm)
    try:
        for number, rate in enumerate(track(rates, "learning rates", steps, "steps"), start=1):
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
