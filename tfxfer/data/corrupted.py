""" "-C" twins: a data set's images under corruptions, made when they are read, or read from CIFAR-10-C's files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tfxfer.core.concatenated import Concatenated
from tfxfer.core.errors import InputError
from tfxfer.data import cifar10c, corruptions
from tfxfer.data.cifar10c import Cell
from tfxfer.data.corruption_transform import Corrupt
from tfxfer.data.corruptions import Photographs, textures
from tfxfer.data.examples import Batch
from tfxfer.data.image_ids import ID_STEP
from tfxfer.data.lazy_images import Files, Images, Picked, Rows
from tfxfer.data.splits import SPLITS, Splits, stratified

Table = tuple[Rows, np.ndarray]
"""Corrupted images and their ids."""


def corrupt(
    splits: Splits,
    name: str,
    severity: int | Sequence[int],
    seed: int = 0,
    frost_textures: Photographs | str | Path | None = None,
) -> Splits:
    """Makes the "-C" twin of a data set: each image under a corruption, the same in every epoch and every run.

    Examples keep their label and split. They get the facts `corruption` (its number in `corruptions.NAMES`), `severity`
    and `base`, the id of the image they were made of.

    Args:
        splits: the data set; it must not be corrupted already.
        name: one of `corruptions.NAMES`.
        severity: a number from 1 to 5, or several: then each image is there under each severity.
        seed: the random seed of the corruptions.
        frost_textures: photographs of ice for frost, or their folder; None for generated textures.

    Returns:
        The twin, with images that are corrupted when they are read.

    Raises:
        InputError: the name or a severity is unknown, the images are not square, smaller than 28 pixels per side, or
            neither grey nor RGB, the data set is corrupted already, or the folder holds no photographs.
    """
    severities = (severity,) if isinstance(severity, int) else tuple(severity)
    cells = tuple((name, number) for number in severities)
    photographs = textures.photographs(frost_textures)
    parts = {split: Twin.of(splits, split, seed, photographs) for split in SPLITS}
    tables = {split: twin.table(cells, np.arange(splits.size(split))) for split, twin in parts.items()}
    title = f"{splits.name}, {name} {','.join(map(str, severities))}"
    return _as_splits(splits, title, tables, (*splits.transforms, Corrupt.of(cells, seed, photographs)), splits.leaky)


@dataclass(frozen=True)
class Twin:
    """Images and their corrupted twins, under any corruption; `divide` makes splits of them.

    Attributes:
        like: splits with the classes and the shape of the images.
        labels: int64 (n,).
        bases: int64 (n,), the images' ids.
        images: pixels (n, height, width, channels), perhaps still in files, to make twins of; or None:
        files: then the twins themselves, by cell, (n, height, width, channels) in the images' order.
        seed: the random seed of the corruptions.
        known_as: identifies the files; which of their images are meant follows from the bases.
        photographs: of ice, for frost.
    """

    like: Splits
    labels: np.ndarray
    bases: np.ndarray
    images: Images | None = field(repr=False)
    files: Mapping[Cell, np.ndarray | Picked] = field(repr=False)
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
        """The twin of one split, which must not be corrupted already; the other arguments are those of `corrupt`."""
        rows = splits.rows[split]
        if "corruption" in rows.facts:
            raise InputError(f"{splits.name} is corrupted already: make twins of the data set itself")
        bases, photographs = rows.facts.get("base", splits.ids[split]), textures.photographs(frost_textures)
        return cls(splits, rows.labels, bases, rows.images, {}, seed, photographs=photographs)

    @classmethod
    def published(cls, clean: Splits, cells: Sequence[Cell], data_dir: str | Path | None = None) -> "Twin":
        """The twin that CIFAR-10-C's own files hold, for the images in CIFAR-10's test split, whatever its limit.

        Raises:
            InputError: the files are not available, or their labels differ from those of `clean`.
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
        picked = {cell: Picked(array, rows) for cell, array in files.items()}
        return cls(clean, known, clean.ids["test"], None, picked, known_as=cifar10c.known_as(origin))

    @property
    def remark(self) -> str:
        """How these twins may differ from CIFAR-10-C, for readers of a mean over corruptions."""
        return "CIFAR-10-C's own files" if self.images is None else corruptions.remark(self.photographs)

    def only(self, rows: np.ndarray) -> "Twin":
        """The twin of a selection of the images, by row."""
        if self.images is None:
            files = {cell: Picked(array, rows) for cell, array in self.files.items()}
            return replace(self, labels=self.labels[rows], bases=self.bases[rows], files=files)
        images = Rows(self.images, self.labels).take(rows).images
        return replace(self, labels=self.labels[rows], bases=self.bases[rows], images=images)

    def table(self, cells: Sequence[Cell], rows: np.ndarray, by_cell: bool = False) -> Table:
        """The twins of some images under each of the cells, and the twins' ids.

        Args:
            cells: pairs of corruption and severity.
            rows: the images, by row.
            by_cell: whether one cell comes after another. Otherwise each image comes under one drawn cell, then each
                under its next cell, and so on: the first n twins are of n images, and have the images' class shares.

        Returns:
            The twins, with the facts `base`, `corruption` and `severity`, and int64 ids.
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
            images: Images = Picked(whole, number * len(self.labels) + row, f"{self.known_as} {list(cells)}")
        else:
            images = self.images.pick(row) if isinstance(self.images, Files) else Picked(self.images, row)
        bases = self.bases[row]
        ids = (5 * kinds + severities) * ID_STEP + bases
        return Rows(images, self.labels[row], {"base": bases, "corruption": kinds, "severity": severities}), ids

    def divide(
        self, cells: Sequence[Cell], learn: float = 0.4, validate: float = 0.1, seed: int = 0, leaky: bool = False
    ) -> Splits:
        """Divides the twins into splits: all twins of one image are on one side.

        Args:
            cells: pairs of corruption and severity.
            learn: the share of the images whose twins are for training, stratified.
            validate: the share for validation; the other images are for the test.
            seed: the random seed of the division.
            leaky: whether to divide the twins and not the images, and to test all of them: a network then has learned
                from images of its test, as in the published report.
        """
        if not leaky:
            order = stratified(self.labels, seed)
            ends = np.round(np.cumsum([learn, validate]) * len(order)).astype(int)
            tables = {split: self.table(cells, rows) for split, rows in zip(SPLITS, np.split(order, ends))}
        else:
            twins, ids = self.table(cells, np.arange(len(self.labels)))
            order = stratified(twins.labels, seed)
            ends = np.round(np.cumsum([learn, validate]) * len(order)).astype(int)
            parts = (*np.split(order, ends)[:2], np.arange(len(order)))
            tables = {split: (twins.take(rows), ids[rows]) for split, rows in zip(SPLITS, parts, strict=True)}
        return self._splits(cells, tables, leaky)

    def grid(self, cells: Sequence[Cell], rows: np.ndarray) -> Splits:
        """Splits with a test split alone, one cell after another."""
        return self._splits(cells, {"test": self.table(cells, rows, by_cell=True)}, False)

    def _splits(self, cells: Sequence[Cell], tables: Mapping[str, Table], leaky: bool) -> Splits:
        names = dict.fromkeys(name for name, _ in cells)
        title = f"{self.like.name}, {', '.join(names) if len(names) < 4 else f'{len(names)} corruptions'}"
        transform = () if self.images is None else (Corrupt.of(cells, self.seed, self.photographs),)
        return _as_splits(self.like, title, tables, (*self.like.transforms, *transform), leaky)


def _as_splits(
    like: Splits,
    name: str,
    tables: Mapping[str, Table],
    transforms: tuple[Callable[[Batch], Batch], ...],
    leaky: bool,
) -> Splits:
    """Splits of tables of twins; a split without a table is empty."""
    nothing = next(iter(tables.values()))[0].take(np.arange(0)), np.empty(0, np.int64)
    parts = {split: tables.get(split, nothing) for split in SPLITS}
    rows, ids = {split: part[0] for split, part in parts.items()}, {split: part[1] for split, part in parts.items()}
    return replace(like, name=name, rows=rows, ids=ids, transforms=transforms, leaky=leaky, notes={})
