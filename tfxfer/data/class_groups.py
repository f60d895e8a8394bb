"""Coarser classes: groups of a data set's classes."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tfxfer.core.errors import InputError
from tfxfer.data.lazy_images import Rows
from tfxfer.data.splits import SPLITS, Splits


def relabel(splits: Splits, groups: Mapping[str, Sequence[str]]) -> Splits:
    """Labels images by groups of classes, such as `{"shoes": ["Sandal", "Sneaker"], "bags": ["Bag"]}`.

    Images keep split, order and id. Images of a class that is in no group are left out, with one warning that names
    the class: shirts do not belong to a question about shoes and bags. To keep them, give them a group of their own.

    Args:
        splits: the data set.
        groups: for each group's name its classes, from `splits.classes`, each in one group at most. The order of the
            groups gives the new labels.

    Returns:
        Splits of the same images with the groups as classes.

    Raises:
        InputError: there are fewer than two groups, a group is empty or has no training images, or a class is unknown
            or in two groups.
    """
    known = {name: label for label, name in enumerate(splits.classes)}
    if len(groups) < 2 or not all(groups.values()):
        raise InputError(f"groups {dict(groups)}: expected at least 2, none of them empty")
    if texts := [name for name, members in groups.items() if isinstance(members, str)]:
        raise InputError(f"group {texts[0]} is the text {groups[texts[0]]!r}: expected a list of classes")
    new = np.full(len(known), -1)
    for number, (group, members) in enumerate(groups.items()):
        for name in members:
            if name not in known:
                raise InputError(f"group {group}: unknown class {name!r}, expected some of {', '.join(known)}")
            if new[known[name]] >= 0:
                raise InputError(f"class {name!r} is named twice, the second time in {group}: name it once")
            new[known[name]] = number
    kept = {split: np.flatnonzero(new[splits.rows[split].labels] >= 0) for split in SPLITS}
    if others := [name for name, label in known.items() if new[label] < 0]:
        lost = sum(splits.size(split) - len(rows) for split, rows in kept.items())
        warnings.warn(f"{lost:,} images of {', '.join(others)} belong to no group and are left out", stacklevel=2)
    subset = splits.only(**kept)
    rows = {split: Rows(old.images, new[old.labels].astype(np.int64), old.facts) for split, old in subset.rows.items()}
    if missing := [name for i, name in enumerate(groups) if i not in rows["train"].labels]:
        raise InputError(f"group {missing[0]} has no training image: add images, raise limit, or leave it out")
    return replace(subset, name=f"{splits.name} in {len(groups)} groups", classes=tuple(groups), rows=rows)
