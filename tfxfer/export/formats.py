"""The formats, rows of `FORMATS`, and for each a function that writes a file, reloads it and compares it.

A file is written under a temporary name and gets its own once it agrees with the network.
"""

import contextlib
import errno
import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from keras import Model

from tfxfer.core.errors import InputError
from tfxfer.export import converters, parity, savedmodel

Figures = dict[str, float]
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST}


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
    "keras": Format("model.keras", lambda net, path: net.save(path), "Keras"),
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
    with draft(next_version(folder)) as home:
        put(net, "saved_model", home / "saved_model", images)
        return as_version(home / "saved_model", folder)


def as_version(source: Path, folder: Path) -> Path:
    """Moves a finished SavedModel to the next version; another export may do so at the same time."""
    while True:
        target = next_version(folder)
        try:
            os.replace(source, target)
        except OSError as error:
            if error.errno not in _TAKEN:
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
) -> Figures:
    """Writes one file, compares it and gives it its name; the other arguments are those of `parity.compare`."""
    row = FORMATS[format]
    images = _noise(net) if images is None else images
    with beside(target) as path:
        row.write(net, path, **({"representative": representative} if row.represented else {}))
        figures = parity.compare(net, format, path, images, fresh, labels)
        if row.exact:
            parity.exact(format, figures)
    return figures


@contextlib.contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A path to make a file or folder at; it gets its own name when the block ends without an error, or is removed.

    Raises:
        InputError: the name is taken, now or when the block ends, or the folder cannot be written.
    """
    taken = InputError(f"{target} exists: export into another folder, or move it away")
    if target.exists():
        raise taken
    with draft(target) as home:
        yield home / target.name
        try:
            os.replace(home / target.name, target)
        except OSError as error:
            raise taken if error.errno in _TAKEN else error from None


@contextlib.contextmanager
def draft(target: Path) -> Iterator[Path]:
    """A folder beside a place, whose parents are made if need be; it is removed, with those that stayed empty.

    Raises:
        InputError: it cannot be written.
    """
    made = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        home = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
    except OSError as error:
        raise InputError(f"cannot write {target} ({error.strerror}): export into another folder") from None
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)
        for folder in made:  # those that hold nothing
            with contextlib.suppress(OSError):
                folder.rmdir()


def _into(
    net: Model, format: str, folder: str | Path, images: np.ndarray | None, representative: np.ndarray | None = None
) -> Figures:
    return put(net, format, Path(folder) / FORMATS[format].file, images, representative)


def _noise(net: Model) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, *net.input_shape[1:])).astype(np.uint8)
