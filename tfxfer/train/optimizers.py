"""Optimizers: any of Keras's, its rate's course over the steps, and rates that differ within the network."""

import functools
import math
import re
from collections.abc import Callable, Mapping

import keras

from tfxfer import model
from tfxfer.core.errors import InputError
from tfxfer.model import backbones

SCHEDULES = ("cosine", "constant")
RATE = 1e-3
Rates = float | Mapping[str, float] | None
Optimizer = str | Callable[..., keras.optimizers.Optimizer] | keras.optimizers.Optimizer
Schedule = keras.optimizers.schedules.LearningRateSchedule
_WRAPPERS = ("MultiOptimizer", "LossScaleOptimizer")
HEAD = "logits"  # the group of all that no rate of the backbone's is for


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
    """An optimizer of what trains in `net`, or of a graph whose layers bear the same names.

    Args:
        net: from `model.build`.
        optimizer: the name of one of Keras's, or what makes one from `learning_rate=`: a class, or a class and its
            options in functools.partial; or one made already, of which copies are made.
        learning_rate: the highest rate, or an optimizer's own schedule; see `course`.
        backbone_learning_rate, stage_decay: other rates, see `groups`. All take the same course.
        schedule: "cosine" or "constant", see the function `schedule`.
        steps: in all epochs together.

    Returns:
        The optimizer itself where there is one rate. Otherwise Keras's MultiOptimizer: an optimizer per rate, named
        like the group, the head's last in `optimizers`. Its `learning_rate` cannot be read, as they differ; Keras's
        callbacks read and set each group's. `global_clipnorm` clips each group by itself.

    Raises:
        InputError: no such optimizer, schedule, stage or layer; rates out of range, or for what does not train.
    """
    make = _maker(optimizer, schedule, steps)
    if isinstance(learning_rate, Schedule):
        if backbone_learning_rate is not None or stage_decay is not None:
            raise InputError("the optimizer has a schedule of its own, so its rate is one for all: leave others out")
        return make(learning_rate)
    found = groups(net, learning_rate, backbone_learning_rate, stage_decay)
    if len(rates := {rate for rate, _ in found.values()}) == 1:
        return make(*rates)
    for layer in net.layers:
        if odd := [v.path for v in layer.trainable_variables if not v.path.startswith(f"{layer.name}/")]:
            raise InputError(f"{odd[0]} is not named after its layer {layer.name}, as rates need: use one for all")
    made = {name: make(rate) for name, (rate, _) in found.items()}
    for name in made:
        made[name].name = name  # Keras's callbacks log the rate under it; its own is numbered through the process
    *others, last = found
    patterns = {"|".join(f"{re.escape(layer)}/.*" for layer in found[name][1]): made[name] for name in others}
    return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(made[last], patterns))


def course(optimizer: Optimizer, learning_rate: float | None, schedule: str | None) -> tuple[float | Schedule, str]:
    """The highest rate and the name of its course: as given, by default 1e-3 and "cosine"; an optimizer that is made
    already brings both, "constant" if its rate is a number.

    Returns:
        The rate, and one of `SCHEDULES`; or an optimizer's own schedule, and its class's name.

    Raises:
        InputError: no such schedule, an optimizer that cannot be copied, or a rate beside one that has its own.
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
    found = keras.optimizers.schedules.deserialize(own)
    return found, type(found).__name__


def identity(optimizer: Optimizer) -> tuple:
    """What an optimizer is, the same in every process."""
    if isinstance(optimizer, functools.partial):
        return *identity(optimizer.func), optimizer.args, sorted(optimizer.keywords.items())
    if isinstance(optimizer, keras.optimizers.Optimizer):  # its name is numbered through the process
        settings = {name: value for name, value in optimizer.get_config().items() if name != "name"}
        return type(optimizer).__qualname__, sorted(settings.items())
    return (optimizer if isinstance(optimizer, str) else getattr(optimizer, "__qualname__", type(optimizer).__name__),)


def averages(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether averaged weights take the place of the last ones when training ends."""
    return any(part.use_ema for part in getattr(optimizer, "optimizers", [optimizer]))


