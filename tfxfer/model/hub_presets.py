"""The image classifiers among keras-hub's presets that can be backbones, by name, without importing keras-hub.

`python -m tfxfer.model.hub_presets` makes their table anew from the keras-hub that is installed.
"""

import csv
import functools
import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from tfxfer.core import atomic

PATH = Path(__file__).with_name("hub_presets.csv")

# Not among them: vit, deit and swin_transformer give tokens; hgnetv2 has several outputs; mit's layers cannot be
# copied, nor read back from a .keras file. `tests/model/test_hub_presets.py` builds a small network of each.
ARCHITECTURES = ("cspnet", "densenet", "efficientnet", "mobilenet", "mobilenetv5", "resnet", "vgg", "xception")


@dataclass(frozen=True)
class Preset:
    """What keras-hub says of one of its presets."""

    name: str
    parameters: int  # of EfficientNet, CSPNet and ResNetVD with the classifier
    native_size: int | None  # pixels a side, of the pretraining; None where keras-hub does not say
    handle: str  # kaggle://owner/model/framework/variation/version


@functools.cache
def table() -> dict[str, Preset]:
    """All presets of the table by name."""
    rows = csv.reader(line for line in PATH.read_text("utf-8").splitlines() if not line.startswith("#"))
    next(rows)
    return {name: Preset(name, int(count), int(size) if size else None, handle) for name, count, size, handle in rows}


def installed() -> list[Preset]:
    """Such presets of the installed keras-hub, by name.

    Presets whose handle is that of another one are left out: what is downloaded for them is the other network.
    """
    from keras_hub.models import ImageClassifier

    return [  # keras-hub's own order is another one in each process
        Preset(name, about["metadata"]["params"], _size(name, about["metadata"]["description"]), about["kaggle_handle"])
        for name, about in sorted(ImageClassifier.presets.items())
        if about["metadata"]["path"] in ARCHITECTURES and about["kaggle_handle"].split("/")[-2] == name
    ]


def _size(name: str, description: str) -> int | None:
    said = re.search(r"(\d{3,4})x\1 resolution", description) or re.search(r"_r(\d{3})_", name)
    return int(said[1]) if said else None


def write(presets: Iterable[Preset], version: str, path: Path = PATH) -> None:
    """Writes the table; `version` is keras-hub's."""
    with atomic.file(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        file.write(f"# keras-hub {version}, by `python -m tfxfer.model.hub_presets`\n")
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(field.name for field in fields(Preset))
        rows.writerows(map(astuple, presets))


if __name__ == "__main__":
    import keras_hub

    write(installed(), keras_hub.__version__)
