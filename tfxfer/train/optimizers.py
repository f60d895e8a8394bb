"""Optimizers: any Keras optimizer, its learning-rate schedule, and rates that differ within the network."""

import functools
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import keras
from keras.optimizers.schedules import LearningRateSchedule as Schedule

from tfxfer.core.errors import InputError
from tfxfer.train.rate_groups import Rates, groups

SCHEDULES = ("cosine", "constant")
RATE = 1e-3
Optimizer: TypeAlias = str | Callable[..., keras.optimizers.Optimizer] | keras.optimizers.Optimizer
_WRAPPERS = ("MultiOptimizer", "LossScaleOptimizer")


def create(
    net: keras.Model,
    optimizer: Optimizer,
    learning_rate: float | Schedule,
    *,
    backbone_learning_rate: Rates = None,
    stage_decay: float | None = None,
    schedule: str = "cosine",
    steps: int,
) -> keras.optimizers.Optimizer:
    """Creates an optimizer for what trains in `net`, or in a graph whose layers have the same names.

    Args:
        net: from `model.build`.
        optimizer: the name of a Keras optimizer, or something that makes one from `learning_rate=`: a class, or a class
            and its options in functools.partial; or an optimizer object, which is copied.
        learning_rate: the highest rate, or an optimizer's own schedule; see `course`.
        backbone_learning_rate, stage_decay: other rates, see `rate_groups.groups`. All follow the same schedule.
        schedule: "cosine" or "constant", see the function `schedule`.
        steps: training steps in all epochs together.

    Returns:
        A plain optimizer if there is only one rate. Otherwise Keras's MultiOptimizer with one optimizer per rate, named
        after its group, the head's last in `optimizers`. Its own `learning_rate` cannot be read, as the rates differ;
        Keras's callbacks read and set that of each group. `global_clipnorm` clips each group by itself.

    Raises:
        InputError: an unknown optimizer, schedule, stage or layer; rates out of range, or for layers that do not train.
    """
    make = _maker(optimizer, schedule, steps)
    if isinstance(learning_rate, Schedule):
        if backbone_learning_rate is not None or stage_decay is not None:
            raise InputError(
                "the optimizer has a schedule of its own, so all layers share its rate: leave out the other rates"
            )
        return make(learning_rate)
    layers_by_rate = groups(net, learning_rate, backbone_learning_rate, stage_decay)
    if len(rates := {rate for rate, _ in layers_by_rate.values()}) == 1:
        return make(*rates)
    for layer in net.layers:
        if odd := [v.path for v in layer.trainable_variables if not v.path.startswith(f"{layer.name}/")]:
            raise InputError(
                f"{odd[0]} is not named after its layer {layer.name}, as several rates require: use one rate"
            )
    optimizers = {name: make(rate) for name, (rate, _) in layers_by_rate.items()}
    for name in optimizers:
        optimizers[name].name = name  # Keras's callbacks log the rate under it; its own would be numbered
    *others, last = layers_by_rate
    patterns = {
        "|".join(f"{re.escape(layer)}/.*" for layer in layers_by_rate[name][1]): optimizers[name] for name in others
    }
    return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(optimizers[last], patterns))


def course(optimizer: Optimizer, learning_rate: float | None, schedule: str | None) -> tuple[float | Schedule, str]:
    """The highest learning rate and the name of its schedule.

    Without any they are 1e-3 and "cosine". An optimizer object has a rate of its own; it is constant if it is a number
    and no schedule is given.

    Returns:
        The rate, and one of `SCHEDULES`; or the optimizer's own schedule, and the name of its class.

    Raises:
        InputError: an unknown schedule, an optimizer that cannot be copied, or a rate beside an optimizer's own.
    """
    if schedule is not None and schedule not in SCHEDULES:
        raise InputError(f"schedule {schedule!r}: expected one of {', '.join(SCHEDULES)}")
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        return RATE if learning_rate is None else learning_rate, schedule or "cosine"
    _copyable(optimizer)
    name, own = type(optimizer).__name__, optimizer.get_config()["learning_rate"]
    if learning_rate is not None:
        raise InputError(
            f"learning_rate {learning_rate}: the optimizer {name} has its own; leave learning_rate out, or give the "
            f"class keras.optimizers.{name}"
        )
    if isinstance(own, float):
        return own, schedule or "constant"
    if schedule is not None:
        raise InputError(f"schedule {schedule!r}: the optimizer {name} has its own; leave schedule out")
    own_schedule = keras.optimizers.schedules.deserialize(own)
    return own_schedule, type(own_schedule).__name__


