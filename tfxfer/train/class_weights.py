"""How much each class counts in the training loss, for data sets with unequal numbers of images."""

from collections.abc import Sequence

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from tfxfer.core.errors import InputError


def class_weights(option: str | Sequence[float] | None, labels: np.ndarray, classes: int) -> np.ndarray | None:
    """Turns the option `class_weights` of `fit` into one factor for each class.

    Args:
        option: a number for each class, "balanced" for n / (classes x images of the class), or "none" or None.
        labels: int64 (n,), labels of the training images; each class occurs at least once.
        classes: number of classes.

    Returns:
        float32 (classes,), or None for no weights.

    Raises:
        InputError: neither "balanced" nor one finite number above 0 for each class.
    """
    if option is None or (isinstance(option, str) and option == "none"):
        return None
    if isinstance(option, str):
        if option != "balanced":
            raise InputError(f"class_weights {option!r}: expected balanced, none, or a number for each class")
        return compute_class_weight("balanced", classes=np.arange(classes), y=labels).astype(np.float32)
    try:
        weights = np.asarray(option, np.float32)
    except (TypeError, ValueError):  # such as Keras's dict
        raise InputError(f"class_weights {option!r}: expected balanced, none, or a list of {classes} numbers") from None
    if weights.shape != (classes,) or not (np.isfinite(weights).all() and weights.min() > 0):
        raise InputError(f"class_weights {option}: expected {classes} finite numbers above 0, one for each class")
    return weights
