"""What to run instead of a recipe where there is no internet: the same recipe, on what is bundled."""

import shlex
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from tfxfer.core import offline
from tfxfer.data.catalog import BUNDLED as DATASET
from tfxfer.model.backbones import BUNDLED, TABLE

DATA = ("dataset", "data_dir", "image_key", "label_key", "aspect", "skip_bad")  # options that say what is loaded
_ELSEWHERE = {"fashion_groups": "tfxfer quickstart"}  # its groups are of Fashion-MNIST's classes, which are not bundled


def named(title: str, defaults: Mapping[str, Any], chosen: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Within the block, errors about failed downloads name a command that runs without the internet.

    Args:
        title: the recipe's name.
        defaults: its options and their defaults.
        chosen: its options and their values.
    """
    bundled = {} if defaults.get("dataset") in (None, DATASET, "digits") else {"dataset": DATASET}
    own = {name: chosen[name] for name in DATA if chosen.get(name) != defaults.get(name)}
    backbones = _backbones(defaults)
    anywhere = _ELSEWHERE.get(title) or command(title, bundled | backbones)
    return offline.commands(data=anywhere, weights=command(title, own | backbones))


def command(title: str, options: Mapping[str, Any]) -> str:
    """A command of tfxfer's as one types it; options whose value is None or False are left out."""
    words = ["tfxfer", title]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}"] if value not in (None, False) else []
        words += [str(value)] if value not in (None, False, True) else []
    return shlex.join(words)


def _backbones(defaults: Mapping[str, Any]) -> dict[str, str]:
    """The option that leaves out what a recipe would download by default, if it would."""
    option = next((name for name in ("backbone", "backbones") if name in defaults), None)
    if option is None or defaults[option] is None or defaults.get("weights") != "imagenet":
        return {}
    names = defaults[option].split(",")
    there = [name for name in names if name == BUNDLED or (name in TABLE and not TABLE[name].imagenet)] or [BUNDLED]
    return {} if there == names else {option: ",".join(there)}
