"""Options that recipes share, checked before anything is loaded: what is wrong should not cost an afternoon."""

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tfxfer.core.errors import InputError
from tfxfer.core.numbers import check_share


def check(arguments: Mapping[str, Any]) -> None:
    """Checks those arguments of a recipe that are wrong whatever the data and the network are.

    Raises:
        InputError: the first that is wrong.
    """
    for name, wrong in _CHECKS.items():
        if name in arguments:
            wrong(name, arguments)


def anywhere(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's arguments as they mean the same in any folder, as JSON has them: paths are absolute.

    Raises:
        InputError: a data set's path that is no folder.
    """
    from tfxfer.data import sources

    found = {k: v if isinstance(v, int | float | str | None) else str(v) for k, v in arguments.items()}
    if "dataset" in found:
        found["dataset"] = sources.full_name(arguments["dataset"])
    for name in ("data_dir", "out", "weights", "frost_textures"):
        if found.get(name) and not (name == "weights" and found[name] in ("imagenet", "none")):
            found[name] = str(Path(os.path.expanduser(found[name])).absolute())
    return found


def _positive(name: str, arguments: Mapping[str, Any]) -> None:
    if not 0 < arguments[name] < math.inf:
        raise InputError(f"{name} {arguments[name]}: expected finite, above zero")


def _cache(name: str, arguments: Mapping[str, Any]) -> None:
    from tfxfer.features import activation_cache

    views = arguments.get("views", 0)
    activation_cache.check_mode(arguments[name], views)
    if views and not arguments.get("augment"):
        raise InputError(f"views {views}: they are of augmented images, expected 0 or --augment with it")


def _precision(name: str, arguments: Mapping[str, Any]) -> None:
    from tfxfer.train import precision

    precision.check(arguments[name])


def _classifiers(name: str, arguments: Mapping[str, Any]) -> None:
    from tfxfer.analysis import classifiers

    for method in arguments[name].split(","):
        classifiers.method_of(method)


def _out(name: str, arguments: Mapping[str, Any]) -> None:
    if not str(arguments[name]):
        raise InputError("out '': expected a folder, such as saved_models: is a variable of the shell's empty?")


def _class_weights(name: str, arguments: Mapping[str, Any]) -> None:
    if arguments[name] not in ("none", "balanced"):
        raise InputError(f"class_weights {arguments[name]!r}: expected none or balanced")


def _keep(name: str, arguments: Mapping[str, Any]) -> None:
    from tfxfer.train import best_epoch

    best_epoch.check(arguments[name])


def _early_stopping(name: str, arguments: Mapping[str, Any]) -> None:
    if (epochs := arguments[name]) is not None and epochs < 1:
        raise InputError(f"early_stopping {epochs}: expected a number of epochs, at least 1")


def _share(name: str, arguments: Mapping[str, Any]) -> None:
    check_share(name, arguments[name])


_CHECKS: dict[str, Callable[[str, Mapping[str, Any]], None]] = {
    "out": _out,
    "learning_rate": _positive,
    "epochs": _positive,
    "tune_epochs": _positive,
    "sweep_epochs": _positive,
    "batch_size": _positive,
    "keep": _keep,
    "early_stopping": _early_stopping,
    "validation": _share,
    "test": _share,
    "cache": _cache,
    "precision": _precision,
    "classifiers": _classifiers,
    "class_weights": _class_weights,
}
