"""A look at a data set before anything is trained on it: counts, pixels, duplicates, and labels that look wrong."""

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedKFold

from tfxfer.analysis.linear import PCA
from tfxfer.analysis.probes import fit
from tfxfer.core.count_progress import track
from tfxfer.core.errors import InputError
from tfxfer.data import channel_stats
from tfxfer.data.duplicates import find
from tfxfer.data.splits import SPLITS, TRAINING_SPLITS, Splits

DIMENSIONS = 128  # principal components used to find suspicious labels: with more, the fits take minutes


@dataclass(frozen=True)
class Pixels:
    """The values of the pixels of training and validation images, all channels together.

    Attributes:
        histogram: int64 (256,), how often each value from 0 to 255 occurs.
    """

    histogram: np.ndarray

    @property
    def mean(self) -> float:
        """Mean value, from 0 to 255."""
        return float(self.histogram @ np.arange(256) / self.histogram.sum())

    @property
    def median(self) -> float:
        """Median value; the lower of the two in the middle, if they differ."""
        return float(np.searchsorted(np.cumsum(self.histogram), (self.histogram.sum() + 1) // 2))

    @property
    def std(self) -> float:
        """Standard deviation (ddof 0)."""
        return float(np.sqrt(self.histogram @ (np.arange(256) - self.mean) ** 2 / self.histogram.sum()))


def counts(splits: Splits) -> dict[str, list[int]]:
    """The number of images of each class, in the order of the classes, for each split."""
    return {split: np.bincount(splits.rows[split].labels, minlength=len(splits.classes)).tolist() for split in SPLITS}


def pixels(splits: Splits) -> Pixels:
    """Counts the values of all pixels, in one pass over training and validation images."""
    return Pixels(channel_stats.histogram(splits, *TRAINING_SPLITS).sum(0))


def duplicates(splits: Splits) -> list[list[dict[str, object]]]:
    """Finds groups of images that are equal in every pixel.

    Groups that reach from training or validation into test come first, as they make a test easier than it looks; then
    groups in both training and validation, then groups with different labels. `tfxfer.data.duplicates` defines what
    counts as equal.

    Returns:
        Groups, each a list of dicts with the id, the split and the class of an image.
    """
    return find(splits).members()


def leaks(group: list[dict[str, object]]) -> bool:
    """Whether a group of equal images is both in test and in training or validation."""
    sides = {member["split"] == "test" for member in group}
    return len(sides) == 2


def suspicious(x: np.ndarray, labels: np.ndarray, folds: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rates how suspicious each label looks to a probe that has not seen it (Northcutt et al. 2021, arXiv:1911.00068).

    Args:
        x: float (n, d), features, of which the first 128 principal components are used.
        labels: int64 (n,), of at least two classes, each with at least `folds` images.
        folds: number of folds; the probabilities of each image come from a logistic regression fitted to the others.
        seed: random seed of the folds.

    Returns:
        float64 (n,), the probability of the likeliest other class less that of the label, from -1 to 1 and highest
        where the label is most suspicious; and int64 (n,), that other class.

    Raises:
        InputError: too few images of a class, or one class.
    """
    labels = np.asarray(labels)
    present, size = np.unique(labels, return_counts=True)
    if len(present) < 2 or size.min() < folds:
        raise InputError(
            f"{size.min()} images of a class, {len(present)} classes: expected {folds} of each of at least 2"
        )
    if x.shape[1] > DIMENSIONS:
        x = PCA(min(DIMENSIONS, len(x))).fit_transform(x)
    probabilities = np.zeros((len(labels), labels.max() + 1))
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(x, labels)
    for inside, outside in track(parts, "suspicious labels", folds, "folds"):
        probe = fit(x[inside], labels[inside], "logistic", seed, classes=probabilities.shape[1])
        probabilities[outside] = probe.probabilities(x[outside])
    rows = np.arange(len(labels))
    own = probabilities[rows, labels]
    probabilities[rows, labels] = -1
    return probabilities.max(1) - own, probabilities.argmax(1)
