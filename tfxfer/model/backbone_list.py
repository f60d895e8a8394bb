"""What there is to choose a backbone from, listed and searched without importing TensorFlow, Keras or keras-hub."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from tfxfer.core.errors import InputError
from tfxfer.model import applications, backbones, downloaded, hub_presets

OWN, KERAS, HUB = "tfxfer's own", "keras.applications", "keras-hub"


@dataclass(frozen=True)
class Listed:
    """One backbone that `model.build` takes by its name.

    Attributes:
        name: as `--backbone` takes it.
        group: `OWN`, `KERAS` or `HUB`.
        summary: what it is, in a line.
        parameters: how many it has; for some of keras-hub's with the classifier.
        native_size: pixels a side, of the pretraining; None if it takes any size, or none is known.
        weights: where its weights are.
    """

    name: str
    group: str
    summary: str
    parameters: int
    native_size: int | None
    weights: str


def listed() -> list[Listed]:
    """All backbones: the table's, the functions of keras.applications that it does not have, keras-hub's presets."""
    names = [*backbones.TABLE, *(name for name in applications.TABLE if backbones.full_name(name) == name)]
    return [*map(_named, names), *map(_preset, hub_presets.table().values())]


def named(name: str) -> Listed | None:
    """The one backbone that a name stands for, whatever its capitals and separators; None if it stands for none."""
    full = backbones.known(name)
    return _named(full) if full else next((one for one in listed() if one.name == name), None)


def search(words: Sequence[str]) -> list[Listed]:
    """The backbones in whose name or summary each word is, without regard to capitals and separators.

    Raises:
        InputError: there is none; the error names some whose names are nearly the words.
    """
    plain = [applications.plain(word) for word in words]

    def matches(one: Listed) -> bool:
        texts = applications.plain(one.name), applications.plain(one.summary)
        return all(any(word in text for text in texts) for word in plain)

    if all(plain) and (found := [one for one in listed() if matches(one)]):
        return found
    by_name = {applications.plain(one.name.removeprefix("hub:")): one.name for one in listed()}
    near = difflib.get_close_matches(applications.plain("".join(words).removeprefix("hub:")), by_name, 3, 0.6)
    meant = f", did you mean {', '.join(by_name[name] for name in near)}?" if near else ""
    raise InputError(f"no backbone matches {' '.join(words)!r}{meant}: `tfxfer backbones` lists them all")


def _named(name: str) -> Listed:
    row = backbones.get(name)
    group = OWN if name in backbones.TABLE else KERAS
    return Listed(name, group, row.summary, row.parameters, row.native_size, _weights(name, row))


def _preset(preset: hub_presets.Preset) -> Listed:
    summary = f"{preset.name}, {preset.parameters / 1e6:.1f} million parameters, a preset of keras-hub (extra hub)"
    weights = downloaded.preset(preset.handle)
    return Listed(f"hub:{preset.name}", HUB, summary, preset.parameters, preset.native_size, weights)


def _weights(name: str, row: backbones.Backbone) -> str:
    if row.weightless:
        return "none needed"
    if not row.imagenet:
        return "no ImageNet weights"
    if name == backbones.BUNDLED:
        return "bundled"
    if row.weights_from.startswith("hub:"):
        return downloaded.preset(hub_presets.table()[row.weights_from.removeprefix("hub:")].handle)
    return downloaded.application(row.weights_from, row.native_size or 0)
