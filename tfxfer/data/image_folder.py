"""Image folders, with one folder per class: file names are listed quickly, and no file is opened."""

import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from tfxfer.core.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
NAMED = 3  # files left out that a line names
PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}

Listed = tuple[np.ndarray, np.ndarray]  # paths, str (n,), and labels, int64 (n,)


def listing(folder: Path) -> tuple[tuple[str, ...], dict[str, Listed]]:
    """Lists images by class, and by part if the folder is divided into parts.

    A class is a folder that has files with one of the `SUFFIXES`, directly or anywhere below it. Class folders are
    either directly in the folder, or in its folders train, test and validation (also spelt training, testing, valid or
    val; test or validation may be missing). Hidden files and __MACOSX are ignored; other files are left out, with one
    warning that names some of them.

    Returns:
        The classes, sorted; and paths and labels for "train" and, if they exist, "validation" and "test", sorted by
        class, folder and name.

    Raises:
        InputError: the folder does not exist, there are fewer than two classes, a class has no images, a part has a
            class that training does not have, a name is not UTF-8, or links lead in circles.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: expected one with a folder of images per class")
    parts = _parts(folder)
    found = {part: _classes(path) for part, path in parts.items()}
    classes = tuple(found["train"])
    if len(classes) < 2:
        raise InputError(f"{parts['train']}: {len(classes)} class folders found, expected at least 2, one per class")
    for named in found.values():
        if strange := sorted(set(named) - set(classes)):
            raise InputError(f"{named[strange[0]]}: class {strange[0]} is not among those of {parts['train']}")
    others: list[str] = []
    rows: dict[str, Listed] = {}
    for part, named in found.items():
        paths: list[str] = []
        labels: list[int] = []
        for name, path in named.items():
            inside = list(_below(path))
            pictures = [file for file in inside if file.lower().endswith(SUFFIXES)]
            others += set(inside).difference(pictures)
            if not pictures:
                raise InputError(f"{path}: no {', '.join(SUFFIXES)} files: add images or remove the folder")
            paths += pictures
            labels += [classes.index(name)] * len(pictures)
        rows[part] = np.array(paths), np.array(labels, np.int64)
    if others:
        warnings.warn(left_out(str(folder), others), stacklevel=5)
    return classes, rows


def left_out(folder: str, files: Iterable[str]) -> str:
    """One line about files in a folder that have none of the `SUFFIXES`: how many there are, and the first names."""
    names = sorted(os.path.relpath(file, folder) for file in files)
    shown = ", ".join([*names[:NAMED], *([f"and {len(names) - NAMED:,} more"] if len(names) > NAMED else [])])
    count = f"{len(names):,} {'file' if len(names) == 1 else 'files'}"
    return f"{folder}: {count} left out, not named {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}: {shown}"


def _parts(folder: Path) -> dict[str, Path]:
    """The folders of training, validation and test; or the folder itself as training if it is not divided."""
    names = [entry.name for entry in _entries(folder) if entry.is_dir()]
    parts = {part: [name for name in names if name.lower() in spelt] for part, spelt in PARTS.items()}
    if not parts["train"] or not (parts["validation"] or parts["test"]):
        return {"train": folder}
    if twice := [found for found in parts.values() if len(found) > 1]:
        raise InputError(f"{folder}: contains both {' and '.join(twice[0])}: expected one of them")
    known = {name for found in parts.values() for name in found}
    if others := [name for name in names if name not in known]:
        raise InputError(
            f"{folder}: contains {others[0]} beside {', '.join(sorted(known))}: move it elsewhere, or, if these are "
            "classes, rename them"
        )
    return {part: folder / found[0] for part, found in parts.items() if found}


def _classes(folder: Path) -> dict[str, Path]:
    return {entry.name: Path(entry.path) for entry in _entries(folder) if entry.is_dir()}


def _below(folder: Path, above: tuple[str, ...] = ()) -> Iterator[str]:
    """Paths of all files in a folder and below it, sorted by name."""
    real = os.path.realpath(folder)
    if real in above:
        raise InputError(f"{folder}: is a link to a folder that contains it: remove it")
    for entry in _entries(folder):
        if entry.is_dir():
            yield from _below(Path(entry.path), (*above, real))
        else:
            yield entry.path


def _entries(folder: Path) -> list[os.DirEntry]:
    """The entries of a folder, sorted, without hidden ones; names have to be readable text."""
    try:
        with os.scandir(folder) as inside:
            found = [entry for entry in inside if not entry.name.startswith(".") and entry.name != "__MACOSX"]
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed: {error.strerror}") from None
    for entry in found:
        try:
            entry.path.encode()
        except UnicodeEncodeError:
            raise InputError(f"{folder}: contains {entry.path!r}, a name that is not UTF-8: rename it") from None
    return sorted(found, key=lambda entry: entry.name)
