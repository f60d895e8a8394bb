"""How well features suit a task before anything is trained: LogME, H-score and LEEP, the higher the better.

Each compares backbones on the same images and labels; none is comparable between data sets.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from tfxfer.core import memory
from tfxfer.core.errors import InputError

ROWS = 8192  # rows, or columns, held in float64 at a time
BOUNDS = 1e-10, 1e10  # of alpha / beta, against the mean eigenvalue of the features' Gram matrix
STARTS = 185  # between them, at steps of a quarter of log(alpha / beta): no bend of the evidence is as narrow


def logme(x: np.ndarray, labels: np.ndarray) -> float:
    """LogME: the highest log evidence of Bayesian linear regression on the features, per image, mean over classes.

    You et al. 2021, arXiv:2102.11005, with the eigenvalues of You et al. 2022, arXiv:2110.10545. Each class's one-hot
    column y is taken as normal, y | w ~ N(x w, 1 / beta), w ~ N(0, 1 / alpha), and alpha and beta maximise p(y | x). As
    published, features are not centred and there is no intercept. Rotating or scaling all features changes nothing. It
    is a log density and may have either sign.

    The published fixed point stops at the local maximum next to its start, alpha = beta. Features whose mean is 50 to
    200 times their spread have several, for the mean alone explains part of the labels, with a large alpha. Here the
    evidence, of which alpha / beta is the only unknown, is taken over the whole range, then refined at its highest.

    The authors' code leaves (d - n) / 2 log(alpha) out of the log determinant where d exceeds n (thuml/LogME, issue
    23); here the evidence is exact. Where features give the labels without a residue it has no maximum, and `BOUNDS`
    end it.

    Args:
        x: float (n, d), n images' features; n may be above or below d.
        labels: integers (n,), at least two classes; classes without an image do not count.

    Raises:
        InputError: other shapes or types, numbers that are not finite, one class.
    """
    x, labels = _checked("features", x, labels)
    seen = _spectrum(x, labels)
    return float(np.mean(_evidence(seen))) / len(x)


def hscore(x: np.ndarray, labels: np.ndarray, shrinkage: float | None = None) -> float:
    """The shrinkage-based H-score, tr(cov_a(x)^-1 (1 - a) cov(E[x | label])).

    Ibrahim, Ponomareva and Mazumder 2022, arXiv:2110.06893. cov_a = (1 - a) cov(x) + a tr(cov(x)) / d I, with the
    shrinkage a of Ledoit and Wolf 2004; the covariance of the class means weighs each class by its images; both divide
    by n. Rotating, shifting or scaling all features changes nothing.

    With a = 0 it is the H-score of Bao et al. 2019, with the pseudo-inverse where cov(x) is singular: from 0 to
    classes - 1, and unchanged by any invertible map of the features. Where d reaches n - 1 it is classes - 1 for almost
    any features, and of no use.

    Args:
        x: float (n, d), n images' features; n may be above or below d.
        labels: integers (n,), at least two classes.
        shrinkage: a, from 0 to 1; None for Ledoit and Wolf's, from the data.

    Raises:
        InputError: other shapes or types, numbers that are not finite, one class, a shrinkage outside.
    """
    x, labels = _checked("features", x, labels)
    if shrinkage is not None and not 0 <= shrinkage <= 1:
        raise InputError(f"shrinkage {shrinkage}: expected 0 (the plain H-score) to 1, or None to estimate it")
    (n, d), seen = x.shape, _spectrum(x, labels, centred=True)
    a = _ledoit_wolf(seen, n, d) if shrinkage is None else shrinkage
    kept = (1 - a) * seen.values
    within_range = kept / (kept + a * seen.values.sum() / d) if a < 1 else kept
    return float(within_range @ (seen.onto / seen.counts).sum(1))


def leep(source_probabilities: np.ndarray, labels: np.ndarray) -> float:
    """LEEP: the mean log likelihood of the labels, predicted from the classes the network was trained on.

    Nguyen et al. 2020, arXiv:2002.12462: p(label | image) = sum over source classes z of P(label | z) p(z | image),
    with P estimated from these same images. At most 0, where source classes determine labels; at least minus the
    entropy of the labels, where they say nothing.

    Args:
        source_probabilities: float (n, source classes), softmax of the network's own classifier.
        labels: integers (n,), at least two classes.

    Raises:
        InputError: other shapes or types, rows that are no probabilities, one class.
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
    """Features x = U diag(sqrt(values)) V^T, and one-hot labels y seen from them: all that the scores need."""

    values: np.ndarray  # (k,) non-zero eigenvalues of x^T x and x x^T
    onto: np.ndarray  # (k, classes) (u_i . y_c)^2
    counts: np.ndarray  # (classes,) images of each class, |y_c|^2
    norms: np.ndarray  # (n,) squared lengths of the rows


def _spectrum(x: np.ndarray, labels: np.ndarray, centred: bool = False) -> _Spectrum:
    """Eigenvalues of the smaller Gram matrix, added up in float64 by blocks: no SVD and no copy of the data."""
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
    kept = values > values[-1] * max(n, d) * np.finfo(np.float64).eps
    values, vectors = values[kept], vectors[:, kept]
    if n >= d:
        onto = (vectors.T @ sums) ** 2 / values[:, None]
    else:
        onto, norms = (vectors.T @ y) ** 2, np.diag(gram)
    return _Spectrum(values, onto, y.sum(0), norms)


def _evidence(seen: _Spectrum) -> np.ndarray:
    """(classes,): the maximum over alpha and beta of log N(y; 0, x x^T / alpha + I / beta), by class."""
    n = len(seen.norms)
    values = seen.values / (seen.values.mean() if len(seen.values) else 1.0)  # scale is alpha's to absorb
    rest = np.maximum(seen.counts - seen.onto.sum(0), 0.0)  # of |y|^2, outside the features' span

    def evidence(log_t: np.ndarray, classes: slice) -> np.ndarray:
        """(points, classes): at these log(alpha / beta), with the beta that is best there."""
        t = np.exp(log_t)[:, None]
        beta = n / ((t / (values + t)) @ seen.onto[:, classes] + rest[classes])
        return 0.5 * (n * np.log(beta / (2 * np.pi)) - n - np.log1p(values / t).sum(1, keepdims=True))

    def cost(log_t: float, c: int) -> float:
        return -evidence(np.array([log_t]), slice(c, c + 1)).item()

    points = np.linspace(*np.log(BOUNDS), STARTS)
    coarse, found = evidence(points, slice(None)), []
    for c, highest in enumerate(coarse.argmax(0)):
        around = points[max(highest - 1, 0)], points[min(highest + 1, STARTS - 1)]
        fine = minimize_scalar(cost, args=(c,), method="bounded", bounds=around)
        found.append(max(-fine.fun, coarse[highest, c]))
    return np.array(found)


def _ledoit_wolf(seen: _Spectrum, n: int, d: int) -> float:
    """The shrinkage of scikit-learn's `ledoit_wolf`, from what is known already of the centred features."""
    squares, mean = (seen.values**2).sum() / n**2, seen.values.sum() / (n * d)
    spread = squares - d * mean**2
    return float(np.clip(((seen.norms**2).sum() / n - squares) / n / spread, 0, 1)) if spread > 0 else 0.0


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
        raise InputError(f"labels of {present} classes: expected at least 2, for there is nothing to tell apart")
    return x, labels
