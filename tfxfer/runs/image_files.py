"""The files of images by id: `files.csv` of a run, for data whose images are files."""

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfxfer.core import atomic

if TYPE_CHECKING:
    from tfxfer.data import Splits

NAME = "files.csv"


def by_id(splits: "Splits", ids: np.ndarray) -> dict[int, str]:
    """The files of some images, relative to the folder that all images of the data set have in common.

    Args:
        ids: int64 (n,); those of corrupted copies stand for the images that the copies were made from.

    Returns:
        Paths by id, with / between folders; nothing for images that are not files.
    """
    from tfxfer.data.image_ids import base_ids
    from tfxfer.data.lazy_images import Files

    sources = {split: rows.images for split, rows in splits.rows.items() if type(rows.images) is Files}
    folders = {os.path.dirname(path) for images in sources.values() for path in images.paths.tolist()}
    above = os.path.commonpath(folders) if folders else ""
    known: dict[int, str] = {}
    bases = np.unique(base_ids(ids))
    for split, images in sources.items():
        _, rows, _ = np.intersect1d(splits.ids[split], bases, return_indices=True)
        names = (os.path.relpath(path, above).replace(os.sep, "/") for path in images.paths[rows].tolist())
        known |= zip(splits.ids[split][rows].tolist(), names, strict=True)
    return {number: known[base] for number, base in zip(ids.tolist(), base_ids(ids).tolist()) if base in known}


def write(folder: Path, files: dict[int, str]) -> None:
    """Writes `files.csv` with the columns id and file; nothing where no image is a file."""
    if files:
        with atomic.file(folder / NAME) as beside, beside.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("id", "file"), *files.items()])


def read(folder: Path) -> dict[int, str]:
    """Files by id, as a run wrote them; nothing where it wrote none.

    Raises:
        ValueError: the file has other columns.
    """
    if not (folder / NAME).exists():
        return {}
    with (folder / NAME).open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    if head != ["id", "file"]:
        raise ValueError(f"{NAME} has the columns {', '.join(head)}, expected id and file")
    return {int(number): name for number, name in rows}
