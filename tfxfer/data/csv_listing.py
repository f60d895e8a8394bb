"""A table of image files with their classes, as CSV: `csv:FILE`."""

import csv
from pathlib import Path

import numpy as np

from tfxfer.core.errors import InputError
from tfxfer.data.image_folder import PARTS, Listed

COLUMNS = {
    "path": ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img"),
    "label": ("label", "class", "class_name", "category", "target"),
    "split": ("split", "subset", "part", "partition", "set"),
}
"""How the columns may be called, in any case; `split` may be missing."""


def listing(file: Path) -> tuple[tuple[str, ...], dict[str, Listed]]:
    """Lists images by class, and by part if the table has a column for it. No image is opened.

    The first row holds the names of the columns, see `COLUMNS`; columns are separated by commas, semicolons or tabs.
    Paths are relative to the file's folder, or absolute. Parts are spelt as folders are: train, training; validation,
    valid, val; test, testing.

    Returns:
        The classes, in the order of numbers if all are whole numbers, otherwise of the alphabet; and paths and labels
        for "train" and, if they occur, "validation" and "test", in the order of the rows.

    Raises:
        InputError: the file cannot be read as such a table, there are fewer than two classes, a row lacks a value, a
            part is unknown or has a class that training does not have, or a path stands there twice.
    """
    rows = _rows(file)
    named = {row["label"] for row in rows}
    numbers = all(name.lstrip("-").isdecimal() for name in named)
    found: dict[str, list[tuple[str, str]]] = {"train": []}
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        path = str(file.parent / Path(row["path"]).expanduser())
        if path in seen:
            raise InputError(f"{file}, row {number}: {row['path']} is in row {seen[path]}, too: leave one of them out")
        seen[path] = number
        found.setdefault(_part(file, number, row.get("split", "train")), []).append((path, row["label"]))
    if not found["train"]:
        raise InputError(f"{file}: no row is for training: expected some with the split {PARTS['train'][0]}")
    learned = {label for _, label in found["train"]}
    if strange := sorted(named - learned):
        raise InputError(f"{file}: class {strange[0]} has no training image: add one, or leave the class out")
    if len(learned) < 2:
        raise InputError(f"{file}: {len(learned)} class found, {learned.pop()}, expected at least 2")
    classes = tuple(sorted(learned, key=int) if numbers else sorted(learned))
    index = {name: label for label, name in enumerate(classes)}
    return classes, {
        part: (np.array([path for path, _ in pairs]), np.array([index[name] for _, name in pairs], np.int64))
        for part, pairs in found.items()
    }


def _rows(file: Path) -> list[dict[str, str]]:
    """The table's rows with the columns by their names here."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            head = lines.readline()
            separator = max(",;\t", key=head.count)
            lines.seek(0)
            table = csv.DictReader(lines, delimiter=separator)
            columns = _columns(file, list(table.fieldnames or []))
            rows = [{name: (row[column] or "").strip() for name, column in columns.items()} for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            f"{file}: cannot be read as CSV ({reason}): expected text in UTF-8 with a header row"
        ) from None
    for number, row in enumerate(rows, start=2):
        if empty := [name for name, value in row.items() if not value]:
            raise InputError(f"{file}, row {number}: no {empty[0]}: fill it in, or remove the row")
    if not rows:
        raise InputError(f"{file}: has no rows below its header")
    return rows


def _columns(file: Path, header: list[str]) -> dict[str, str]:
    """Which column is which."""
    found: dict[str, str] = {}
    for name, spelt in COLUMNS.items():
        here = [column for column in header if column is not None and column.strip().lower() in spelt]
        if len(here) > 1:
            raise InputError(f"{file}: {' and '.join(here)} could both be the {name}: remove one of these columns")
        if here:
            found[name] = here[0]
        elif name != "split":
            raise InputError(
                f"{file}: has the columns {', '.join(map(str, header)) or 'none'}, none for the {name}: expected one "
                f"called {', '.join(spelt[:-1])} or {spelt[-1]}"
            )
    return found


def _part(file: Path, number: int, name: str) -> str:
    part = next((part for part, spelt in PARTS.items() if name.lower() in spelt), None)
    if part is None:
        raise InputError(f"{file}, row {number}: split {name!r}: expected {', '.join(PARTS)}")
    return part
