"""Writes a data set's images as a folder of PNG files, one folder per class: to look at, or to try `folder:PATH`."""

from pathlib import Path

import numpy as np
from PIL import Image

from tfxfer.core import atomic
from tfxfer.core.errors import InputError
from tfxfer.data.splits import Splits


def write(splits: Splits, folder: str | Path, classes: int | None = None, images: int | None = None) -> int:
    """Writes training images to `<folder>/<class>/<id>.png`. A slash in a class name becomes "_".

    The folder appears only when all images are written.

    Args:
        splits: grey or RGB images.
        folder: the folder to make; it must not exist yet.
        classes: how many classes to write, counted from the first; None for all.
        images: at most this many images of each class, the first ones in the splits' order; None for all.

    Returns:
        The number of images written.

    Raises:
        InputError: the folder exists already, or cannot be written.
    """
    folder = Path(folder).expanduser()
    labels = splits.rows["train"].labels
    rows = [np.flatnonzero(labels == label)[:images] for label in range(len(splits.classes[:classes]))]
    try:
        with atomic.new(folder, "give the name of a new folder") as partial:
            for name in splits.classes[:classes]:
                (partial / name.replace("/", "_")).mkdir(parents=True)
            for batch in splits.only(train=np.sort(np.concatenate(rows))).batches("train", 256):
                for pixels, label, number in zip(*(batch[key].numpy() for key in ("image", "label", "id"))):
                    path = partial / splits.classes[label].replace("/", "_") / f"{number:06}.png"
                    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(path)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from None
    return sum(map(len, rows))
