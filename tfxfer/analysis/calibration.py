"""Probabilities that mean what they say: a temperature for the logits, fitted to images that were not trained on."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import optimize, special

from tfxfer.analysis import intervals, metrics
from tfxfer.analysis.abstention import abstention_threshold
from tfxfer.core.errors import InputError

LOWEST, HIGHEST = 0.01, 100.0  # temperatures


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature T with the lowest cross-entropy of softmax(logits / T) (Guo et al. 2017, arXiv:1706.04599).

    Logits divided by T give the same classes, with probabilities that fit how often they are right. T above 1 means
    that the classifier was too sure. The cross-entropy is convex in 1 / T, so that the minimum is the only one.

    If every image is right, the cross-entropy has no minimum: it falls for ever as T goes to 0, and every probability
    would become 1. Then one image more than these is taken to be wrong, as a share 1 / (n + 2) of every label that goes
    to the most probable of the other classes. For two classes these are Platt's targets (1999, "Probabilistic outputs
    for support vector machines"); the mean confidence becomes about (n + 1) / (n + 2), Laplace's rule of succession.

    Args:
        logits: float (n, C), finite, of images that were not trained on, and not all of them equal.
        labels: integers (n,) from 0 to C - 1.

    Returns:
        T, from 0.01 to 100. It is one of these ends if the logits are so small or large that the minimum lies beyond,
        and 100 if they are worse than chance whatever T is. It is 1 if the classes of every image have equal logits.

    Raises:
        InputError: arrays of other shapes or values.

    Example:
        >>> import numpy as np
        >>> from tfxfer import analysis
        >>> logits = np.log([[3.0, 1.0]] * 4)  # sure to 3/4, and right three times out of four
        >>> labels = np.array([0, 0, 0, 1])
        >>> round(analysis.temperature(logits, labels), 6), round(analysis.temperature(5 * logits, labels), 6)
        (1.0, 5.0)
    """
    logits, labels = _checked(logits, labels)
    logits, rows = logits - logits.max(1, keepdims=True), np.arange(len(labels))
    target = logits[rows, labels]
    if not logits.any():
        return 1.0
    if np.all(logits.argmax(1) == labels):
        others = logits.copy()
        others[rows, labels] = -np.inf
        target = target + (others.max(1) - target) / (len(labels) + 2)

    def slope(inverse: float) -> float:
        """Of the cross-entropy, by 1 / T: the mean logit under the softmax, less that of the label."""
        return float(np.mean((special.softmax(logits * inverse, 1) * logits).sum(1) - target))

    low, high = 1 / HIGHEST, 1 / LOWEST
    if slope(low) >= 0:
        return HIGHEST
    if slope(high) <= 0:
        return LOWEST
    return 1 / optimize.brentq(slope, low, high, xtol=1e-14, rtol=1e-12)


def fit(logits: np.ndarray, labels: np.ndarray, precision: float | None = None) -> dict[str, Any]:
    """Both at once, as `model.calibrate` takes them and run.json records them.

    Args:
        logits, labels: as `temperature` takes them.
        precision: as `abstention_threshold` takes it, which is given the probabilities at this temperature; None for
            a network that never abstains.

    Returns:
        `temperature`; `threshold`, None where none can be shown to be enough; the wanted `precision`; the number of
        `images`; and of these the precision that was `reached` and the share `answered`.
    """
    divisor = temperature(logits, labels)
    found: dict[str, Any] = {"temperature": divisor, "threshold": None, "precision": precision, "images": len(labels)}
    if precision is None:
        return found | {"reached": None, "answered": None}
    probabilities = special.softmax(np.asarray(logits, np.float64) / divisor, 1)
    return found | abstention_threshold(probabilities, labels, precision).facts


def measure(
    logits: np.ndarray, labels: np.ndarray, calibration: Mapping[str, Any], clusters: np.ndarray | None = None
) -> dict[str, float]:
    """What a calibration is worth on other images, such as test images.

    Args:
        logits: float (n, C), of the calibrated network: divided by the temperature already.
        labels: integers (n,) from 0 to C - 1.
        calibration: from `fit`.
        clusters: as `intervals.accuracy` takes them.

    Returns:
        `ece` and `ece_uncalibrated`, the expected calibration errors over 15 bins; and where there is a threshold,
        `answered`, the share of images with at least that confidence, and, if there are any, `answered_accuracy`, the
        share of right predictions among them, with the ends `answered_accuracy_low` and `answered_accuracy_high` of its
        95% interval.
    """
    logits, labels = _checked(logits, labels)
    probabilities = special.softmax(logits, 1)
    before = special.softmax(logits * calibration["temperature"], 1)
    found = {
        "ece": metrics.expected_calibration_error(probabilities, labels),
        "ece_uncalibrated": metrics.expected_calibration_error(before, labels),
    }
    if calibration["threshold"] is None:
        return found
    answers = probabilities.max(1).astype(np.float32) >= np.float32(calibration["threshold"])
    found["answered"] = float(answers.mean())
    if not answers.any():
        return found
    right = (logits.argmax(1) == labels)[answers]
    low, high = intervals.accuracy(right, None if clusters is None else clusters[answers])
    named = {"answered_accuracy": float(right.mean()), "answered_accuracy_low": low, "answered_accuracy_high": high}
    return found | named


def _checked(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    if logits.ndim != 2 or logits.shape[1] < 2 or labels.shape != (len(logits),) or not len(logits):
        raise InputError(f"logits {logits.shape}, labels {labels.shape}: expected (n, 2 or more classes) and (n,)")
    if not np.isfinite(logits).all():
        raise InputError("logits: expected finite numbers, got NaN or infinity")
    if labels.dtype.kind not in "iu" or not (labels.min() >= 0 and labels.max() < logits.shape[1]):
        raise InputError(f"labels: expected integers from 0 to {logits.shape[1] - 1}, one for each image")
    return logits, labels
