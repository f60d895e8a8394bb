"""The command `tfxfer neighbours`: the training images most like an image, in the features of a run's network."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from tfxfer.core.errors import InputError
from tfxfer.core.nearest_neighbours import nearest
from tfxfer.data import image_decoding
from tfxfer.data.lazy_images import Files
from tfxfer.runs import loading
from tfxfer.runs.run_features import RunFeatures, check_network


def find_similar(run_dir: str | Path, file: str | Path, count: int = 8) -> list[dict[str, Any]]:
    """Finds the training images that are nearest to an image file, all of them compared, exactly.

    The features of the training images are computed once and kept in the cache. The image is read as in training.

    Args:
        run_dir: a finished run as `tfxfer.load` takes it.
        file: an image file.
        count: how many to find, at least 1; all if there are not so many.

    Returns:
        Dicts of `id`, `image` (the path of the file, or "train <id>"), `class` and `distance` (Euclidean), the nearest
        first.

    Raises:
        InputError: the run trained no network, its data set cannot be loaded again, or the file cannot be read.
    """
    if count < 1:
        raise InputError(f"count {count}: expected at least 1")
    run = loading.described(run_dir)
    check_network(run)
    height, width, channels = run.facts["data"]["image_shape"]
    if os.path.isdir(file):
        raise InputError(f"{file} is a folder: give one image file")
    aspect = run.facts["arguments"].get("aspect", "squash")  # runs before 0.2 had no other
    pixels = image_decoding.pixels(os.fspath(file), (height, width, channels), aspect=aspect)
    features = RunFeatures(run)
    known, rows = features("train"), features.splits.rows["train"]
    x = known["embedding"]
    query = np.asarray(features.of(pixels)["embedding"]).reshape(1, -1)
    found = nearest(query, x, min(count, len(x)))
    paths = rows.images.paths if isinstance(rows.images, Files) else None
    return [
        {
            "id": int(known.ids[row]),
            "image": f"train {known.ids[row]}" if paths is None else str(paths[row]),
            "class": features.splits.classes[rows.labels[row]],
            "distance": float(distance),
        }
        for row, distance in zip(found.rows[0], found.distances[0])
    ]
