"""Which images a trial learns from and which it is judged by: the split itself, or, where images are few, folds."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.model_selection import StratifiedKFold

from tfxfer.data import Splits
from tfxfer.data.lazy_images import Rows

FEW = 500  # training images below which one validation split says too little
FOLDS = 5


@dataclass(frozen=True)
class Fold:
    """One division into training and validation images.

    Attributes:
        number: from 0.
        splits: with these as `train` and `validation`, and the test images.
        whole: whether these are the splits that were given: activations of those can be used as they are.
    """

    number: int
    splits: Splits
    whole: bool = True


def divide(splits: Splits, seed: int) -> list[Fold]:
    """The split that was given; of fewer than `FEW` training images, five stratified folds of training and validation.

    With few images one validation split is a matter of luck. Each image is then in the validation of one fold, as far
    as every class has an image in the training part of each: with classes of two to four images there are as many
    folds as the smallest class has.
    """
    labels = np.concatenate([splits.rows[part].labels for part in ("train", "validation")])
    number = min(FOLDS, int(np.bincount(labels, minlength=len(splits.classes)).min()))
    if splits.size("train") >= FEW or number < 2:
        return [Fold(0, splits)]
    pixels = np.concatenate([np.asarray(splits.rows[part].images[:]) for part in ("train", "validation")])
    ids = np.concatenate([splits.ids[part] for part in ("train", "validation")])
    folds = []
    for fold, parts in enumerate(StratifiedKFold(number, shuffle=True, random_state=seed).split(pixels, labels)):
        named = dict(zip(("train", "validation"), parts, strict=True))
        rows = {part: Rows(pixels[index], labels[index]) for part, index in named.items()}
        taken = {part: ids[index] for part, index in named.items()}
        folds.append(Fold(fold, replace(splits, rows=splits.rows | rows, ids=splits.ids | taken), whole=False))
    return folds
