"""The formats, rows of `FORMATS`, and for each a function that writes a file, reloads it and compares it.

A file is written under a temporary name and gets its own once it agrees with the network.
"""

import contextlib
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from keras import Model

from tfxfer import model
from tfxfer.core import atomic
from tfxfer.core.errors import InputError
from tfxfer.export import converters, parity, savedmodel
from tfxfer.model import temperature_scaling

Figures = dict[str, float]
ELSEWHERE = "export into another folder"


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        file: name of the file or folder.
        write: a function (net, path) that writes it.
        summary: what it is.
        exact: whether it must agree with the network to `parity.TOLERANCE`.
        represented: whether `write` takes the argument `representative`.
    """

    file: str
    write: Callable[..., None]
    summary: str
    exact: bool = True
    represented: bool = False


def _quantized(kind: str) -> Callable[..., None]:
    return functools.partial(converters.litert, quantized=kind)


FORMATS = {
    "saved_model": Format(
        "saved_model", savedmodel.write, "TensorFlow SavedModel: serving_default, serving_bytes, embed"
    ),
    "litert": Format("model.tflite", converters.litert, "LiteRT, float32"),
    "litert_dynamic": Format("model_dynamic.tflite", _quantized("dynamic"), "LiteRT, weights in 8 bits", exact=False),
    "litert_int8": Format("model_int8.tflite", _quantized("int8"), "LiteRT, all in 8 bits", False, represented=True),
    "onnx": Format("model.onnx", converters.onnx, "ONNX"),
    "keras": Format("model.keras", model.save, "Keras"),
}


def saved_model(net: Model, run_dir: str | Path, images: np.ndarray | None = None) -> Figures:
    """Writes `run_dir/saved_model` and compares it within this process; see `savedmodel.write` for its signatures.

    Args:
        net: from `model.build`.
        run_dir: a folder without a `saved_model` in it; made if it does not exist.
        images: uint8 (n, height, width, channels) to compare on; random noise by default.

    Returns:
        What `parity.compare` returns.

    Raises:
        InputError: there is a `saved_model` already.
        RuntimeError: the reloaded model differs by more than `parity.TOLERANCE`.

    Example:
        >>> import tempfile
        >>> from tfxfer import data, export, model
        >>> net = model.build("cnn", data.load("digits", limit=80), image_size=28, weights="none")
        >>> figures = export.saved_model(net, tempfile.mkdtemp())
        >>> figures["images"], figures["agreement"], figures["max_difference"] < export.TOLERANCE
        (8, 1.0, True)
    """
    return put(net, "saved_model", Path(run_dir) / "saved_model", images, fresh=False)


def litert(net: Model, folder: str | Path, images: np.ndarray | None = None) -> Figures:
    """Writes `folder/model.tflite`, float32. As `saved_model`, but reloaded in a fresh process, like all below."""
    return _into(net, "litert", folder, images)


def litert_dynamic(net: Model, folder: str | Path, images: np.ndarray | None = None) -> Figures:
    """Writes `folder/model_dynamic.tflite`, weights stored in 8 bits. It may differ; how far is returned."""
    return _into(net, "litert_dynamic", folder, images)


def litert_int8(
    net: Model, folder: str | Path, representative: np.ndarray, images: np.ndarray | None = None
) -> Figures:
    """Writes `folder/model_int8.tflite`, computed in 8 bits. It may differ; how far is returned.

    Args:
        representative: uint8 (n, height, width, channels), a few hundred images like those it will see, from which the
            ranges of activations are taken; not the images to compare on.
    """
    return _into(net, "litert_int8", folder, images, representative)


def onnx(net: Model, folder: str | Path, images: np.ndarray | None = None) -> Figures:
    """Writes `folder/model.onnx`, which needs the extra `onnx`, and compares it with ONNX Runtime."""
    return _into(net, "onnx", folder, images)


def keras(net: Model, folder: str | Path, images: np.ndarray | None = None) -> Figures:
    """Writes `folder/model.keras`, which can be trained further."""
    return _into(net, "keras", folder, images)


def serving(net: Model, folder: str | Path, images: np.ndarray | None = None) -> Path:
    """Writes a SavedModel as TensorFlow Serving expects it: `folder/1`, or the number after the highest there.

    Returns:
        The version's folder.
    """
    folder = Path(folder)
    with atomic.workspace(next_version(folder), ELSEWHERE) as home:
        put(net, "saved_model", home / "saved_model", images)
        return as_version(home / "saved_model", folder)


def as_version(source: Path, folder: Path) -> Path:
    """Moves a finished SavedModel to the next version; another export may do so at the same time."""
    while True:
        target = next_version(folder)
        try:
            os.replace(source, target)
        except OSError as error:
            if error.errno not in atomic.TAKEN:
                raise
        else:
            return target


def next_version(folder: Path) -> Path:
    """`folder/<n>`, where n is the number after the highest version there."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, expected a folder for versions 1, 2, ... of a model: give another name")
    versions = [int(path.name) for path in folder.glob("*") if path.name.isdecimal()]
    return folder / str(max(versions, default=0) + 1)


def put(
    net: Model,
    format: str,
    target: Path,
    images: np.ndarray | None = None,
    representative: np.ndarray | None = None,
    fresh: bool = True,
    labels: np.ndarray | None = None,
    temperature: float | None = None,
) -> Figures:
    """Writes one file, compares it and gives it its name; the other arguments are those of `parity.compare`.

    Args:
        temperature: by which the file's logits are divided, besides what the network's own were divided by.
    """
    row = FORMATS[format]
    images = _noise(net) if images is None else images
    own = contextlib.nullcontext() if temperature is None else temperature_scaling.scaled(net, temperature)
    with atomic.new(target, ELSEWHERE) as path:
        with own:
            row.write(net, path, **({"representative": representative} if row.represented else {}))
        figures = parity.compare(net, format, path, images, fresh, labels)
        if row.exact:
            parity.exact(format, figures)
    return figures


def _into(
    net: Model, format: str, folder: str | Path, images: np.ndarray | None, representative: np.ndarray | None = None
) -> Figures:
    return put(net, format, Path(folder) / FORMATS[format].file, images, representative)


def _noise(net: Model) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, *net.input_shape[1:])).astype(np.uint8)
