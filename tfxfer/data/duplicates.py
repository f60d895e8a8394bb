"""Images that are equal in every pixel: how many there are, and which of them make a test or a validation too easy."""

import hashlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import tensorflow as tf

from tfxfer.core.errors import InputError
from tfxfer.data import image_validation
from tfxfer.data.lazy_images import Files, Picked
from tfxfer.data.splits import SPLITS, Splits

BLOCK = 1024  # images read at once
NAMED = 3  # of the equal images that are the example
TRAIN, VALIDATION, TEST = range(3)  # as in SPLITS


@dataclass(frozen=True)
class Copies:
    """Those images of `splits` of which there is an equal one, (m,) each: the number of its group of equal images, from
    0 and without gaps, its split as a place in `SPLITS`, and its row there.

    Groups that reach from training or validation into the test come first, then those that reach from training into
    validation, then those under several classes.
    """

    splits: Splits = field(repr=False)
    group: np.ndarray
    split: np.ndarray
    row: np.ndarray

    def summary(self) -> dict[str, object]:
        """What a run records; {} if no two images are equal.

        `groups` different images are there more than once, as `images` in all; `across_test` test images are also in
        training or validation, `across_validation` validation images in training; `several_classes` of the groups have
        more than one label; and the first few of one group.
        """
        if not len(self.group):
            return {}
        inside, mixed = self._kinds()
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
        """Each group as dicts of id, split and class."""
        found: list[list[dict[str, object]]] = [[] for _ in range(int(self.group.max(initial=-1)) + 1)]
        ids, labels = self._column(lambda split: self.splits.ids[split]), self._labels()
        for group, split, number, label in zip(self.group, self.split, ids, labels):
            found[group].append({"id": int(number), "split": SPLITS[split], "class": self.splits.classes[label]})
        return found

    def _labels(self) -> np.ndarray:
        return self._column(lambda split: self.splits.rows[split].labels)

    def _column(self, of: Callable[[str], np.ndarray]) -> np.ndarray:
        """What a column, by split, has for each of the images: int64 (m,)."""
        found = np.zeros(len(self.group), np.int64)
        for number, split in enumerate(SPLITS):
            here = self.split == number
            found[here] = of(split)[self.row[here]]
        return found

    def _kinds(self) -> tuple[np.ndarray, np.ndarray]:
        """Which splits each group is in, bool (groups, 3), and whether it has several labels, bool (groups,)."""
        inside = np.zeros((int(self.group.max(initial=-1)) + 1, len(SPLITS)), bool)
        inside[self.group, self.split] = True
        return inside, _differ(self.group, self._labels())

    def _name(self, number: int) -> str:
        split, row = SPLITS[self.split[number]], self.row[number]
        images = self.splits.rows[split].images
        return str(images.paths[row]) if isinstance(images, Files) else f"{split} {self.splits.ids[split][row]}"


def find(splits: Splits, digests: dict[str, list[bytes]] | None = None) -> Copies:
    """Equal images, whatever transforms make of them; of files, what they hold before it is resized.

    Images that were made of one and the same image (corrupted ones have the fact `base`) do not count.

    60,000 images of 28 x 28 take 0.06 s, as many of 32 x 32 x 3 0.12 s; mapped files have to be read besides. Picture
    files are decoded once and remembered, as `checked.look` says.

    Args:
        digests: of each file by split, as `checked.readable` gives them, where they are known.
    """
    split = np.repeat(np.arange(len(SPLITS)), [splits.size(each) for each in SPLITS])
    row = np.concatenate([np.arange(splits.size(each)) for each in SPLITS])
    if not splits.transforms and all(isinstance(rows.images, Files) for rows in splits.rows.values()):
        known = digests or {
            each: image_validation.look(splits.rows[each].images.paths, splits.origin)[0] for each in SPLITS
        }
        digest = np.array([one for each in SPLITS for one in known[each]], "S16")
        some = np.flatnonzero(digest != b"")  # but what cannot be read
        digest = digest[some]
    else:
        read = [_reader(splits, each) for each in SPLITS]
        some = _repeated(np.concatenate([_keys(fetch, rows) for fetch, rows in read]))
        each = (_digests(fetch, row[some[split[some] == number]]) for number, (fetch, _) in enumerate(read))
        digest = np.array([one for digests in each for one in digests], "S16")
    group = np.unique(digest, return_inverse=True)[1]
    several = np.bincount(group)[group] > 1 if len(group) else np.zeros(0, bool)
    found = Copies(splits, group[several], split[some][several], row[some][several])
    return _ordered(found)


