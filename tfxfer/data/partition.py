"""A source divided into training, validation and test: stratified draws that depend on the seed alone."""

import math
from dataclasses import dataclass

import numpy as np

from tfxfer.core.errors import InputError
from tfxfer.core.numbers import check_count, check_seed, check_share
from tfxfer.data.lazy_images import Rows
from tfxfer.data.sources import Source
from tfxfer.data.splits import SPLITS, Splits, stratified

VALIDATION, TEST = 0.1, 0.25  # shares that are set aside from a source that has no such images of its own


@dataclass(frozen=True)
class Partition:
    """How a source is divided; arguments of `data.load`, which explains them.

    Raises:
        InputError: a number is of another kind or out of range.
    """

    limit: int | None = None
    validation: float | None = None
    test: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_count("limit", self.limit)
        check_seed(self.seed)
        check_share("validation", self.validation)
        check_share("test", self.test)

    @property
    def quarter(self) -> int | None:
        """The limit of validation and of test images."""
        return None if self.limit is None else max(1, self.limit // 4)

    def split(self, name: str, source: Source) -> Splits:
        """Divides a source; ids count its training rows, then its validation rows, then its test rows.

        Raises:
            InputError: there are too few images or classes, or a share is given for a set that the source has.
        """
        self.check_limit(source.classes)
        if len(source.classes) < 2:
            raise InputError(f"{source.origin}: contains only the class {source.classes[0]}, expected at least 2")
        parts: dict[str, tuple[Rows, np.ndarray]] = {}
        first = 0
        for part in SPLITS:
            if own := getattr(source, part):
                parts[part] = own, first + np.arange(len(own.labels))
                first += len(own.labels)
        for part, share, default in (("test", self.test, TEST), ("validation", self.validation, VALIDATION)):
            if part in parts and share is not None:
                raise InputError(f"{part} {share}: {name} has its own {part} images, which are used: leave {part} out")
            pool = parts.get(part, parts["train"])
            order = stratified(pool[0].labels, self.seed)
            if part in parts:
                parts[part] = _take(pool, order)
            else:
                aside, rest = np.split(order, [math.ceil((share or default) * len(order))])
                parts |= {part: _take(pool, aside), "train": _take(pool, rest)}
        if source.validation is not None:  # otherwise the training rows have been put into a drawn order above
            parts["train"] = _take(parts["train"], stratified(parts["train"][0].labels, self.seed))
        parts = {part: _take(parts[part], slice(self.limit if part == "train" else self.quarter)) for part in SPLITS}
        rows = {part: parts[part][0] for part in SPLITS}
        ids = {part: parts[part][1] for part in SPLITS}
        shape = rows["train"].images.shape
        return complete(
            Splits(name, source.classes, (shape[1], shape[2], shape[3]), source.origin, self.seed, rows, ids)
        )

    def check_limit(self, classes: tuple[str, ...]) -> None:
        """Raises InputError if the limit is less than one image of each class."""
        if self.limit is not None and self.limit < len(classes):
            raise InputError(
                f"limit {self.limit} is less than one image for each of the {len(classes)} classes: raise it"
            )


def complete(splits: Splits) -> Splits:
    """Returns the splits if there is something to learn of each class, and something to test.

    Raises:
        InputError: a class has no training image, or a split is empty.
    """
    classes = splits.classes
    if missing := set(range(len(classes))) - set(splits.rows["train"].labels.tolist()):
        names = ", ".join(classes[label] for label in sorted(missing))
        raise InputError(
            f"{splits.origin}: no training image of class {names}: add images, raise limit, or leave the class out"
        )
    if not all(splits.size(part) for part in SPLITS):
        raise InputError(f"{splits.origin}: {len(splits.bases(*SPLITS)):,} images are too few for three splits")
    return splits


def _take(pair: tuple[Rows, np.ndarray], index: np.ndarray | slice) -> tuple[Rows, np.ndarray]:
    return pair[0].take(index), pair[1][index]
