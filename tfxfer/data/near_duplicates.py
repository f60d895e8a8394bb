"""Near-copies across splits: images that are others shifted, cropped, encoded anew or mirrored, though not pixel by
pixel equal."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tfxfer.core.concatenated import ArrayLike
from tfxfer.core.errors import InputError
from tfxfer.data import image_frequencies, look_alikes, split_rows
from tfxfer.data.look_alikes import Described
from tfxfer.data.splits import SPLITS, Splits


@dataclass(frozen=True)
class NearCopies:
    """Images of which another split has a near-copy, the most alike first.

    Attributes:
        splits: the splits that were searched.
        split, row: int64 (m,), of each such image: its split, as a position in `SPLITS`, and its row there.
        other_split, other_row: int64 (m,), the same of the image that it is most like.
        mirrored: bool (m,), whether it is the mirrored other.
        difference: float64 (m,), 1 less the correlation of the two when aligned.
    """

    splits: Splits = field(repr=False)
    split: np.ndarray
    row: np.ndarray
    other_split: np.ndarray
    other_row: np.ndarray
    mirrored: np.ndarray
    difference: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    def summary(self) -> dict[str, int]:
        """`across_test`: test images with a near-copy in training or validation; `across_validation`: validation images
        with one in training."""
        return {f"across_{name}": int((self.split == SPLITS.index(name)).sum()) for name in ("test", "validation")}

    def pairs(self) -> list[dict[str, object]]:
        """Each image as a dict of id, split, class, the three of the `other` image, mirrored and difference."""
        both = zip(self._members(self.split, self.row), self._members(self.other_split, self.other_row))
        facts = zip(self.mirrored.tolist(), self.difference.tolist())
        return [
            one | {"other": other, "mirrored": mirrored, "difference": round(difference, 5)}
            for (one, other), (mirrored, difference) in zip(both, facts)
        ]

    def column(self, of: Callable[[str], np.ndarray]) -> np.ndarray:
        """The values of a column, given by split, for each of the images: int64 (m,)."""
        return split_rows.column(self.split, self.row, of)

    def names(self, number: int) -> tuple[str, str]:
        """Both images of a pair, in a few words."""
        some = slice(number, number + 1)
        (one,), (other,) = (
            self._members(split[some], row[some])
            for split, row in ((self.split, self.row), (self.other_split, self.other_row))
        )
        return f"{one['split']} {one['id']}", f"{other['split']} {other['id']}"

    def _members(self, split: np.ndarray, row: np.ndarray) -> list[dict[str, object]]:
        splits, names = self.splits, [SPLITS[number] for number in split]
        return [
            {
                "id": int(splits.ids[name][number]),
                "split": name,
                "class": splits.classes[splits.rows[name].labels[number]],
            }
            for name, number in zip(names, row)
        ]


def find(splits: Splits, features: Mapping[str, ArrayLike] | None = None) -> NearCopies:
    """Finds near-copies of test images in training and validation, and of validation images in training.

    `look_alikes.copies` says what counts as one. Images that are equal in every pixel are for `duplicates`, and images
    that were made of one and the same image (corrupted ones have the fact `base`) do not count. On 2 cores, 2,000
    images of 96 x 96 x 3 take 2 s, and 15,000 of 28 x 28 half a minute.

    Args:
        splits: the images.
        features: by split, embeddings float (n, d) of its first n images, n as large as you like; with them, more
            cropped and shifted copies are found.
    """
    parts = {name: _described(splits, name, (features or {}).get(name)) for name in SPLITS}
    found = []
    for name, others in (("test", ("train", "validation")), ("validation", ("train",))):
        pool = [parts[other] for other in others]
        origin = np.concatenate([np.full(len(part.small), SPLITS.index(other)) for part, other in zip(pool, others)])
        place = np.concatenate([np.arange(len(part.small)) for part in pool])
        row, other, mirrored, difference = look_alikes.copies(parts[name], look_alikes.joined(pool))
        split = np.full(len(row), SPLITS.index(name))
        found.append((split, row, origin[other], place[other], mirrored, difference))
    columns = [np.concatenate(column) for column in zip(*found)]
    kept = ~_same(NearCopies(splits, *columns))
    order = np.flatnonzero(kept)[np.argsort(columns[-1][kept], kind="stable")]
    return NearCopies(splits, *(column[order] for column in columns))


def check(splits: Splits, copies: NearCopies, strict: bool) -> Splits:
    """Warns of near-copies across splits, and returns the splits with their `summary` in the notes.

    Args:
        splits: the images that were searched.
        copies: what `find` found in them.
        strict: whether to refuse them.

    Raises:
        InputError: there are near-copies, and `strict` is set.
    """
    if not len(copies):
        return splits
    summary: dict[str, Any] = copies.summary()
    text = (
        f"{splits.origin}: test images with a near-copy in training or validation (shifted, cropped, mirrored or "
        f"encoded anew): {summary['across_test']:,}, validation images with one in training: "
        f"{summary['across_validation']:,}, such as {' and '.join(copies.names(0))}"
    )
    if strict:
        raise InputError(f"{text}: remove the copies, or leave out --strict (strict=True) to go on with a warning")
    warnings.warn(text, stacklevel=3)
    return replace(splits, notes=splits.notes | {"near_duplicates": summary})


def _described(splits: Splits, name: str, features: ArrayLike | None) -> Described:
    n, shape = splits.size(name), splits.image_shape
    size = max(16, 2**23 // int(np.prod(shape)))
    parts = [image_frequencies.describe(np.zeros((0, *shape), np.uint8))]
    parts += [image_frequencies.describe(batch["image"].numpy()) for batch in splits.batches(name, size)] if n else []
    small, frequencies = (np.concatenate(column) for column in zip(*parts))
    if features is not None:
        features = np.asarray(features[:n], np.float32).reshape(min(n, len(features)), -1)
    return Described(small, frequencies, features)


def _same(copies: NearCopies) -> np.ndarray:
    """Whether the two images of each pair are equal in every pixel or of one base image: bool (m,)."""
    splits, same = copies.splits, np.zeros(len(copies), bool)
    for first in range(0, len(same), 64):
        part = slice(first, first + 64)
        one = split_rows.pixels(splits, copies.split[part], copies.row[part])
        other = split_rows.pixels(splits, copies.other_split[part], copies.other_row[part])
        same[part] = (one == other).reshape(len(one), -1).all(1)
    bases = [
        split_rows.column(split, row, lambda name: splits.rows[name].facts.get("base", splits.ids[name]))
        for split, row in ((copies.split, copies.row), (copies.other_split, copies.other_row))
    ]
    return same | (bases[0] == bases[1])