def check(splits: Splits, strict: bool = False, digests: dict[str, list[bytes]] | None = None) -> Splits:
    """The splits with `find`'s summary in their notes, if there are equal images; a warning says how many.

    Args:
        strict: refuses images that are in two of the splits.

    Raises:
        InputError: there are some, and `strict`.
    """
    twins = find(splits, digests).summary()
    if not twins:
        return splits
    example = f"such as {' = '.join(twins['such_as'])}"
    leaking = (
        f"test images also in training or validation: {twins['across_test']:,}, "
        f"validation images also in training: {twins['across_validation']:,}"
    )
    if strict and (twins["across_test"] or twins["across_validation"]):
        raise InputError(
            f"{splits.origin}: {leaking}, {example}: remove the copies, or leave out --strict (strict=True) to go on "
            "with a warning"
        )
    warnings.warn(
        f"{splits.origin}: images that occur more than once: {twins['images']:,} (different ones: "
        f"{twins['groups']:,}), {leaking}, those under several classes: {twins['several_classes']:,}, {example}",
        stacklevel=3,
    )
    return replace(splits, notes=splits.notes | {"duplicates": twins})


def _reader(splits: Splits, split: str) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]:
    """A function from rows of a split to their pixels, and all rows in the order in which they are read best."""
    images, rows = splits.rows[split].images, np.arange(splits.size(split))
    if splits.transforms:
        read = splits.reader(split)
        return lambda some: read(tf.constant(some))["image"].numpy(), rows
    # files that are mapped are read from front to back
    return lambda some: np.asarray(images[some]), np.argsort(images.rows) if isinstance(images, Picked) else rows


def _keys(fetch: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Equal numbers for equal images, and seldom for others: uint64 (n,), by row.

    The sum of a picture's 8-byte words, each times a random odd number, modulo 2^64: many times faster than a digest,
    which then only those need that have the number of another.
    """
    found = np.zeros(len(rows), np.uint64)
    for first in range(0, len(rows), BLOCK):
        some = rows[first : first + BLOCK]
        flat = fetch(some).reshape(len(some), -1)
        words = np.pad(flat, ((0, 0), (0, -flat.shape[1] % 8))).view(np.uint64)
        factors = np.random.default_rng(0).integers(2**63, size=words.shape[1], dtype=np.uint64) * 2 + 1
        found[some] = words @ factors
    return found


def _repeated(keys: np.ndarray) -> np.ndarray:
    """Places of the numbers that occur more than once."""
    _, number, count = np.unique(keys, return_inverse=True, return_counts=True)
    return np.flatnonzero(count[number] > 1)


def _digests(fetch: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> Iterator[bytes]:
    for first in range(0, len(rows), BLOCK):
        for pixels in fetch(rows[first : first + BLOCK]):
            yield hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()


def _differ(group: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Whether a group's values are not all the same: bool (groups,)."""
    first = np.zeros(int(group.max(initial=-1)) + 1, np.int64)
    first[group] = value  # any of them
    found = np.zeros(len(first), bool)
    found[group[value != first[group]]] = True
    return found


def _ordered(copies: Copies) -> Copies:
    """Without groups of one base image, the others numbered in the order that `Copies` promises."""
    splits, group = copies.splits, copies.group
    if not len(group):
        return copies
    kept = _differ(group, copies._column(lambda split: splits.rows[split].facts.get("base", splits.ids[split])))
    inside, mixed = copies._kinds()
    tested = inside[:, TEST] & (inside[:, TRAIN] | inside[:, VALIDATION])
    place = np.full(len(inside), len(group))
    np.minimum.at(place, group, np.arange(len(group)))  # else as they come
    order = np.lexsort((place, ~mixed, ~(inside[:, TRAIN] & inside[:, VALIDATION]), ~tested))
    number = np.empty(len(order), np.int64)
    number[order[kept[order]]] = np.arange(kept.sum())
    some = kept[group]
    return Copies(splits, number[group[some]], copies.split[some], copies.row[some])
