"""Scores of a run's test images as its report and its model card state them: accuracy, intervals, classes."""

from typing import TYPE_CHECKING

import numpy as np

from tfxfer.analysis import intervals, metrics

if TYPE_CHECKING:
    from tfxfer.features.bank import Bank


def outputs(test: "Bank | None") -> np.ndarray | None:
    """The network's outputs in a bank, logits or probabilities, float (n, classes); None if it has neither."""
    names = ("logits", "probabilities")
    return None if test is None else next((np.asarray(test[name]) for name in names if name in test.values), None)


def predicted(test: "Bank") -> np.ndarray:
    """The class of the highest output, int64 (n,).

    Raises:
        ValueError: the bank has no outputs of a network.
    """
    values = outputs(test)
    if values is None:
        raise ValueError(f"bank of {', '.join(test.values) or 'nothing'}: expected logits or probabilities")
    return values.argmax(1)


def probabilities(test: "Bank") -> np.ndarray:
    """Probabilities float64 (n, classes) from a bank with "logits" or "probabilities"."""
    if "logits" not in test.values:
        return np.asarray(test["probabilities"], np.float64)
    logits = np.asarray(test["logits"])
    odds = np.exp(logits - logits.max(1, keepdims=True), dtype=np.float64)
    return odds / odds.sum(1, keepdims=True)


def interval(test: "Bank") -> tuple[float, float]:
    """95% interval of the accuracy on a bank's images; versions of one image count as a cluster."""
    return intervals.accuracy(predicted(test) == test.labels, test.bases)


def figures(test: "Bank") -> dict[str, float]:
    """The metrics test/accuracy, test/accuracy_low and test/accuracy_high of a bank with outputs of a network."""
    if outputs(test) is None or not len(test):
        return {}
    low, high = interval(test)
    share = metrics.accuracy(test.labels, predicted(test))
    return {"test/accuracy": share, "test/accuracy_low": low, "test/accuracy_high": high}


def accuracy(test: "Bank", images: str = "test images") -> str:
    """The accuracy on a bank's images with its 95% interval, in words.

    Args:
        images: what the bank's images are.
    """
    share, (low, high) = metrics.accuracy(test.labels, predicted(test)), interval(test)
    bases = len(np.unique(test.bases))
    source, method = (f", made from {bases:,}", ", clustered by image") if bases < len(test) else ("", "")
    return f"{share:.4f} (95% interval {low:.4f} to {high:.4f}, Wilson{method}) on {len(test):,} {images}{source}"


def by_class(test: "Bank", classes: list[str]) -> list[tuple[str, ...]]:
    """Rows of class, precision, recall, F1 and number of images; the last is the mean of the classes with images."""
    rows = metrics.per_class(test.labels, predicted(test), classes)
    mean: dict[str, str | float] = {"class": "mean of classes", **metrics.macro(rows), "support": len(test)}
    return [
        (str(row["class"]), *(text(row[name]) for name in metrics.SCORES), f"{row['support']:.0f}")
        for row in [*rows, mean]
    ]


def not_tested(test: "Bank", classes: list[str]) -> str:
    """A sentence on the classes without test images; empty where every class has some."""
    missing = [name for number, name in enumerate(classes) if number not in test.labels]
    if not missing:
        return ""
    names = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    return f"No test images of {names}: no scores (—), and not counted in the mean of classes."


def text(score: str | float) -> str:
    """A score as tables show it; a dash where it is not defined."""
    return "—" if np.isnan(float(score)) else f"{float(score):.3f}"
