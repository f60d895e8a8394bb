"""The command `tfxfer predict`: the classes of picture files, by a SavedModel that tfxfer exported."""

import contextlib
import errno
import json
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tensorflow as tf

from tfxfer.core.errors import InputError
from tfxfer.data import image_decoding
from tfxfer.data.image_folder import SUFFIXES, left_out
from tfxfer.runs import loading

OUTPUTS = {"probabilities", "class_index", "class_name"}

WORKERS = os.cpu_count() or 1  # pictures decoded at once
_ALONE = re.compile("[\ud800-\udfff]")  # what Python makes of a name's bytes that are no UTF-8

Row = dict[str, Any]


def saved_model(path: str | Path) -> Path:
    """The SavedModel that a path means: itself, an export's, the latest version of a serving folder, or a run's, named
    as `tfxfer.load` takes it.

    Raises:
        InputError: there is none.
    """
    folder = Path(path).expanduser()
    versions = [each for each in folder.glob("*") if each.name.isdecimal()]
    for candidate in (folder, folder / "saved_model", *sorted(versions, key=lambda each: -int(each.name))):
        if (candidate / "saved_model.pb").is_file():
            return candidate
    folder = loading.find(path)
    if (folder / "saved_model" / "saved_model.pb").is_file():
        return folder / "saved_model"
    raise InputError(f"{folder} holds no saved_model: give a finished run, or a SavedModel that tfxfer exported")


def expand(words: Iterable[str], stdin: BinaryIO) -> list[str]:
    """Files that are meant: a folder's pictures, those of its folders too, in order; `-` for names on lines of stdin.

    Pictures are files named as `SUFFIXES`; a warning for each folder names others that are in it. A folder without
    pictures, or one that may not be listed, stays as it is, and so becomes a line that says so.

    Raises:
        InputError: no name came.
    """
    names = []
    for word in words:
        names += [os.fsdecode(line.rstrip(b"\r\n")) for line in stdin if line.strip()] if word == "-" else [word]
    found = [file for name in names for file in _inside(name)]
    if not found:
        raise InputError("no files came: name pictures, folders, or - to read names from standard input")
    return found


def predict(path: str | Path, files: Iterable[str], batch_size: int = 32) -> Iterator[Row]:
    """Classes of picture files, read as in training, by `decoding.pixels`.

    Args:
        path: as `saved_model` takes it. A SavedModel is a program: run those alone whose makers you trust.
        files: paths.
        batch_size: how many go through the network at once.

    Yields:
        For each file, in order, `file` with `class_name`, `class_index`, `probability` of that class and
        `probabilities`, float by class name in the network's order; or with `error`, the reason, if it cannot be read.

    Raises:
        InputError: no SavedModel, or one with other signatures; a batch size below 1.
    """
    if batch_size < 1:
        raise InputError(f"batch_size {batch_size}: expected at least 1")
    serve, shape, names = _signature(saved_model(path))
    files = list(files)
    with ThreadPoolExecutor(WORKERS) as threads:
        for first in range(0, len(files), batch_size):
            some = files[first : first + batch_size]
            images = list(threads.map(lambda file: _read(file, shape), some))
            good = [image for image in images if not isinstance(image, str)]
            answers = iter(_answers(serve, names, np.stack(good)) if good else ())
            for file, image in zip(some, images):
                yield {"file": file} | ({"error": image} if isinstance(image, str) else next(answers))


def text(row: Row, format: str, width: int = 0) -> str:
    """A line of output: "jsonl", or "table" with file names padded to `width`."""
    if format == "jsonl":
        # UTF-8 as it is, but for what a name has that is none
        return _ALONE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(row, ensure_ascii=False))
    name = _printable(row["file"]).ljust(width)
    if "error" in row:
        return f"{'-':6}  {name}  error: {_printable(row['error'])}"
    return f"{row['probability']:.4f}  {name}  {_printable(row['class_name'])}"


def _inside(name: str) -> list[str]:
    """A folder's pictures, with folders in it that cannot be listed; what is no folder is itself.

    Links to folders are followed, but for those to a folder on the way to them.
    """
    found, others, above = [], [], {name: ()}
    with contextlib.suppress(ValueError):  # a name with a null byte
        walk = os.walk(name, onerror=lambda error: found.append(error.filename), followlinks=True)
        for folder, folders, files in walk:
            way = (*above.pop(folder), os.path.realpath(folder))
            inside = {each: os.path.join(folder, each) for each in folders if not each.startswith(".")}
            folders[:] = [each for each, path in inside.items() if os.path.realpath(path) not in way]
            above |= {inside[each]: way for each in folders}
            for file in files:
                if not file.startswith("."):
                    (found if file.lower().endswith(SUFFIXES) else others).append(os.path.join(folder, file))
    if others:
        warnings.warn(left_out(name, others), stacklevel=4)
    return sorted(found, key=lambda path: path.split(os.sep)) or [name]


def _signature(folder: Path) -> tuple[Callable, tuple[int, int, int], list[str]]:
    """What classifies pixels, their shape, and the classes' names, which are among the constants of the graph."""
    try:
        loaded = tf.saved_model.load(str(folder))
        serve = loaded.signatures["serving_default"]
        given = serve.structured_input_signature[1]["image"]
        fits = given.dtype == tf.uint8 and given.shape.rank == 4 and set(serve.structured_outputs) >= OUTPUTS
        names = next((each for each in serve.captured_inputs if each.dtype == tf.string), None)
        fits &= names is not None and names.shape == serve.structured_outputs["probabilities"].shape[1:]
    except (OSError, ValueError, KeyError, AttributeError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder} cannot be loaded ({reason}): export the run again") from None
    if not fits:
        raise InputError(
            f"{folder}: {given.dtype.name} {given.shape} to {', '.join(serve.structured_outputs)}, expected uint8 "
            f"images to {', '.join(sorted(OUTPUTS))}: export it by tfxfer"
        )
    serve.keep = loaded  # a SavedModel's variables go with it
    return serve, tuple(given.shape[1:]), [name.decode(errors="replace") for name in names.numpy()]


def _read(file: str, shape: tuple[int, int, int]) -> np.ndarray | str:
    """Pixels, or why there are none."""
    if not file:
        return "has no name"
    if os.path.isdir(file):
        listed = os.access(file, os.R_OK | os.X_OK)
        return f"is a folder without {', '.join(SUFFIXES)} files" if listed else os.strerror(errno.EACCES)
    try:
        return image_decoding.pixels(file, shape)
    except InputError as error:
        return str(error).removeprefix(f"{file}: ")


def _answers(serve: Callable, names: list[str], images: np.ndarray) -> list[Row]:
    found = {name: value.numpy() for name, value in serve(image=tf.constant(images)).items()}
    return [
        {
            "class_name": name.decode(errors="replace"),
            "class_index": int(index),
            "probability": float(row[index]),
            "probabilities": dict(zip(names, row.tolist())),
        }
        for name, index, row in zip(found["class_name"], found["class_index"], found["probabilities"])
    ]


def _printable(name: str) -> str:
    """A name on one line, whatever bytes it has."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name)
