"""Classes of image files, by a SavedModel that tfxfer exported; the command `tfxfer predict` prints them."""

import contextlib
import errno
import json
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from numbers import Real
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tensorflow as tf

from tfxfer.core.errors import InputError, shown
from tfxfer.data import image_decoding
from tfxfer.data.image_folder import SUFFIXES, left_out
from tfxfer.export import savedmodel
from tfxfer.runs import loading

OUTPUTS = {"probabilities", "class_index", "class_name"}

WORKERS = os.cpu_count() or 1  # threads that decode images
_SURROGATES = re.compile("[\ud800-\udfff]")  # stand for the bytes of a file name that are not UTF-8

Row = dict[str, Any]
Shape = tuple[int, int, int]  # height, width, channels


def saved_model(path: str | Path) -> Path:
    """Finds a SavedModel.

    Args:
        path: a SavedModel, an export's folder, a serving folder (its latest version is taken), or a run as
            `tfxfer.load` takes it.

    Returns:
        The SavedModel's folder.

    Raises:
        InputError: there is no SavedModel.
    """
    folder = Path(path).expanduser()
    versions = [version for version in folder.glob("*") if version.name.isdecimal()]
    for candidate in (folder, folder / "saved_model", *sorted(versions, key=lambda version: -int(version.name))):
        if (candidate / "saved_model.pb").is_file():
            return candidate
    folder = loading.find(path)
    if (folder / "saved_model" / "saved_model.pb").is_file():
        return folder / "saved_model"
    raise InputError(f"{folder} contains no saved_model: give a finished run, or a SavedModel that tfxfer exported")


def threshold(path: str | Path) -> float | None:
    """The probability below which a network abstains, in [0, 1]; None if it always answers.

    Args:
        path: as `saved_model` takes it.

    Raises:
        InputError: there is no SavedModel, or the file in it that says how it was calibrated is damaged.
    """
    calibration = savedmodel.calibration(saved_model(path))
    return calibration["threshold"] if calibration else None


def expand(words: Iterable[str], stdin: BinaryIO) -> list[str]:
    """Names of the files to classify.

    Args:
        words: files; folders, which stand for all images in them and in their subfolders, in order; or `-` for names
            on the lines of standard input. Images are files whose names end in one of `SUFFIXES`; for each folder a
            warning names others in it. A folder without images, or one that may not be listed, is returned itself, and
            so becomes a line of output that says so.
        stdin: standard input.

    Raises:
        InputError: there is no name.
    """
    names = []
    for word in words:
        names += [os.fsdecode(line.rstrip(b"\r\n")) for line in stdin if line.strip()] if word == "-" else [word]
    files = [file for name in names for file in _inside(name)]
    if not files:
        raise InputError("expected files to classify, got none: give images, folders, or - to read names from stdin")
    return files


def predict(
    path: str | Path, files: Iterable[str], batch_size: int = 32, abstain_below: float | None = None
) -> Iterator[Row]:
    """Classifies image files, which are read as in training, by `image_decoding.pixels`: squashed, cropped or padded.

    Args:
        path: as `saved_model` takes it. A SavedModel is a program: run only those of people you trust.
        files: paths.
        batch_size: images that go through the network at once.
        abstain_below: the probability below which it abstains, in [0, 1]; by default its own `threshold`.

    Yields:
        For each file, in order, a dict with `file`, `class_name`, `class_index`, `probability` of that class and
        `probabilities`, float by class name in the network's order; where there is a threshold also `abstained`,
        whether the probability is below it. Or a dict with `file` and `error`, the reason why it cannot be read.

    Raises:
        InputError: there is no SavedModel, it has other signatures, or a number is out of range.
    """
    if batch_size < 1:
        raise InputError(f"batch_size {batch_size}: expected at least 1")
    if abstain_below is not None and not (isinstance(abstain_below, Real) and 0 <= abstain_below <= 1):
        raise InputError(f"abstain_below {shown(abstain_below)}: expected a probability from 0 to 1")
    folder = saved_model(path)
    least = threshold(folder) if abstain_below is None else abstain_below
    serve, shape, names, aspect = _signature(folder)
    files = list(files)
    with ThreadPoolExecutor(WORKERS) as threads:
        for first in range(0, len(files), batch_size):
            batch = files[first : first + batch_size]
            images = list(threads.map(lambda file: _read(file, shape, aspect), batch))
            readable = [image for image in images if not isinstance(image, str)]
            rows = iter(_classified(serve, names, np.stack(readable), least) if readable else ())
            for file, image in zip(batch, images):
                yield {"file": file} | ({"error": image} if isinstance(image, str) else next(rows))


