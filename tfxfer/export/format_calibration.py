"""The calibration of each exported file. Quantization moves logits: a quantized file has a temperature of its own."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfxfer.analysis import abstention, calibration
from tfxfer.core.errors import InputError
from tfxfer.export import formats, reload_script
from tfxfer.features.bank import Bank
from tfxfer.runs.loading import Loaded

BANK = "calibration"
"""The bank of a run that holds images to calibrate files on: "image", uint8 (n, height, width, channels), of images
that the network was not trained on and that are not test images."""


def images(run: Loaded) -> Bank | None:
    """The images on which a run's files are calibrated; None if it kept none.

    Raises:
        InputError: the bank is damaged, or holds no images.
    """
    path = run.dir / "banks" / f"{BANK}.npz"
    if not path.is_file():
        return None
    bank = Bank.load(path)
    if "image" not in bank.values or not len(bank):
        raise InputError(f"{path} holds no images to calibrate on: move it away, or run the recipe again")
    return bank


def temperature(net: keras.Model, format: str, bank: Bank, representative: np.ndarray) -> float:
    """The temperature of a quantized file's own logits, besides that of the network.

    The file is written once more with logits as its output, because its probabilities have 8 bits: those of most
    classes are 0.

    Args:
        net: from `model.build`.
        format: a key of `formats.FORMATS` whose files are LiteRT.
        bank: from `images`.
        representative: as `formats.put` takes it.
    """
    row = formats.FORMATS[format]
    more = {"representative": representative} if row.represented else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, row.file)
        row.write(net, path, logits=True, **more)
        outputs = reload_script.outputs(format, str(path), np.asarray(bank["image"]))
    return calibration.temperature(outputs["logits"], bank.labels)


def of_file(
    format: str, path: Path, bank: Bank | None, known: Mapping[str, Any], divisor: float | None
) -> dict[str, Any]:
    """The calibration of a file: the network's, or if it is quantized, with a threshold for its own probabilities.

    Args:
        format, path: the file.
        bank: from `images`.
        known: the network's calibration.
        divisor: what `temperature` returned, and the file was written with; None for the network's own.

    Returns:
        As `analysis.calibration.fit`; `temperature` is the one by which the network's logits would have been divided
        in all, before any calibration.
    """
    if bank is None or divisor is None:
        return dict(known)
    found = dict(known) | {"temperature": known["temperature"] * divisor, "images": len(bank)}
    if known.get("precision") is None:
        return found
    probabilities = reload_script.outputs(format, str(path), np.asarray(bank["image"]))["probabilities"]
    right = probabilities.argmax(1) == bank.labels
    # of 8 bits, so that they do not sum to 1
    return found | abstention.of_confidences(probabilities.max(1), right, known["precision"]).facts
