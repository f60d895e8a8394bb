""" "-C" twins: a data set's images under corruptions, made when they are read, or read from CIFAR-10-C's files."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfxfer.core.concatenated import Concatenated
from tfxfer.core.errors import InputError
from tfxfer.data import cifar10c, corruptions
from tfxfer.data.cifar10c import Cell
from tfxfer.data.corruptions import Photographs, textures
from tfxfer.data.examples import Batch
from tfxfer.data.image_ids import ID_STEP
from tfxfer.data.lazy_images import Files, Picked, Rows
from tfxfer.data.splits import SPLITS, Splits, stratified


@dataclass(frozen=True)
class Corrupt:
    """A transform of examples by what their facts `corruption` (number in `corruptions.NAMES`), `severity` and `base`
    say; `cells` are those that occur."""

    cells: tuple[Cell, ...]
    seed: int
    revision: int = corruptions.REVISION
    photographs: Photographs | None = None  # of ice, for frost

    @classmethod
    def of(cls, cells: Sequence[Cell], seed: int, photographs: Photographs | None) -> "Corrupt":
        """What has no frost is the same with any photographs."""
        frost = any(name == "frost" for name, _ in cells)
        return cls(tuple(cells), seed, photographs=photographs if frost else None)

    def __call__(self, examples: Batch) -> Batch:
        images, ids = examples["image"], examples["base"]
        if len(self.cells) == 1:
            return examples | {"image": corruptions.corrupt(images, ids, *self.cells[0], self.seed, self.photographs)}
        numbers = np.zeros((len(corruptions.NAMES), 6), np.int32)
        for number, (name, severity) in enumerate(self.cells):
            numbers[corruptions.NAMES.index(name), severity] = number
        which = tf.gather_nd(numbers, tf.stack([examples["corruption"], examples["severity"]], 1))
        parts = tf.dynamic_partition(tf.range(tf.shape(which)[0]), which, len(self.cells))

        def made(rows, cell):
            some = tf.gather(images, rows)
            return tf.cond(
                tf.size(rows) > 0,
                lambda: corruptions.corrupt(some, tf.gather(ids, rows), *cell, self.seed, self.photographs),
                lambda: some,
            )

        mixed = tf.dynamic_stitch(parts, [made(rows, cell) for rows, cell in zip(parts, self.cells, strict=True)])
        return examples | {"image": tf.ensure_shape(mixed, images.shape)}


def corrupt(
    splits: Splits,
    name: str,
    severity: int | Sequence[int],
    seed: int = 0,
    frost_textures: Photographs | str | Path | None = None,
) -> Splits:
    """The "-C" twin of a data set: each image under a corruption, the same in each epoch and each run.

    Examples keep label and split; they get the facts `corruption` (its number in `corruptions.NAMES`), `severity` and
    `base`, the id of the image they were made of.

    Args:
        name: one of `corruptions.NAMES`.
        severity: 1 to 5, or several of them: each image is there under each.
        seed: of what is random in corruptions.
        frost_textures: photographs of ice for frost, or their folder; None for textures that are made.

    Raises:
        InputError: unknown name or severity, images that are not square, smaller than 28, or neither grey nor RGB; no
            photographs in the folder.
    """
    severities = (severity,) if isinstance(severity, int) else tuple(severity)
    cells = tuple((name, each) for each in severities)
    photographs = textures.photographs(frost_textures)
    parts = {split: Twin.of(splits, split, seed, photographs) for split in SPLITS}
    found = {split: twin.table(cells, np.arange(splits.size(split))) for split, twin in parts.items()}
    title = f"{splits.name}, {name} {','.join(map(str, severities))}"
    return _as_splits(splits, title, found, (*splits.transforms, Corrupt.of(cells, seed, photographs)), splits.leaky)


@dataclass(frozen=True)
class Twin:
    """Images with their twins under any corruption: what `divide` makes splits of.

    Attributes:
        like: has the classes and the shape of the images.
        labels, bases: int64 (n,), of the images; a base is the image's id.
        images: pixels (n, height, width, channels), perhaps still in files, to make twins of, or None:
        files: then the twins themselves, for each cell (n, height, width, channels) in the images' order.
        seed: of what is random.
        known_as: tells the files from others; which images are meant, their bases tell.
        photographs: of ice, for frost.
    """

    like: Splits
    labels: np.ndarray
    bases: np.ndarray
    images: "np.ndarray | Picked | Files | None" = field(repr=False)
    files: dict[Cell, np.ndarray] = field(repr=False)
    seed: int = 0
    known_as: str = ""
    photographs: Photographs | None = None

    @classmethod
    def of(
        cls,
        splits: Splits,
        split: str = "test",
        seed: int = 0,
        frost_textures: Photographs | str | Path | None = None,
    ) -> "Twin":
        """Of one of the splits, which must not be corrupted already; the other arguments are those of `corrupt`."""
        rows = splits.rows[split]
        if "corruption" in rows.facts:
            raise InputError(f"{splits.name} is corrupted already: make twins of the data set itself")
        bases, photographs = rows.facts.get("base", splits.ids[split]), textures.photographs(frost_textures)
        return cls(splits, rows.labels, bases, rows.images, {}, seed, photographs=photographs)

    @classmethod
    def published(cls, clean: Splits, cells: Sequence[Cell], data_dir: str | Path | None = None) -> "Twin":
        """CIFAR-10-C's own files, for the images that are in CIFAR-10's test split, whatever its limit.

        Raises:
            InputError: the files cannot be had, or their labels are not those of `clean`.
        """
        files, labels, origin = cifar10c.read(tuple(cells), data_dir)
        rows = clean.ids["test"] - cifar10c.FIRST_ID
        inside = (rows >= 0) & (rows < len(labels))
        known = clean.rows["test"].labels
        if not inside.all() or (labels[rows] != known).any():
            raise InputError(
                f"{origin}: its labels are not those of the test images of {clean.name} from {clean.origin}: both have "
                "to be whole CIFAR-10s, get them again"
            )
        files = {cell: Picked(array, rows) for cell, array in files.items()}
        return cls(clean, known, clean.ids["test"], None, files, known_as=known_as(origin))

    @property
    def remark(self) -> str:
        """What of these twins may differ from CIFAR-10-C, for whoever reads a mean over corruptions."""
        return "CIFAR-10-C's own files" if self.images is None else corruptions.remark(self.photographs)

    def only(self, rows: np.ndarray) -> "Twin":
        """Of some of the images."""
        if self.images is None:
            files = {cell: Picked(array, rows) for cell, array in self.files.items()}
            return replace(self, labels=self.labels[rows], bases=self.bases[rows], files=files)
        images = Rows(self.images, self.labels).take(rows).images
        return replace(self, labels=self.labels[rows], bases=self.bases[rows], images=images)

    def table(self, cells: Sequence[Cell], rows: np.ndarray, by_cell: bool = False) -> tuple[Rows, np.ndarray]:
        """Twins of some of the images under each of the cells, and their ids.

        Args:
            by_cell: one cell after another; else each image under one cell, drawn, then each under its next, ...: the
                first twins are of as many images, and of classes and cells as the images and cells come.
        """
        for cell in cells:
            corruptions.check(*cell, self.like.image_shape)
        if by_cell:
            number, row = np.repeat(np.arange(len(cells)), len(rows)), np.tile(rows, len(cells))
        else:
            first = np.random.default_rng(self.seed).integers(len(cells), size=len(rows))
            number = (first + np.arange(len(cells))[:, None]).ravel() % len(cells)
            row = np.tile(rows, len(cells))
        kinds = np.array([corruptions.NAMES.index(name) for name, _ in cells], np.int64)[number]
        severities = np.array([severity for _, severity in cells], np.int64)[number]
        if self.images is None:
            whole = Concatenated([self.files[cell] for cell in cells])
            images = Picked(whole, number * len(self.labels) + row, f"{self.known_as} {list(cells)}")
        else:
            images = self.images.pick(row) if isinstance(self.images, Files) else Picked(self.images, row)
        bases = self.bases[row]
        ids = (5 * kinds + severities) * ID_STEP + bases
        return Rows(images, self.labels[row], {"base": bases, "corruption": kinds, "severity": severities}), ids

    def divide(
        self, cells: Sequence[Cell], learn: float = 0.4, validate: float = 0.1, seed: int = 0, leaky: bool = False
    ) -> Splits:
        """Splits of the twins: all that is made of one image is on one side.

        Args:
            learn, validate: shares of the images, stratified; the others are the test.
            leaky: instead, any twin may be learned from, and all are tested: a network then knows images of its test.
        """
        if not leaky:
            order = stratified(self.labels, seed)
            ends = np.round(np.cumsum([learn, validate]) * len(order)).astype(int)
            found = {split: self.table(cells, rows) for split, rows in zip(SPLITS, np.split(order, ends))}
        else:
            every, ids = self.table(cells, np.arange(len(self.labels)))
            order = stratified(every.labels, seed)
            ends = np.round(np.cumsum([learn, validate]) * len(order)).astype(int)
            parts = (*np.split(order, ends)[:2], np.arange(len(order)))
            found = {split: (every.take(rows), ids[rows]) for split, rows in zip(SPLITS, parts, strict=True)}
        return self._splits(cells, found, leaky)

    def grid(self, cells: Sequence[Cell], rows: np.ndarray) -> Splits:
        """A test split alone, one cell after another."""
        return self._splits(cells, {"test": self.table(cells, rows, by_cell=True)}, False)

    def _splits(self, cells, found, leaky) -> Splits:
        names = dict.fromkeys(name for name, _ in cells)
        title = (
            f"{self.like.name}, {', '.join(names)}" if len(names) < 4 else f"{self.like.name}, {len(names)} corruptions"
        )
        made = () if self.images is None else (Corrupt.of(cells, self.seed, self.photographs),)
        return _as_splits(self.like, title, found, (*self.like.transforms, *made), leaky)


def _as_splits(like: Splits, name: str, found: dict, transforms: tuple, leaky: bool) -> Splits:
    nothing = next(iter(found.values()))[0].take(np.arange(0)), np.empty(0, np.int64)
    found = {split: found.get(split, nothing) for split in SPLITS}
    rows, ids = ({split: pair[i] for split, pair in found.items()} for i in (0, 1))
    return replace(like, name=name, rows=rows, ids=ids, transforms=transforms, leaky=leaky, notes={})


def known_as(origin: str) -> str:
    """What tells CIFAR-10-C's files from others: names, sizes and times of change."""
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(Path(origin).glob("*.npy"))]
    return repr((origin, stats))
