"""Files in CIFAR-10's and CIFAR-10-C's own layout: real names, real numbers of rows, most of them zeros on disk."""

import os
from pathlib import Path

import numpy as np

from tfxfer.data import binary_readers, cifar10c
from tfxfer.data.corruptions import NAMES

LABELS = np.random.default_rng(0).permutation(np.arange(cifar10c.TEST_IMAGES) % 10).astype(np.uint8)


def write_folder(folder: Path, pixels: dict[tuple[str, int], np.ndarray] | None = None) -> Path:
    """The 20 files of CIFAR-10-C; zeros but for `pixels`: (name, first row) -> images (n, 32, 32, 3)."""
    folder.mkdir(parents=True)
    np.save(folder / "labels.npy", np.tile(LABELS, 5))
    for name in NAMES:
        array = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.uint8, cifar10c.SHAPE)
        for (corruption, row), images in (pixels or {}).items():
            if corruption == name:
                array[row : row + len(images)] = images
        array.flush()
    return folder


def write_cifar10(folder: Path) -> np.ndarray:
    """The six files of CIFAR-10's binary version; returns the test images, as bright as their class."""
    rows = np.zeros((cifar10c.TEST_IMAGES, 3073), np.uint8)
    rows[:, 0] = LABELS
    first, *others, test = binary_readers.CIFAR10_FILES
    (folder / first).write_bytes(rows.tobytes())
    for name in others:
        os.link(folder / first, folder / name)
    rows[:, 1:] = LABELS[:, None] * 20 + np.arange(cifar10c.TEST_IMAGES)[:, None] % 17
    (folder / test).write_bytes(rows.tobytes())
    return rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
