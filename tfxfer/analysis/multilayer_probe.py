"""A linear probe of features of many layers, of which it keeps those that it needs (Head2Toe)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfxfer.analysis import group_lasso, pooled_layers, probes
from tfxfer.analysis.fitted_probe import Fitted, as_labelled
from tfxfer.analysis.pooled_layers import Layers
from tfxfer.core.errors import InputError, shown

FRACTIONS = (0.005, 0.02, 0.05, 0.1)
FRACTION = 0.05  # without validation data
TARGET_SIZE = 2048


@dataclass(frozen=True)
class FittedLayers:
    """A classifier fitted to some of the features of several layers.

    Attributes:
        probe: the logistic regression of the features that were kept.
        kept: int64 (features,), their columns among the pooled features of all layers, ascending.
        shapes: by layer, the shape of its outputs for one image.
        target_size: the most features of a layer after pooling.
        facts: what `fit` reports about it.
    """

    probe: Fitted
    kept: np.ndarray
    shapes: dict[str, tuple[int, ...]]
    target_size: int
    facts: dict[str, float]

    def features(self, layers: Layers) -> np.ndarray:
        """The features that were kept, float32 (n, features), of the outputs of these layers, float (n, ...) each.

        Raises:
            InputError: other layers, or outputs of other shapes.
        """
        return pooled_layers.matrix(pooled_layers.checked("x", layers, self.shapes), self.target_size, self.kept)

    def predict(self, layers: Layers) -> np.ndarray:
        """The predicted labels, int64 (n,)."""
        return self.probe.predict(self.features(layers))

    def probabilities(self, layers: Layers) -> np.ndarray:
        """The probabilities of the labels, float32 (n, classes), see `Fitted.probabilities`."""
        return self.probe.probabilities(self.features(layers))


def head2toe(
    train: Layers,
    train_labels: np.ndarray,
    test: Layers,
    test_labels: np.ndarray,
    *,
    validation: tuple[Layers, np.ndarray] | None = None,
    fractions: float | Sequence[float] | None = None,
    target_size: int = TARGET_SIZE,
    **settings: Any,
) -> dict[str, float]:
    """Probes many layers at once, and scores the probe on data that it was neither fitted to nor chosen by.

    Head2Toe (Evci et al. 2022, arXiv:2201.03529): what a new task needs is often in layers before the last, whose
    features fine-tuning would bring forward. Feature maps are averaged over cells, so that each layer gives at most
    `target_size` numbers; of all of them a group lasso chooses the few that a linear classifier needs, and a logistic
    regression is fitted to these. Differences from the paper: the group lasso is that of squared errors, its strength
    follows from how many features are wanted (`group_lasso.select`), and every feature is standardised.

    Args:
        train, test: by layer, its outputs: float (n, d), (n, positions, d) or (n, height, width, channels), such as the
            `values` of banks from `features.extract(net, splits.train, features.taps(net))`, with as many rows each.
        train_labels, test_labels: integers (n,), 0 or above.
        validation: (layers, labels) of the same kinds. They choose the fraction and, for each fraction, the C of the
            logistic regression, by accuracy, the smallest of equal ones; the last fit is to training and validation
            data together, as `probes.fit` does it. The features are selected by training data alone.
        fractions: shares of all features to keep, in (0, 1]. `FRACTIONS` with validation data; without, where there is
            nothing to choose by, one share, 0.05 unless stated otherwise.
        target_size: the most numbers that a layer's maps are averaged to; a layer with more channels gives one number
            for each.
        settings: arguments of the logistic regression, such as C, which is then not chosen.

    Returns:
        The facts of `probes.fit` about the logistic regression, and "train_accuracy", "test_accuracy", "fraction",
        "features" (how many were kept), "candidates" (of how many), "strength" (of the group lasso, see
        `group_lasso.Selection`), "select_seconds", and for each layer "kept/<layer>", its share of the kept features.

    Raises:
        InputError: data of other shapes or types, fractions out of range, several of them without validation data, or
            not enough memory.

    Example:
        >>> import numpy as np
        >>> from tfxfer import analysis
        >>> rng = np.random.default_rng(0)
        >>> labels = np.arange(200) % 2
        >>> early = rng.normal(size=(200, 4, 4, 8))
        >>> early[..., 0] += 10 * labels[:, None, None]  # one channel knows the classes
        >>> late = rng.normal(size=(200, 64))
        >>> train, test = ({"early": early[rows], "late": late[rows]} for rows in (slice(100), slice(100, 200)))
        >>> scores = analysis.head2toe(train, labels[:100], test, labels[100:])
        >>> scores["test_accuracy"], scores["kept/early"] > 0.5
        (1.0, True)
    """
    pooled_layers.checked("test", test, pooled_layers.shapes_of("training", train))
    fitted = fit(train, train_labels, validation=validation, fractions=fractions, target_size=target_size, **settings)
    scores = {}
    for name, layers, labels in (("train", train, train_labels), ("test", test, test_labels)):
        x, y = as_labelled(name, fitted.features(layers), labels)
        scores[f"{name}_accuracy"] = float(np.mean(fitted.probe.predict(x) == y))
    return fitted.facts | scores


def fit(
    train: Layers,
    train_labels: np.ndarray,
    *,
    validation: tuple[Layers, np.ndarray] | None = None,
    fractions: float | Sequence[float] | None = None,
    target_size: int = TARGET_SIZE,
    **settings: Any,
) -> FittedLayers:
    """Fits what `head2toe` scores; arguments, errors and facts, all but the two accuracies, are the same."""
    shapes = pooled_layers.shapes_of("training", train)
    if isinstance(target_size, bool) or not isinstance(target_size, int) or target_size < 1:
        raise InputError(f"target_size {shown(target_size)}: expected a whole number of features, at least 1")
    wanted = _fractions(fractions, validation is not None)
    held_out = None
    x, y = as_labelled(
        "training", pooled_layers.matrix(pooled_layers.checked("training", train, shapes), target_size), train_labels
    )
    if len(np.unique(y)) < 2:
        raise InputError(f"training labels of {len(np.unique(y))} class: expected examples of at least 2")
    if validation is not None:
        others = pooled_layers.matrix(pooled_layers.checked("validation", validation[0], shapes), target_size)
        held_out = as_labelled("validation", others, validation[1])
    started = time.perf_counter()
    counts = [max(1, round(fraction * x.shape[1])) for fraction in wanted]
    selections = group_lasso.select(x, y, counts)
    seconds = time.perf_counter() - started
    fitted = []
    for selection in selections:
        narrow = None if held_out is None else (held_out[0][:, selection.features], held_out[1])
        fitted.append(probes.fit(x[:, selection.features], y, "logistic", validation=narrow, **settings))
    best = max(range(len(fitted)), key=lambda number: fitted[number].facts.get("validation_accuracy", 0.0))
    probe, selection, fraction = fitted[best], selections[best], wanted[best]
    facts = probe.facts | {"fraction": fraction, "features": float(len(selection.features))}
    facts |= {"candidates": float(x.shape[1]), "strength": selection.strength, "select_seconds": seconds}
    ends = np.cumsum([pooled_layers.length(shape, target_size) for shape in shapes.values()])
    layers = np.bincount(np.searchsorted(ends, selection.features, side="right"), minlength=len(shapes))
    facts |= {f"kept/{name}": float(count / layers.sum()) for name, count in zip(shapes, layers, strict=True)}
    return FittedLayers(probe, selection.features, shapes, target_size, facts)


def _fractions(fractions: float | Sequence[float] | None, validated: bool) -> list[float]:
    if fractions is None:
        return list(FRACTIONS) if validated else [FRACTION]
    given = [fractions] if isinstance(fractions, int | float) else fractions
    numbers = isinstance(given, list | tuple) and all(isinstance(each, int | float) for each in given)
    if not numbers or not given or not all(0 < each <= 1 for each in given):
        raise InputError(f"fractions {shown(fractions)}: expected shares of the features, above 0 and at most 1")
    if len(given) > 1 and not validated:
        raise InputError(
            f"{len(given)} fractions and no validation data to choose by: give validation=(layers, labels), or one "
            "fraction"
        )
    return sorted({float(each) for each in given})
