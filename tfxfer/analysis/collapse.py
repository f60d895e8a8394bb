"""Neural collapse: how far features have shrunk to class means, and class means to a simplex mirrored by a classifier.

V. Papyan, X. Y. Han, D. L. Donoho, "Prevalence of neural collapse during the terminal phase of deep learning training",
PNAS 117(40):24652, 2020; for CDNV, T. Galanti, A. Gyorgy, M. Hutter, "On the role of neural collapse in transfer
learning", ICLR 2022, arXiv:2112.15121.

With features h, class means mu_c, their mean mu_G, m_c = mu_c - mu_G, M = [m_c], C classes, n examples:
    nc1             Tr(Sigma_W pinv(Sigma_B)) / C, Sigma_W = (1/n) sum (h - mu_c)(h - mu_c)^T,
                    Sigma_B = (1/C) sum m_c m_c^T, its pseudo-inverse of rank min(C - 1, d)
    equal_norms     std of |m_c| by their mean
    equal_angle     std, over pairs of classes, of cos(m_c, m_c')
    maximal_angle   mean, over pairs of classes, of |cos(m_c, m_c') + 1 / (C - 1)|
    cdnv            mean, over pairs of classes, of (var_c + var_c') / (2 |mu_c - mu_c'|^2)
    nc3             | W / |W|_F - M / |M|_F |_F^2, W the classifier's rows
    nc4             share of examples that the classifier and the nearest class mean assign to different classes
and classifier_equal_norms, classifier_equal_angle, classifier_maximal_angle, which are the same for the rows of W. All
of them are 0 in collapse.

Every class has the same weight in mu_G and Sigma_B, and every example in Sigma_W. Standard deviations are those over
all classes or pairs (ddof 0). A figure is NaN or infinite where its definition divides by zero: a class mean at mu_G
has no angle.
"""

import math

import numpy as np
from scipy import linalg

from tfxfer.analysis.moments import Moments, blocks, collect, few_moments, moments_bytes
from tfxfer.core import memory
from tfxfer.core.errors import InputError

Classifier = tuple[np.ndarray, np.ndarray]


def figures(moments: Moments, classifier: Classifier | None = None) -> dict[str, float]:
    """Computes the figures that follow from one pass over the features: all but nc4.

    Args:
        moments: those of the features; every class needs examples.
        classifier: weights W, float (C, d), and bias b, float (C,), for the figures of a classifier. The kernel of a
            Keras layer is (d, C) and has to be transposed.

    Returns:
        Figures by name.

    Raises:
        InputError: fewer than two classes, classes without examples, or a classifier of another shape.
    """
    count, d = moments.count, len(moments.shift)
    if len(count) < 2:
        raise InputError(f"neural collapse of {len(count)} class: expected at least 2")
    if not count.all():
        missing = ", ".join(map(str, np.flatnonzero(count == 0)))
        raise InputError(
            f"neural collapse: class {missing} of {len(count)} has no examples: expected some of each class"
        )
    means = moments.class_means
    centred = means - means.mean(0)
    values = {"nc1": _nc1(moments, centred)} | _simplex(centred) | {"cdnv": _cdnv(means, moments.class_variances)}
    if classifier is None:
        return values
    weights, _ = _checked(classifier, len(count), d)
    values |= {f"classifier_{name}": value for name, value in _simplex(weights).items()}
    with np.errstate(invalid="ignore"):
        difference = weights / np.linalg.norm(weights) - centred / np.linalg.norm(centred)
    return values | {"nc3": float((difference**2).sum())}


def neural_collapse(x: np.ndarray, labels: np.ndarray, classifier: Classifier | None = None) -> dict[str, float]:
    """Measures the neural collapse of features; the figures are defined at the top of this module.

    With a classifier there is also nc4, for which the features are read a second time. If examples and classes together
    are fewer than the features of an example, everything is computed in coordinates of the space that features and
    classifier span. That changes no figure, and no matrix is larger than (n + C, n + C).

    Args:
        x: numbers (n, ...), taken as (n, d); np.memmap is read block by block.
        labels: integers (n,) from 0 to C - 1, where C is that of the classifier, or else one more than the highest.
        classifier: weights, float (C, d), and bias, float (C,). The kernel of a Keras layer is (d, C) and has to be
            transposed.

    Returns:
        "nc1", "equal_norms", "equal_angle", "maximal_angle" and "cdnv"; with a classifier also "nc3", "nc4",
        "classifier_equal_norms", "classifier_equal_angle" and "classifier_maximal_angle". All are 0 in collapse.

    Raises:
        InputError: fewer than two classes, classes without examples, arrays whose shapes or types do not fit, features
            that are not finite, or not enough memory.

    Example:
        Three classes that have collapsed: each to its mean, and the means to the corners of a triangle.

        >>> import numpy as np
        >>> from tfxfer import analysis
        >>> corners = np.array([[0, 2], [-np.sqrt(3), -1], [np.sqrt(3), -1]])
        >>> labels = np.arange(30) % 3
        >>> figures = analysis.neural_collapse(corners[labels], labels)
        >>> sorted(figures)
        ['cdnv', 'equal_angle', 'equal_norms', 'maximal_angle', 'nc1']
        >>> bool(np.allclose(list(figures.values()), 0))
        True
    """
    x, labels = np.asanyarray(x), np.asarray(labels)
    classes = int(labels.max()) + 1 if labels.size and labels.dtype.kind in "iu" else 1  # `collect` rejects the rest
    if classifier is not None:
        classes = len(_checked(classifier, np.size(classifier[1]), int(np.prod(x.shape[1:])))[1])
    if x.ndim > 1 and x.dtype.kind in "biuf" and len(x) + classes < math.prod(x.shape[1:]):
        dtype = x.dtype
        x, classifier = _spanned(x.reshape(len(x), -1), classifier)
        moments = few_moments(x, labels, classes, dtype)
    else:
        moments = collect(blocks(x, labels), classes)
    values = figures(moments, classifier)
    return values if classifier is None else values | {"nc4": _nc4(x, labels, moments, classifier)}


