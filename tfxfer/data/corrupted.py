"""The "-C" version of a data set: its images under corruptions, made as they are read, or CIFAR-10-C's own files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tfxfer.core.concatenated import Concatenated
from tfxfer.core.errors import InputError
from tfxfer.data import cifar10c, corruptions
from tfxfer.data.cifar10c import Cell
from tfxfer.data.corruption_transform import Corrupt
from tfxfer.data.corruptions import Photographs, textures
from tfxfer.data.corruptions.textures import FrostTextures
from tfxfer.data.image_ids import ID_STEP
from tfxfer.data.lazy_images import Files, Images, Picked, Rows
from tfxfer.data.splits import SPLITS, Splits, stratified

Table = tuple[Rows, np.ndarray]
"""Corrupted images and their ids."""


def corrupt(
    splits: Splits, name: str, severity: int | Sequence[int], seed: int = 0, frost_textures: FrostTextures = None
) -> Splits:
    """Makes the "-C" version of a data set: every image corrupted, in the same way in every epoch and every run.

    Examples keep their label and split. They get the facts `corruption` (its number in `corruptions.NAMES`), `severity`
    and `base`, the id of the image they were made of.

    Args:
        splits: the data set; it must not be corrupted already.
        name: one of `corruptions.NAMES`.
        severity: a number from 1 to 5, or several; with several, each image occurs once under each severity.
        seed: the random seed of the corruptions.
        frost_textures: photographs of ice for frost, or their folder; None for generated textures.

    Returns:
        Splits whose images are corrupted when they are read.

    Raises:
        InputError: the name or a severity is unknown, the images are not square, smaller than 28 pixels per side, or
            neither grey nor RGB, the data set is corrupted already, or the folder contains no photographs.
    """
    severities = (severity,) if isinstance(severity, int) else tuple(severity)
    cells = tuple((name, number) for number in severities)
    photographs = textures.as_photographs(frost_textures)
    copies = {split: CorruptedCopy.of(splits, split, seed, photographs) for split in SPLITS}
    tables = {split: copy.table(cells, np.arange(splits.size(split))) for split, copy in copies.items()}
    title = f"{splits.name}, {name} {','.join(map(str, severities))}"
    return _as_splits(splits, tables, name=title, transforms=(*splits.transforms, Corrupt.of(cells, seed, photographs)))


@dataclass(frozen=True)
class CorruptedCopy:
    """A set of images of which each has a version under every corruption and severity; `divide` makes splits of them.

    A pair of a corruption and a severity is called a cell.

    Attributes:
        template: splits with the classes and the shape of the images.
        labels: int64 (n,).
        bases: int64 (n,), the ids of the uncorrupted images.
        images: the uncorrupted pixels, (n, height, width, channels), perhaps still in files; None if the versions
            themselves are in files.
        files: the versions in files, (n, height, width, channels) by cell, in the order of the images; empty if they
            are made from `images`.
        seed: the random seed of the corruptions.
        known_as: identifies the files; the bases say which of their images are meant.
        photographs: of ice, for frost.
    """

    template: Splits
    labels: np.ndarray
    bases: np.ndarray
    images: Images | None = field(repr=False)
    files: Mapping[Cell, np.ndarray | Picked] = field(repr=False)
    seed: int = 0
    known_as: str = ""
    photographs: Photographs | None = None

    @classmethod
    def of(
        cls, splits: Splits, split: str = "test", seed: int = 0, frost_textures: FrostTextures = None
    ) -> "CorruptedCopy":
        """The corrupted copy of one split; the arguments are those of `corrupt`.

        Raises:
            InputError: the splits are corrupted already, or the folder contains no photographs.
        """
        rows = splits.rows[split]
        if "corruption" in rows.facts:
            raise InputError(f"{splits.name} is corrupted already: corrupt the original data set")
        bases, photographs = rows.facts.get("base", splits.ids[split]), textures.as_photographs(frost_textures)
        return cls(splits, rows.labels, bases, rows.images, {}, seed, photographs=photographs)

    @classmethod
    def published(cls, clean: Splits, cells: Sequence[Cell], data_dir: str | Path | None = None) -> "CorruptedCopy":
        """CIFAR-10-C's own files, for the images in the test split of `clean`, which is CIFAR-10 or part of it.

        Raises:
            InputError: the files are not available, or their labels differ from those of `clean`.
        """
        files, labels, origin = cifar10c.read(tuple(cells), data_dir)
        rows = clean.ids["test"] - cifar10c.FIRST_ID
        in_range = (rows >= 0) & (rows < len(labels))
        expected = clean.rows["test"].labels
        if not in_range.all() or (labels[rows] != expected).any():
            raise InputError(
                f"{origin}: its labels are not those of the test images of {clean.name} from {clean.origin}: both must "
                "be complete: download them again"
            )
        selected = {cell: Picked(array, rows) for cell, array in files.items()}
        return cls(clean, expected, clean.ids["test"], None, selected, known_as=cifar10c.identify(origin))

    @property
    def remark(self) -> str:
        """How the versions may differ from CIFAR-10-C, for readers of a mean over corruptions."""
        return "CIFAR-10-C's own files" if self.images is None else corruptions.remark(self.photographs)

    def only(self, rows: np.ndarray) -> "CorruptedCopy":
        """The corrupted copy of some of the images, selected by row."""
        images = None if self.images is None else Rows(self.images, self.labels).take(rows).images
        files = {cell: Picked(array, rows) for cell, array in self.files.items()}
        return replace(self, labels=self.labels[rows], bases=self.bases[rows], images=images, files=files)

    def table(self, cells: Sequence[Cell], rows: np.ndarray, by_cell: bool = False) -> Table:
        """The versions of some of the images under each of the cells, and the ids of these versions.

        Args:
            cells: pairs of corruption and severity.
            rows: the images, by row.
            by_cell: whether to list one cell after another. Otherwise, all images come first under one random cell
                each, then all under their next cell, and so on, so that the first n versions are those of n images and
                have the images' class shares.

        Returns:
            The versions, with the facts `base`, `corruption` and `severity`, and int64 ids.
        """
        for cell in cells:
            corruptions.check(*cell, self.template.image_shape)
        row = np.tile(rows, len(cells))
        if by_cell:
            number = np.repeat(np.arange(len(cells)), len(rows))
        else:
            first = np.random.default_rng(self.seed).integers(len(cells), size=len(rows))
            number = (first + np.arange(len(cells))[:, None]).ravel() % len(cells)
        kinds = np.array([corruptions.NAMES.index(name) for name, _ in cells], np.int64)[number]
        severities = np.array([severity for _, severity in cells], np.int64)[number]
        if self.images is None:
            arrays = Concatenated([self.files[cell] for cell in cells])
            images: Images = Picked(arrays, number * len(self.labels) + row, f"{self.known_as} {list(cells)}")
        else:
            images = self.images.pick(row) if isinstance(self.images, Files) else Picked(self.images, row)
        bases = self.bases[row]
        ids = (5 * kinds + severities) * ID_STEP + bases
        return Rows(images, self.labels[row], {"base": bases, "corruption": kinds, "severity": severities}), ids

    def divide(
        self, cells: Sequence[Cell], learn: float = 0.4, validate: float = 0.1, seed: int = 0, leaky: bool = False
    ) -> Splits:
        """Divides the versions into splits, with all versions of an image in one split.

        Args:
            cells: pairs of corruption and severity.
            learn: the share of the images whose versions are for training; the division is stratified.
            validate: the share of the images for validation; the remaining ones are for the test.
            seed: the random seed of the division.
            leaky: whether to divide the versions instead of the images, and to test on all of them. A network has then
                learned from images that it is tested on, as in the published report.
        """
        whole = self.table(cells, np.arange(len(self.labels))) if leaky else None
        order = stratified(whole[0].labels if whole else self.labels, seed)
        parts = np.split(order, np.round(np.cumsum([learn, validate]) * len(order)).astype(int))
        if whole is None:
            tables = {split: self.table(cells, rows) for split, rows in zip(SPLITS, parts)}
        else:
            versions, ids = whole
            parts[2] = np.arange(len(ids))
            tables = {split: (versions.take(rows), ids[rows]) for split, rows in zip(SPLITS, parts)}
        return self._splits(cells, tables, leaky)

    def grid(self, cells: Sequence[Cell], rows: np.ndarray) -> Splits:
        """Splits with only a test split, in which one cell comes after another."""
        return self._splits(cells, {"test": self.table(cells, rows, by_cell=True)}, False)

    def _splits(self, cells: Sequence[Cell], tables: Mapping[str, Table], leaky: bool) -> Splits:
        names = dict.fromkeys(name for name, _ in cells)
        title = f"{self.template.name}, {', '.join(names) if len(names) < 4 else f'{len(names)} corruptions'}"
        transforms = self.template.transforms
        if self.images is not None:
            transforms += (Corrupt.of(cells, self.seed, self.photographs),)
        return _as_splits(self.template, tables, name=title, transforms=transforms, leaky=leaky)


Twin = CorruptedCopy  # its name in version 0.1


def _as_splits(template: Splits, tables: Mapping[str, Table], **changes: Any) -> Splits:
    """Splits like the template, made of tables of corrupted images; a split without a table is empty."""
    empty = next(iter(tables.values()))[0].take(np.arange(0)), np.empty(0, np.int64)
    parts = {split: tables.get(split, empty) for split in SPLITS}
    rows, ids = {split: part[0] for split, part in parts.items()}, {split: part[1] for split, part in parts.items()}
    return replace(template, rows=rows, ids=ids, notes={}, **changes)
