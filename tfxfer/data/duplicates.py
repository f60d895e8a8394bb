"""Images that are equal in every pixel: how many there are, and which of them make a test or validation too easy."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import tensorflow as tf

from tfxfer.core import live_lines
from tfxfer.core.errors import InputError
from tfxfer.data import near_duplicates, pixel_digests, split_rows
from tfxfer.data.lazy_images import Files, Picked
from tfxfer.data.splits import SPLITS, Splits

NAMED = 3  # of the equal images that are the example
TRAIN, VALIDATION, TEST = range(3)  # as in SPLITS


@dataclass(frozen=True)
class Copies:
    """Images that occur more than once.

    Groups that reach from training or validation into the test come first, then those that reach from training into
    validation, then those under several classes.

    Attributes:
        splits: the splits that were searched.
        group: int64 (m,), for each such image the number of its group of equal images, from 0 and without gaps.
        split: int64 (m,), its split as a position in `SPLITS`.
        row: int64 (m,), its row there.
    """

    splits: Splits = field(repr=False)
    group: np.ndarray
    split: np.ndarray
    row: np.ndarray

    def summary(self) -> dict[str, object]:
        """What a run records; {} if no two images are equal.

        `groups`: how many different images occur more than once; `images`: how many images these are in all;
        `across_test`: test images that are also in training or validation; `across_validation`: validation images that
        are also in training; `several_classes`: groups with more than one label; `such_as`: names of a few images of
        one group.
        """
        if not len(self.group):
            return {}
        inside, mixed = self.kinds()
        learned = inside[:, TRAIN] | inside[:, VALIDATION]
        example = np.flatnonzero(self.group == 0)[:NAMED]
        return {
            "groups": len(inside),
            "images": len(self.group),
            "across_test": int(((self.split == TEST) & learned[self.group]).sum()),
            "across_validation": int(((self.split == VALIDATION) & inside[self.group, TRAIN]).sum()),
            "several_classes": int(mixed.sum()),
            "such_as": sorted(self._name(number) for number in example),
        }

    def members(self) -> list[list[dict[str, object]]]:
        """The images of each group, as dicts of id, split and class."""
        groups: list[list[dict[str, object]]] = [[] for _ in range(int(self.group.max(initial=-1)) + 1)]
        ids, labels = self.column(lambda split: self.splits.ids[split]), self._labels()
        for group, split, number, label in zip(self.group, self.split, ids, labels):
            groups[group].append({"id": int(number), "split": SPLITS[split], "class": self.splits.classes[label]})
        return groups

    def _labels(self) -> np.ndarray:
        return self.column(lambda split: self.splits.rows[split].labels)

    def column(self, of: Callable[[str], np.ndarray]) -> np.ndarray:
        """The values of a column, given by split, for each of the images: int64 (m,)."""
        return split_rows.column(self.split, self.row, of)

    def kinds(self) -> tuple[np.ndarray, np.ndarray]:
        """The splits that each group is in, bool (groups, 3), and whether it has several labels, bool (groups,)."""
        inside = np.zeros((int(self.group.max(initial=-1)) + 1, len(SPLITS)), bool)
        inside[self.group, self.split] = True
        return inside, _differ(self.group, self._labels())

    def _name(self, number: int) -> str:
        split, row = SPLITS[self.split[number]], self.row[number]
        images = self.splits.rows[split].images
        return str(images.paths[row]) if isinstance(images, Files) else f"{split} {self.splits.ids[split][row]}"


@live_lines.line("looking for equal images", after=live_lines.PATIENCE)
def find(splits: Splits) -> Copies:
    """Finds images that are equal in every pixel, as a network sees them: resized, and after transforms.

    Images that were made of one and the same image (corrupted ones have the fact `base`) do not count.

    60,000 images of 28 x 28 take 0.06 s, as many of 32 x 32 x 3 take 0.12 s, plus the time to read mapped files. Image
    files are known by the digests that `image_validation.check` has taken.

    Args:
        splits: the images to compare.
    """
    split = np.repeat(np.arange(len(SPLITS)), [splits.size(name) for name in SPLITS])
    row = np.concatenate([np.arange(splits.size(name)) for name in SPLITS])
    files = [splits.rows[name].images for name in SPLITS]
    known = [images.kept.digests for images in files if isinstance(images, Files) and images.kept]
    if not splits.transforms and len(known) == len(SPLITS):
        digest = np.concatenate(known).view("S16")[:, 0]
        candidates = np.arange(len(digest))
    else:
        readers = [_reader(splits, name) for name in SPLITS]
        candidates = pixel_digests.repeated(
            np.concatenate([pixel_digests.keys(fetch, rows) for fetch, rows in readers])
        )
        by_split = (row[candidates[split[candidates] == number]] for number in range(len(SPLITS)))
        digest = np.array(
            [image for (fetch, _), rows in zip(readers, by_split) for image in pixel_digests.digests(fetch, rows)],
            "S16",
        )
    group = np.unique(digest, return_inverse=True)[1]
    several = np.bincount(group)[group] > 1 if len(group) else np.zeros(0, bool)
    return _ordered(Copies(splits, group[several], split[candidates][several], row[candidates][several]))


def check(splits: Splits, strict: bool = False) -> Splits:
    """Looks for equal images: warns of them, and returns the splits with `Copies.summary` in their notes.

    Args:
        splits: the images to compare.
        strict: whether to refuse images that are in two of the splits, and near-copies across them, too.

    Raises:
        InputError: images, or near-copies of them, are in two of the splits, and `strict` is set.
    """
    summary: dict[str, Any] = find(splits).summary()
    if strict and not (summary.get("across_test") or summary.get("across_validation")):
        near_duplicates.check(splits, near_duplicates.find(splits), strict)
    if not summary:
        return splits
    example = f"such as {' = '.join(summary['such_as'])}"
    leaking = (
        f"test images also in training or validation: {summary['across_test']:,}, "
        f"validation images also in training: {summary['across_validation']:,}"
    )
    if strict and (summary["across_test"] or summary["across_validation"]):
        raise InputError(
            f"{splits.origin}: {leaking}, {example}: remove the copies, or leave out --strict (strict=True) to go on "
            "with a warning"
        )
    warnings.warn(
        f"{splits.origin}: images that occur more than once: {summary['images']:,} (different ones: "
        f"{summary['groups']:,}), {leaking}, those under several classes: {summary['several_classes']:,}, {example}",
        stacklevel=3,
    )
    return replace(splits, notes=splits.notes | {"duplicates": summary})


def _reader(splits: Splits, split: str) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]:
    """A function from rows of a split to their pixels, and all rows in the order in which they are read fastest."""
    images, rows = splits.rows[split].images, np.arange(splits.size(split))
    if splits.transforms:
        read = splits.reader(split)
        return lambda subset: read(tf.constant(subset))["image"].numpy(), rows
    # files that are mapped are read from front to back
    return lambda subset: np.asarray(images[subset]), np.argsort(images.rows) if isinstance(images, Picked) else rows


def _differ(group: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Whether a group's values are not all the same: bool (groups,)."""
    first = np.zeros(int(group.max(initial=-1)) + 1, np.int64)
    first[group] = value  # any of them
    differ = np.zeros(len(first), bool)
    differ[group[value != first[group]]] = True
    return differ


def _ordered(copies: Copies) -> Copies:
    """The copies without groups of one base image; the other groups are numbered in the order of `Copies`."""
    splits, group = copies.splits, copies.group
    if not len(group):
        return copies
    kept = _differ(group, copies.column(lambda split: splits.rows[split].facts.get("base", splits.ids[split])))
    inside, mixed = copies.kinds()
    tested = inside[:, TEST] & (inside[:, TRAIN] | inside[:, VALIDATION])
    first = np.full(len(inside), len(group))
    np.minimum.at(first, group, np.arange(len(group)))  # the last criterion: where a group begins
    order = np.lexsort((first, ~mixed, ~(inside[:, TRAIN] & inside[:, VALIDATION]), ~tested))
    number = np.empty(len(order), np.int64)
    number[order[kept[order]]] = np.arange(kept.sum())
    members = kept[group]
    return Copies(splits, number[group[members]], copies.split[members], copies.row[members])