def identity(optimizer: Optimizer) -> tuple:
    """What makes an optimizer the same in another process: its class and settings, or its name."""
    if isinstance(optimizer, functools.partial):
        return *identity(optimizer.func), optimizer.args, sorted(optimizer.keywords.items())
    if isinstance(optimizer, keras.optimizers.Optimizer):  # its name has a number that depends on the process
        settings = {name: value for name, value in optimizer.get_config().items() if name != "name"}
        return type(optimizer).__qualname__, sorted(settings.items())
    return (optimizer if isinstance(optimizer, str) else getattr(optimizer, "__qualname__", type(optimizer).__name__),)


def averages(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether averages of the weights replace the last weights when training ends."""
    return any(part.use_ema for part in getattr(optimizer, "optimizers", [optimizer]))


def _copyable(optimizer: keras.optimizers.Optimizer) -> None:
    """Raises InputError for an optimizer that cannot be made again from its settings."""
    if type(optimizer).__name__ in _WRAPPERS:
        raise InputError(f"optimizer: expected one of Keras's plain optimizers, got {type(optimizer).__name__}")
    if any(getattr(optimizer, f"_exclude_from_weight_decay{part}", None) for part in ("", "_pattern")):
        raise InputError(
            f"optimizer: {type(optimizer).__name__} excludes variables from weight decay, which a copy would lose: "
            "give a function of learning_rate that makes it so"
        )


def schedule(name: str, rate: float, steps: int) -> float | Schedule:
    """A learning-rate schedule, as Keras's optimizers take it.

    Args:
        name: "cosine", which warms up linearly over the first tenth of all steps and then decays to 0 as half a cosine
            (Loshchilov and Hutter 2017, arXiv:1608.03983), or "constant".
        rate: the highest rate.
        steps: training steps in all epochs together.

    Raises:
        InputError: an unknown schedule.
    """
    if name not in SCHEDULES:
        raise InputError(f"schedule {name!r}: expected one of {', '.join(SCHEDULES)}")
    if name == "constant":
        return float(rate)
    warmup = max(1, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        rate / warmup, max(1, steps - warmup), warmup_target=rate, warmup_steps=warmup
    )


def _maker(optimizer: Optimizer, course: str, steps: int) -> Callable[[float | Schedule], keras.optimizers.Optimizer]:
    """A function from a learning rate to a new optimizer."""
    build = _constructor(optimizer)
    if "learning_rate" in getattr(build, "keywords", ()):
        raise InputError(f"optimizer {build} has a rate, which would be replaced: leave learning_rate out of it")

    def make(rate: float | Schedule) -> keras.optimizers.Optimizer:
        rate = rate if isinstance(rate, Schedule) else schedule(course, rate, steps)
        try:
            result = build(learning_rate=rate)
        except (TypeError, ValueError) as error:
            result = error
        if not isinstance(result, keras.optimizers.Optimizer):
            raise InputError(f"optimizer {build} gives {result!r}: expected a name, a class or a functools.partial")
        return result

    return make


def _constructor(optimizer: Optimizer) -> Callable[..., Any]:
    """A function from `learning_rate=` to an optimizer: the class of a name, a copier of an object, or the argument."""
    kind = keras.optimizers.Optimizer
    if isinstance(optimizer, str):
        known = {k.lower(): v for k, v in vars(keras.optimizers).items() if isinstance(v, type) and issubclass(v, kind)}
        names = sorted(known.keys() - {"optimizer", "multioptimizer", "lossscaleoptimizer"})
        if optimizer.lower() not in names:
            raise InputError(f"unknown optimizer {optimizer!r}: expected one of {', '.join(names)}, or a class")
        return known[optimizer.lower()]
    if isinstance(optimizer, kind):
        _copyable(optimizer)
        config = {name: value for name, value in optimizer.get_config().items() if name != "name"}
        return lambda learning_rate: type(optimizer).from_config(config | {"learning_rate": learning_rate})
    return optimizer