def groups(
    net: keras.Model, learning_rate: float, backbone_learning_rate: Rates = None, stage_decay: float | None = None
) -> dict[str, tuple[float, list[str]]]:
    """Which rate is for which layers, of those that have something to train.

    Args:
        net: from `model.build`.
        learning_rate: of the head, and of all else that has no other.
        backbone_learning_rate: one rate for the backbone, or rates by name of a stage or layer; a layer's own name
            goes before its stage's.
        stage_decay: in (0, 1]: the last stage has `backbone_learning_rate` (or else `learning_rate`), each earlier one
            that of the next times this (layer-wise decay: Howard and Ruder 2018, arXiv:1801.06146; Bao et al. 2022,
            arXiv:2106.08254).

    Returns:
        By group ("backbone", a stage's or layer's name, and last "logits"): the rate and the layers' names.
    """
    by_name, given = isinstance(backbone_learning_rate, Mapping), {}  # given: group and rate by layer
    if stage_decay is not None and (by_name or not 0 < stage_decay <= 1):
        raise InputError(f"stage_decay {stage_decay}: expected above 0, at most 1, and no rates by name beside it")
    if by_name:
        given = _named(net, backbone_learning_rate)
    elif stage_decay is not None:
        rate = learning_rate if backbone_learning_rate is None else backbone_learning_rate
        for name, layers in reversed(model.stages(net).items()):
            given |= dict.fromkeys([layer.name for layer in layers], (name, rate))
            rate *= stage_decay
    elif backbone_learning_rate is not None:
        given = {layer.name: ("backbone", backbone_learning_rate) for layer in model.backbone_layers(net)}
    trained = [layer.name for layer in net.layers if layer.trainable_variables]
    if not trained or (given and not given.keys() & trained):
        raise InputError("nothing trains that a rate was given for: unfreeze some layers, or leave the rate out")
    found: dict[str, tuple[float, list[str]]] = {}
    for layer in sorted(trained, key=lambda layer: layer not in given):  # the head last
        name, rate = given.get(layer, (HEAD, learning_rate))
        if not 0 < rate < math.inf:
            raise InputError(f"learning rate {rate} of {name}: expected finite, above zero; 0 is for freezing to do")
        found.setdefault(name, (rate, []))[1].append(layer)
    return found


def _named(net: keras.Model, rates: Mapping[str, float]) -> dict[str, tuple[str, float]]:
    known = model.stages(net) if net.name in backbones.TABLE else {}
    stages = {name: [layer.name for layer in some if layer.trainable_variables] for name, some in known.items()}
    layers = {layer.name: [layer.name] for layer in model.backbone_layers(net) if layer.trainable_variables}
    given: dict[str, tuple[str, float]] = {}
    for name in sorted(rates, key=lambda name: name not in stages):  # layers behind their stages, which they override
        if not (chosen := stages.get(name) or layers.get(name)):
            trains = ", ".join([name for name, some in (stages | layers).items() if some][:20]) or "nothing"
            raise InputError(f"a rate came for {name!r}, where nothing trains; before {net.name}'s head: {trains}")
        given |= dict.fromkeys(chosen, (name, rates[name]))
    return given


def _copyable(optimizer: keras.optimizers.Optimizer) -> None:
    """Raises InputError for an optimizer whose settings do not say all about it."""
    if type(optimizer).__name__ in _WRAPPERS:
        raise InputError(f"optimizer: expected one of Keras's plain optimizers, got {type(optimizer).__name__}")
    if any(getattr(optimizer, f"_exclude_from_weight_decay{part}", None) for part in ("", "_pattern")):
        raise InputError(
            f"optimizer: {type(optimizer).__name__} excludes variables from weight decay, which a copy would lose: "
            "give a function of learning_rate that makes it so"
        )


def schedule(name: str, rate: float, steps: int) -> float | Schedule:
    """The course of a rate: "cosine" warms up linearly over the first tenth of all steps and decays to 0 by a half
    cosine (Loshchilov and Hutter 2017, arXiv:1608.03983); "constant" keeps the rate."""
    if name not in SCHEDULES:
        raise InputError(f"schedule {name!r}: expected one of {', '.join(SCHEDULES)}")
    if name == "constant":
        return float(rate)
    warmup = max(1, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        rate / warmup, max(1, steps - warmup), warmup_target=rate, warmup_steps=warmup
    )


def _maker(optimizer, course: str, steps: int) -> Callable[[float], keras.optimizers.Optimizer]:
    kind = keras.optimizers.Optimizer
    if isinstance(optimizer, str):
        known = {k.lower(): v for k, v in vars(keras.optimizers).items() if isinstance(v, type) and issubclass(v, kind)}
        names = sorted(known.keys() - {"optimizer", "multioptimizer", "lossscaleoptimizer"})
        if optimizer.lower() not in names:
            raise InputError(f"unknown optimizer {optimizer!r}: expected one of {', '.join(names)}, or a class")
        optimizer = known[optimizer.lower()]
    if isinstance(optimizer, kind):
        _copyable(optimizer)
        given, config = type(optimizer), {k: v for k, v in optimizer.get_config().items() if k != "name"}

        def optimizer(learning_rate):
            return given.from_config(config | {"learning_rate": learning_rate})

    if "learning_rate" in getattr(optimizer, "keywords", ()):
        raise InputError(f"optimizer {optimizer} has a rate, which would be replaced: pass its class, or a partial")

    def make(rate: float | Schedule) -> keras.optimizers.Optimizer:
        rate = rate if isinstance(rate, Schedule) else schedule(course, rate, steps)
        try:
            made = optimizer(learning_rate=rate)
        except (TypeError, ValueError) as error:
            made = error
        if not isinstance(made, kind):
            raise InputError(f"optimizer {optimizer} gives {made!r}: expected a name, a class or a functools.partial")
        return made

    return make
