"""Writes a data set's images as a folder of PNG files, one folder per class: to look at, or to try `folder:PATH` on."""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from tfxfer.core.errors import InputError
from tfxfer.data.splits import Splits


def write(splits: Splits, folder: str | Path, classes: int | None = None, images: int | None = None) -> int:
    """Writes training images to `<folder>/<class>/<id>.png`, beside and renamed; a slash in a name becomes "_".

    Args:
        splits: grey or RGB.
        folder: must not be there yet.
        classes: only the first so many.
        images: at most this many of each class, the first in the splits' order.

    Returns:
        How many were written.

    Raises:
        InputError: the folder is there, or cannot be written.
    """
    folder = Path(folder).expanduser()
    if folder.exists():
        raise InputError(f"{folder} is there already: give the name of a new folder")
    labels = splits.rows["train"].labels
    some = [np.flatnonzero(labels == label)[:images] for label in range(len(splits.classes[:classes]))]
    try:
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder.parent) as beside:
            for name in splits.classes[:classes]:
                Path(beside, "all", name.replace("/", "_")).mkdir(parents=True)
            for batch in splits.only(train=np.sort(np.concatenate(some))).batches("train", 256):
                for pixels, label, number in zip(*(batch[key].numpy() for key in ("image", "label", "id"))):
                    place = Path(beside, "all", splits.classes[label].replace("/", "_"), f"{number:06}.png")
                    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(place)
            Path(beside, "all").rename(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from None
    return sum(map(len, some))
