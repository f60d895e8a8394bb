"""A look at a data set before anything is trained on it: counts, pixels, duplicates, labels that look wrong."""

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedKFold

from tfxfer.analysis.linear import PCA
from tfxfer.analysis.probes import fit
from tfxfer.core.errors import InputError
from tfxfer.data import channel_stats
from tfxfer.data.duplicates import find
from tfxfer.data.splits import SPLITS, TRAINING_SPLITS, Splits

DIMENSIONS = 128  # principal components in which labels are doubted: with more, the fits take minutes


@dataclass(frozen=True)
class Pixels:
    """Values 0-255 of training and validation images, all channels together: how many of each, int64 (256,)."""

    histogram: np.ndarray

    @property
    def mean(self) -> float:
        return float(self.histogram @ np.arange(256) / self.histogram.sum())

    @property
    def median(self) -> float:
        """The lower one of the two in the middle, if they differ."""
        return float(np.searchsorted(np.cumsum(self.histogram), (self.histogram.sum() + 1) // 2))

    @property
    def std(self) -> float:
        """Standard deviation, ddof 0."""
        return float(np.sqrt(self.histogram @ (np.arange(256) - self.mean) ** 2 / self.histogram.sum()))


def counts(splits: Splits) -> dict[str, list[int]]:
    """Images of each class, by split."""
    return {split: np.bincount(splits.rows[split].labels, minlength=len(splits.classes)).tolist() for split in SPLITS}


def pixels(splits: Splits) -> Pixels:
    """One pass over training and validation images."""
    return Pixels(channel_stats.histogram(splits, *TRAINING_SPLITS).sum(0))


def duplicates(splits: Splits) -> list[list[dict[str, object]]]:
    """Groups of images that are equal in every pixel: dicts of id, split and class, a group each.

    Groups that reach from training or validation into test come first: they make a test easier than it looks; then
    those in training and validation, then those that carry different labels. `tfxfer.data.duplicates` says what counts.
    """
    return find(splits).members()


def leaks(group: list[dict[str, object]]) -> bool:
    """Whether a group of equal images is on both sides."""
    sides = {member["split"] == "test" for member in group}
    return len(sides) == 2


def suspicious(x: np.ndarray, labels: np.ndarray, folds: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """How little a probe that has not seen an image believes its label (Northcutt et al. 2021, arXiv:1911.00068).

    Args:
        x: features, float (n, d), of which the first 128 principal components count.
        labels: int64 (n,), of at least two classes, each with at least `folds` images.
        folds: each image's probabilities come from a logistic regression fitted to the other folds.

    Returns:
        float64 (n,): the probability of the likeliest other class less that of the label, from -1 to 1, highest where
        the label is least believed; and that class, (n,).

    Raises:
        InputError: too few images of a class.
    """
    labels = np.asarray(labels)
    found, size = np.unique(labels, return_counts=True)
    if len(found) < 2 or size.min() < folds:
        raise InputError(
            f"{size.min()} images of a class, {len(found)} classes: expected {folds} of each of at least 2"
        )
    if x.shape[1] > DIMENSIONS:
        x = PCA(min(DIMENSIONS, len(x))).fit_transform(x)
    probabilities = np.zeros((len(labels), labels.max() + 1))
    for inside, outside in StratifiedKFold(folds, shuffle=True, random_state=seed).split(x, labels):
        probe = fit(x[inside], labels[inside], "logistic", seed, classes=probabilities.shape[1])
        probabilities[outside] = probe.probabilities(x[outside])
    rows = np.arange(len(labels))
    own = probabilities[rows, labels]
    probabilities[rows, labels] = -1
    return probabilities.max(1) - own, probabilities.argmax(1)
