"""How alike two sets of features of the same examples are: linear centred kernel alignment, CKA."""

import math

import numpy as np

from tfxfer.core import memory
from tfxfer.core.errors import InputError

LEAST = 4
"""Examples that the unbiased estimator needs."""


def cka(x: np.ndarray, y: np.ndarray, unbiased: bool = False) -> float:
    """Computes linear CKA of two sets of features (Kornblith et al. 2019, arXiv:1905.00414).

    It is HSIC(x, y) / sqrt(HSIC(x, x) HSIC(y, y)) with the kernels x x^T and y y^T: 1 if y is x rotated, moved and
    scaled, and 0 if no feature of one is correlated with any of the other. Other linear maps change it.

    The plain estimate grows towards 1 where there are fewer examples than features, even for unrelated features. The
    unbiased one takes HSIC_1 (Song et al. 2012, Feature selection via dependence maximization, JMLR 13; Nguyen et al.
    2021, arXiv:2010.15327), which estimates HSIC without bias, and may be slightly below 0.

    Args:
        x: numbers (n, d1); other shapes (n, ...) are flattened.
        y: numbers (n, d2), of the same examples in the same order.
        unbiased: whether HSIC is estimated without bias, for which n must be at least 4.

    Returns:
        The similarity: 0 to 1, or if unbiased at most about 1. NaN where it is not defined: all examples have the same
        features, or the unbiased HSIC(x, x) is not positive.

    Raises:
        InputError: other numbers of examples, too few of them, features that are not finite, or not enough memory.

    Example:
        >>> import numpy as np
        >>> from tfxfer import analysis
        >>> x = np.random.default_rng(0).normal(size=(100, 3))
        >>> round(analysis.cka(x, 5 - 2 * x[:, ::-1]), 12)
        1.0
    """
    x, y = np.asarray(x), np.asarray(y)
    for values in (x, y):
        if values.ndim < 2 or not values.size or values.dtype.kind not in "biuf":
            raise InputError(f"features {values.dtype} {values.shape}: expected numbers (n, ...), at least one of each")
    if len(x) != len(y):
        raise InputError(f"features of {len(x)} and of {len(y)} examples: expected the same examples in both")
    least = LEAST if unbiased else 2
    if len(x) < least:
        raise InputError(f"{len(x)} examples: expected at least {least}")
    d = max(math.prod(values.shape[1:]) for values in (x, y))
    memory.need(8 * (4 * len(x) * d + 2 * min(len(x), d) ** 2), f"CKA of {len(x):,} examples of {d:,} features")
    x, y = centred(x), centred(y)
    return float(ratio(hsic(x, y, unbiased), hsic(x, x, unbiased), hsic(y, y, unbiased)))


def ratio(between: np.ndarray | float, own: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """CKA of HSIC between features, and of each with itself: arrays that fit together; NaN where it is not defined."""
    defined = (np.asarray(own) > 0) & (np.asarray(other) > 0)
    # the root of each, for their product may be too large or too small for float64
    scale = np.sqrt(np.where(defined, own, np.nan)) * np.sqrt(np.where(defined, other, np.nan))
    return np.divide(between, scale)


def hsic(x: np.ndarray, y: np.ndarray, unbiased: bool) -> float:
    """HSIC of centred features (n, d1) and (n, d2), times (n - 1)^2 if biased and n (n - 3) if not.

    With features whose mean is 0, the sums over the rows of the kernels are 0, and only the kernels' diagonals are left
    of the unbiased estimator's corrections: k = |x_i|^2 and l = |y_i|^2.
    """
    n = len(x)
    by_examples = n < max(x.shape[1], y.shape[1])  # whichever product is smaller
    product = float(np.vdot(x @ x.T, y @ y.T) if by_examples else ((x.T @ y) ** 2).sum())
    if not unbiased:
        return product
    k, l = (x**2).sum(1), (y**2).sum(1)  # noqa: E741  the names in the paper
    return float(product - n / (n - 2) * (k @ l) + k.sum() * l.sum() / ((n - 1) * (n - 2)))


def centred(x: np.ndarray) -> np.ndarray:
    """Features (n, ...) as float64 (n, d) with mean 0 and largest magnitude 1; 0 if all examples are the same.

    Raises:
        InputError: features that are not finite.
    """
    x = x.reshape(len(x), -1).astype(np.float64)
    if not np.isfinite(x).all():
        raise InputError("features contain NaN or infinity: leave out or repair those examples")
    x /= np.abs(x).max() or 1.0  # no square is too large or too small for float64
    x -= x[0].copy()  # exact for features that are the same in all examples, which a mean is not
    x -= x.mean(0)
    x /= np.abs(x).max() or 1.0
    return x
