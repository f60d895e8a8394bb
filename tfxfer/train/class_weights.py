"""How much each class counts in the loss, for data sets that have more of one than of another."""

from collections.abc import Sequence

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from tfxfer.core.errors import InputError


def class_weights(given: str | Sequence[float] | None, labels: np.ndarray, classes: int) -> np.ndarray | None:
    """Float32 (classes,): the weights given, or n / (classes x images of the class) for "balanced"; None for "none".

    Args:
        labels: int64 (n,), of the training images, each class at least once.

    Raises:
        InputError: neither "balanced" nor one finite number above 0 for each class.
    """
    if given is None or (isinstance(given, str) and given == "none"):
        return None
    if isinstance(given, str):
        if given != "balanced":
            raise InputError(f"class_weights {given!r}: expected balanced, none, or a number for each class")
        return compute_class_weight("balanced", classes=np.arange(classes), y=labels).astype(np.float32)
    try:
        weights = np.asarray(given, np.float32)
    except (TypeError, ValueError):  # such as Keras's dict
        raise InputError(f"class_weights {given!r}: expected balanced, none, or {classes} numbers in a list") from None
    if weights.shape != (classes,) or not (np.isfinite(weights).all() and weights.min() > 0):
        raise InputError(f"class_weights {given}: expected {classes} finite numbers above 0, one for each class")
    return weights
