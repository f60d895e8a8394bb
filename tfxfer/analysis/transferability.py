"""How well features suit a task before anything is trained: LogME, H-score and LEEP, where higher is better.

Each of them compares backbones on the same images and labels; none of them can be compared between data sets.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from tfxfer.core import memory
from tfxfer.core.errors import InputError

ROWS = 8192  # rows, or columns, to hold in float64 at once
BOUNDS = 1e-10, 1e10  # range of alpha / beta, relative to the mean eigenvalue of the features' Gram matrix
STARTS = 185  # points in that range, a quarter apart in log(alpha / beta): no peak of the evidence is that narrow


def logme(x: np.ndarray, labels: np.ndarray) -> float:
    """LogME: the highest log evidence of Bayesian linear regression on the features, per image, averaged over classes.

    You et al. 2021, arXiv:2102.11005, with the eigenvalues of You et al. 2022, arXiv:2110.10545. The one-hot column y
    of each class is modelled as normal, y | w ~ N(x w, 1 / beta), w ~ N(0, 1 / alpha), and alpha and beta maximise
    p(y | x). As published, the features are not centred and there is no intercept. Rotating all features, or scaling
    them by one number, changes nothing.

    The published fixed point stops at the local maximum next to its start, alpha = beta. Features whose mean is 50 to
    200 times their spread have several maxima, because the mean alone explains part of the labels, with a large alpha.
    Here the evidence, in which alpha / beta is the only unknown, is computed over its whole range and then refined at
    its highest point.

    The authors' code leaves (d - n) / 2 log(alpha) out of the log determinant if d exceeds n (thuml/LogME, issue 23);
    here the evidence is exact. If the features give the labels without residuals, the evidence has no maximum, and
    `BOUNDS` limits it.

    Args:
        x: finite float (n, d), the features of n images; n may be above or below d.
        labels: integers (n,), of at least two classes; classes without an image do not count.

    Returns:
        A log density, which may have either sign.

    Raises:
        InputError: other shapes or types, numbers that are not finite, one class, or not enough memory.
    """
    x, labels = _checked("features", x, labels)
    return float(np.mean(_evidence(_spectrum(x, labels)))) / len(x)


def hscore(x: np.ndarray, labels: np.ndarray, shrinkage: float | None = None) -> float:
    """The shrinkage-based H-score, tr(cov_a(x)^-1 (1 - a) cov(E[x | label])).

    Ibrahim, Ponomareva and Mazumder 2022, arXiv:2110.06893. cov_a = (1 - a) cov(x) + a tr(cov(x)) / d I, with the
    shrinkage a of Ledoit and Wolf 2004. The covariance of the class means weighs each class by its images, and both
    covariances divide by n. Rotating or shifting all features, or scaling them by one number, changes nothing.

    With a = 0 it is the H-score of Bao et al. 2019, with the pseudo-inverse if cov(x) is singular. That one is
    unchanged by any invertible linear map of the features, but if d reaches n - 1 it is classes - 1 for almost any
    features, and of no use.

    Args:
        x: finite float (n, d), the features of n images; n may be above or below d.
        labels: integers (n,), of at least two classes.
        shrinkage: the coefficient a, in [0, 1]; None estimates it from the data as Ledoit and Wolf do.

    Returns:
        A number from 0 to the number of classes less 1.

    Raises:
        InputError: other shapes or types, numbers that are not finite, one class, a shrinkage out of range, or not
            enough memory.
    """
    x, labels = _checked("features", x, labels)
    if shrinkage is not None and not 0 <= shrinkage <= 1:
        raise InputError(f"shrinkage {shrinkage}: expected 0 (the plain H-score) to 1, or None to estimate it")
    (n, d), spectrum = x.shape, _spectrum(x, labels, centred=True)
    a = _ledoit_wolf(spectrum, n, d) if shrinkage is None else shrinkage
    shrunk = (1 - a) * spectrum.values
    ratios = shrunk / (shrunk + a * spectrum.values.sum() / d) if a < 1 else shrunk
    return float(ratios @ (spectrum.onto / spectrum.counts).sum(1))


def leep(source_probabilities: np.ndarray, labels: np.ndarray) -> float:
    """LEEP: the mean log likelihood of the labels, predicted from the classes that the network was trained on.

    Nguyen et al. 2020, arXiv:2002.12462: p(label | image) = sum over source classes z of P(label | z) p(z | image),
    with P estimated from the same images.

    Args:
        source_probabilities: float (n, source classes), in [0, 1], the softmax of the network's own classifier.
        labels: integers (n,), of at least two classes.

    Returns:
        A number that is at most 0, reached if the source classes determine the labels, and at least minus the entropy
        of the labels, if they say nothing about them.

    Raises:
        InputError: other shapes or types, rows that are not probabilities, or one class.
    """
    p, labels = _checked("source probabilities", source_probabilities, labels)
    p, sums = p.astype(np.float64), p.sum(1, dtype=np.float64)
    if p.min() < 0 or np.abs(sums - 1).max() > 1e-3:
        raise InputError(
            f"source probabilities from {p.min():.3g}, rows summing to {sums.min():.4g} to {sums.max():.4g}: "
            "expected none below 0 and sums of 1: pass softmax outputs, not logits"
        )
    rows = np.unique(labels, return_inverse=True)[1]
    joint = np.eye(rows.max() + 1)[rows].T @ p
    mass = joint.sum(0)
    conditional = np.divide(joint, mass, out=np.zeros_like(joint), where=mass > 0)  # P(label | z)
    return float(np.log(np.einsum("nz,nz->n", conditional[rows], p)).mean())


class _Spectrum(NamedTuple):
    """All that the scores need of features x = U diag(sqrt(values)) V^T and one-hot labels y; all arrays are float64.

    Attributes:
        values: (k,), the non-zero eigenvalues of x^T x and x x^T.
        onto: (k, classes), (u_i . y_c)^2, the squared projections of the labels onto U.
        counts: (classes,), the number of images of each class, |y_c|^2.
        norms: (n,), the squared lengths of the rows.
    """

    values: np.ndarray
    onto: np.ndarray
    counts: np.ndarray
    norms: np.ndarray


def _spectrum(x: np.ndarray, labels: np.ndarray, centred: bool = False) -> _Spectrum:
    """The spectrum from the smaller Gram matrix, added up in float64 by blocks: no SVD, and no copy of the data."""
    n, d = x.shape
    rows = np.unique(labels, return_inverse=True)[1]
    y = np.eye(rows.max() + 1)[rows]
    side, classes = min(n, d), y.shape[1]
    memory.need(8 * side * (5 * side + min(max(n, d), ROWS)), f"a score of {n:,} images of {d:,} features")
    centre = x.mean(0, dtype=np.float64) if centred else np.zeros(d)
    gram, sums, norms = np.zeros((side, side)), np.zeros((side, classes)), np.zeros(n)
    for start in range(0, max(n, d), ROWS):
        block = slice(start, start + ROWS)
        if n >= d:
            part = x[block] - centre
            gram += part.T @ part
            sums += part.T @ y[block]
            norms[block] = np.einsum("nd,nd->n", part, part)
        else:
            part = x[:, block] - centre[block]
            gram += part @ part.T
    values, vectors = np.linalg.eigh(gram)
    nonzero = values > values[-1] * max(n, d) * np.finfo(np.float64).eps
    values, vectors = values[nonzero], vectors[:, nonzero]
    if n >= d:
        onto = (vectors.T @ sums) ** 2 / values[:, None]
    else:
        onto, norms = (vectors.T @ y) ** 2, np.diag(gram)
    return _Spectrum(values, onto, y.sum(0), norms)


def _evidence(spectrum: _Spectrum) -> np.ndarray:
    """The maximum over alpha and beta of log N(y; 0, x x^T / alpha + I / beta) for each class, (classes,)."""
    n = len(spectrum.norms)
    scale = spectrum.values.mean() if len(spectrum.values) else 1.0  # alpha can absorb it
    values = spectrum.values / scale
    outside = np.maximum(spectrum.counts - spectrum.onto.sum(0), 0.0)  # the part of |y|^2 outside the features' span

    def evidence(log_t: np.ndarray, classes: slice) -> np.ndarray:
        """The evidence (points, classes) at these log(alpha / beta), each with its best beta."""
        t = np.exp(log_t)[:, None]
        beta = n / ((t / (values + t)) @ spectrum.onto[:, classes] + outside[classes])
        return 0.5 * (n * np.log(beta / (2 * np.pi)) - n - np.log1p(values / t).sum(1, keepdims=True))

    def cost(log_t: float, c: int) -> float:
        return -evidence(np.array([log_t]), slice(c, c + 1)).item()

    points = np.linspace(math.log(BOUNDS[0]), math.log(BOUNDS[1]), STARTS)
    coarse, maxima = evidence(points, slice(None)), []
    for c, highest in enumerate(coarse.argmax(0)):
        around = points[max(highest - 1, 0)], points[min(highest + 1, STARTS - 1)]
        fine = minimize_scalar(cost, args=(c,), method="bounded", bounds=around)
        maxima.append(max(-fine.fun, coarse[highest, c]))
    return np.array(maxima)


def _ledoit_wolf(spectrum: _Spectrum, n: int, d: int) -> float:
    """The shrinkage of scikit-learn's `ledoit_wolf`, from the spectrum of the centred features."""
    squares, mean = (spectrum.values**2).sum() / n**2, spectrum.values.sum() / (n * d)
    spread = squares - d * mean**2
    return float(np.clip(((spectrum.norms**2).sum() / n - squares) / n / spread, 0, 1)) if spread > 0 else 0.0


def _checked(what: str, x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, labels = np.asarray(x), np.asarray(labels)
    fits = x.ndim == 2 and x.shape[1] > 0 and labels.shape == x.shape[:1]
    if not fits or x.dtype.kind not in "fiu" or labels.dtype.kind not in "iu":
        raise InputError(
            f"{what} {x.dtype} {x.shape}, labels {labels.dtype} {labels.shape}: expected numbers (n, d) and integers "
            "(n,): flatten feature maps, and number the classes"
        )
    if not np.isfinite(x).all():
        bad = np.flatnonzero(~np.isfinite(x).all(1))
        raise InputError(f"{what} of {len(bad)} images are not finite, first row {bad[0]}: leave those images out")
    if (present := len(np.unique(labels))) < 2:
        raise InputError(f"labels: expected at least 2 classes to tell apart, got {present}")
    return x, labels
