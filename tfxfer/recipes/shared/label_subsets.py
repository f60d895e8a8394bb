"""Nested subsets of labelled images with k of each class, and the part of each that is set aside to choose by."""

from dataclasses import dataclass

import numpy as np

from tfxfer.core.errors import InputError

ALL = "all"
SET_ASIDE = 5  # one in so many images of a class: 800 to train on and 200 to choose by, as in VTAB-1k


@dataclass(frozen=True)
class Subset:
    """Labelled images of which a classifier learns.

    Attributes:
        rows: int64 (n,), the row of each in the training images.
        chosen_by: bool (n,), which of them are set aside where something is chosen; none if no class has
            `SET_ASIDE` images.
    """

    rows: np.ndarray
    chosen_by: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def parse(text: str) -> list[str]:
    """Parses numbers of images a class such as "1,5,20,all"; they are returned in ascending order, `ALL` last.

    Raises:
        InputError: something else than whole numbers above 0 and "all", or one of them twice.
    """
    parts = [part.strip() for part in text.split(",")]
    numbers = sorted(int(part) for part in parts if part.isdecimal())
    names = [str(number) for number in numbers] + [ALL] * parts.count(ALL)
    if len(names) < len(parts) or len({*names}) < len(names) or 0 in numbers:
        raise InputError(f"shots {text!r}: expected numbers of images a class, each once, such as 1,5,20,all")
    return names


def smaller(shots: list[str], labels: np.ndarray) -> list[str]:
    """Those shots that are not the same as all images, because some class has more; `ALL` stays.

    Raises:
        InputError: there are none.
    """
    most = int(np.bincount(labels).max())
    if not (left := [name for name in shots if name == ALL or int(name) < most]):
        raise InputError(f"shots {','.join(shots)}: no class has more than {most} images: give smaller numbers, or all")
    return left


def nested(labels: np.ndarray, shots: list[str], seed: int | list[int]) -> dict[str, Subset]:
    """Draws subsets of which each contains the smaller ones.

    A class with fewer images than wanted gives all it has. Every `SET_ASIDE`th image of a class is set aside, so that
    what is set aside is nested too.

    Args:
        labels: int64 (n,), of all images.
        shots: as `parse` returns them.
        seed: of the drawing, as `numpy.random.default_rng` takes it.

    Returns:
        By name of the shots, a subset; its rows are in random order.

    Example:
        >>> subsets = nested(np.arange(20) % 2, ["1", "5", "all"], seed=0)
        >>> [len(subset) for subset in subsets.values()], int(subsets["5"].chosen_by.sum())
        ([2, 10, 20], 2)
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    order = np.argsort(labels[shuffled], kind="stable")
    starts = np.searchsorted(labels[shuffled][order], labels[shuffled])
    rank = np.empty(len(labels), np.int64)  # of each shuffled image within its class
    rank[order] = np.arange(len(labels)) - starts[order]
    taken = {name: np.ones(len(labels), bool) if name == ALL else rank < int(name) for name in shots}
    return {name: Subset(shuffled[part], rank[part] % SET_ASIDE == SET_ASIDE - 1) for name, part in taken.items()}