def text(row: Row, format: str, width: int = 0) -> str:
    """A line of output: "jsonl", or "table" with file names padded to `width`."""
    if format == "jsonl":
        # UTF-8 as it is, except for surrogates, which it cannot encode
        return _SURROGATES.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(row, ensure_ascii=False))
    name = _printable(row["file"]).ljust(width)
    if "error" in row:
        return f"{'-':6}  {name}  error: {_printable(row['error'])}"
    abstains = "abstained, most likely " if row.get("abstained") else ""
    return f"{row['probability']:.4f}  {name}  {abstains}{_printable(row['class_name'])}"


def _inside(name: str) -> list[str]:
    """Images in a folder, with those of its subfolders that cannot be listed; what is not a folder is returned itself.

    Links to folders are followed, except those to a folder that they are in.
    """
    images: list[str] = []
    others: list[str] = []
    parents: dict[str, tuple[str, ...]] = {name: ()}  # folder -> folders that it is in
    with contextlib.suppress(ValueError):  # a name with a null byte
        walk = os.walk(name, onerror=lambda error: images.append(error.filename), followlinks=True)
        for folder, folders, files in walk:
            above = (*parents.pop(folder), os.path.realpath(folder))
            paths = {inner: os.path.join(folder, inner) for inner in folders if not inner.startswith(".")}
            folders[:] = [inner for inner, path in paths.items() if os.path.realpath(path) not in above]
            parents |= {paths[inner]: above for inner in folders}
            for file in files:
                if not file.startswith("."):
                    (images if file.lower().endswith(SUFFIXES) else others).append(os.path.join(folder, file))
    if others:
        warnings.warn(left_out(name, others), stacklevel=4)
    return sorted(images, key=lambda path: path.split(os.sep)) or [name]


def _signature(folder: Path) -> tuple[Callable, Shape, list[str], str]:
    """The signature that classifies pixels, their shape, the names of the classes, constants of its graph, and how
    pictures are read for it."""
    try:
        loaded = tf.saved_model.load(str(folder))
        serve = loaded.signatures["serving_default"]
        pixels, outputs = serve.structured_input_signature[1]["image"], serve.structured_outputs
        fits = pixels.dtype == tf.uint8 and pixels.shape.rank == 4 and set(outputs) >= OUTPUTS
        names = [tensor for tensor in serve.captured_inputs if tensor.dtype == tf.string][:1]
        fits = fits and bool(names) and names[0].shape == outputs["probabilities"].shape[1:]
        aspect = savedmodel.aspect_of(loaded)
    except (OSError, ValueError, KeyError, AttributeError, TypeError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder} cannot be loaded ({reason}): export the run again") from None
    if not fits:
        raise InputError(
            f"{folder}: {pixels.dtype.name} {pixels.shape} to {', '.join(outputs)}, expected uint8 "
            f"images to {', '.join(sorted(OUTPUTS))}: export it with tfxfer"
        )
    serve.keep = loaded  # without the SavedModel its variables are gone
    return serve, tuple(pixels.shape[1:]), [name.decode(errors="replace") for name in names[0].numpy()], aspect


def _read(file: str, shape: Shape, aspect: str) -> np.ndarray | str:
    """Pixels, or the reason why there are none."""
    if not file:
        return "has no name"
    if os.path.isdir(file):
        listed = os.access(file, os.R_OK | os.X_OK)
        return f"is a folder without {', '.join(SUFFIXES)} files" if listed else os.strerror(errno.EACCES)
    try:
        return image_decoding.pixels(file, shape, aspect=aspect)
    except InputError as error:
        return str(error).removeprefix(f"{file}: ")


def _classified(serve: Callable, names: list[str], images: np.ndarray, least: float | None) -> list[Row]:
    """A row without `file` for each image."""
    outputs = {name: value.numpy() for name, value in serve(image=tf.constant(images)).items()}
    rows = [
        {
            "class_name": name.decode(errors="replace"),
            "class_index": int(index),
            "probability": float(row[index]),
            "probabilities": dict(zip(names, row.tolist())),
        }
        for name, index, row in zip(outputs["class_name"], outputs["class_index"], outputs["probabilities"])
    ]
    # in float32, as the SavedModel itself compares
    return (
        rows if least is None else [row | {"abstained": bool(row["probability"] < np.float32(least))} for row in rows]
    )


def _printable(name: str) -> str:
    """A name on one line, whatever bytes it has."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name)