def _spanned(x: np.ndarray, classifier: Classifier | None) -> tuple[np.ndarray, Classifier | None]:
    """Centred features (n, d) and the classifier's rows, as coordinates in the space that they span."""
    n, d = x.shape
    count = n + (0 if classifier is None else len(classifier[1]))
    needed = 8 * count * d + moments_bytes(count)
    memory.need(needed, f"collapse of {n:,} examples of {d:,} features")
    middle = x.mean(0, dtype=np.float64)
    if not np.isfinite(middle).all():
        raise InputError(f"{d:,} features contain NaN or infinity: leave out or repair those examples")
    rows = np.empty((count, d))
    np.subtract(x, middle, out=rows[:n])
    if classifier is not None:
        weights, bias = _checked(classifier, len(classifier[1]), d)
        rows[n:], classifier = weights, (weights, bias + weights @ middle)
    _, corner = linalg.qr(rows.T, mode="raw", overwrite_a=True, check_finite=False)
    z = np.ascontiguousarray(corner.T)
    return z[:n], None if classifier is None else (z[n:], classifier[1])


def _nc1(moments: Moments, centred: np.ndarray) -> float:
    """nc1 from eigenvectors of the (C, C) matrix of products of m_c, which has the eigenvalues of Sigma_B (d, d)."""
    classes, d = centred.shape
    values, vectors = np.linalg.eigh(centred @ centred.T / classes)
    rounding = max(classes, d) * max(np.finfo(np.float64).eps, moments.epsilon**2)  # in squares
    nonzero = (np.arange(classes) >= classes - min(classes - 1, d)) & (values > rounding * values[-1])
    values, directions = values[nonzero], vectors[:, nonzero].T @ centred  # of length sqrt(C value)
    spread = np.einsum("kd,kd->k", directions @ moments.within, directions).clip(0)
    if not nonzero.any():
        return float("inf") if moments.class_variances.any() else float("nan")
    return float((spread / values**2).sum() / classes**2)


def _simplex(rows: np.ndarray) -> dict[str, float]:
    """How far vectors (C, d) are from the equal lengths and equal angles, of cosine -1/(C - 1), of a simplex."""
    norms, classes = np.linalg.norm(rows, axis=1), len(rows)
    with np.errstate(invalid="ignore"):
        unit = rows / norms[:, None]
        cosines = (unit @ unit.T)[np.triu_indices(classes, 1)]
        return {
            "equal_norms": float(norms.std() / norms.mean()),
            "equal_angle": float(cosines.std()),
            "maximal_angle": float(np.abs(cosines + 1 / (classes - 1)).mean()),
        }


def _cdnv(means: np.ndarray, variances: np.ndarray) -> float:
    first, second = np.triu_indices(len(means), 1)
    centred = means - means.mean(0)
    squares = (centred**2).sum(1)
    distances = np.maximum(squares[first] + squares[second] - 2 * (centred @ centred.T)[first, second], 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(((variances[first] + variances[second]) / (2 * distances)).mean())


def _nc4(x: np.ndarray, labels: np.ndarray, moments: Moments, classifier: Classifier) -> float:
    """nc4 from scores of x - mean, so that a large mean costs no precision; distances to means leave out |x|^2."""
    weights, bias = _checked(classifier, *moments.sum.shape)
    dtype = np.result_type(x.dtype, np.float32)
    middle = moments.mean.astype(dtype)
    centred = moments.class_means - middle
    rows = np.concatenate([weights, centred]).T.astype(dtype)
    offsets = np.concatenate([bias + weights @ middle, -(centred**2).sum(1) / 2]).astype(dtype)
    different = 0
    for block, _ in blocks(x, labels):
        scores = (block.reshape(len(block), -1) - middle) @ rows + offsets
        chosen, nearest = (half.argmax(1) for half in np.split(scores, 2, axis=1))
        different += int((chosen != nearest).sum())
    return different / moments.n


def _checked(classifier: Classifier, classes: int, d: int) -> Classifier:
    """The classifier in float64."""
    weights, bias = (np.asarray(array, np.float64) for array in classifier)
    if weights.shape == (classes, d) and bias.shape == (classes,):
        return weights, bias
    shapes = f"a classifier of weights {weights.shape} and bias {bias.shape}"
    if weights.shape == (d, classes):
        raise InputError(f"{shapes}: expected weights ({classes}, {d}); this is a Keras kernel: transpose it")
    raise InputError(f"{shapes}: expected weights ({classes}, {d}) and bias ({classes},) for {d} features")
