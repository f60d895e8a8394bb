"""Probes: how well a simple classifier does on frozen features, and what it costs."""

import pickle
import time
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from tfxfer.analysis.classifiers import METHODS, adapt, classifier, method_of
from tfxfer.analysis.fitted_probe import Fitted, Labelled, as_labelled, inverse_temperature
from tfxfer.core import live_lines
from tfxfer.core.errors import InputError

__all__ = ["METHODS", "SWEEP_LIMIT", "Fitted", "classifier", "fit", "probe"]

SWEEP_LIMIT = 10_000  # training rows, at most, to choose C of an SVM, whose cost grows with their square
_NAMES = {"n_neighbors": "k"}  # names of settings in the facts, where they differ from scikit-learn's


def fit(
    train_x: np.ndarray,
    train_y: np.ndarray,
    method: str = "lda",
    seed: int = 0,
    validation: Labelled | None = None,
    *,
    sweep: bool = True,
    classes: int | None = None,
    **settings: Any,
) -> Fitted:
    """Fits a classifier to scaled features. With validation data it chooses a setting, and then learns from both.

    Without validation data the settings are those of `classifiers.METHODS`. With it, C (logistic, linear_svm, svm), k
    (knn) or shrinkage (lda) is the value of the method's grid with the highest validation accuracy, the smallest of
    equal ones. The classifier is then fitted again to training and validation data together, as CLIP does (Radford et
    al. 2021, arXiv:2103.00020). For SVMs the value is chosen with at most `SWEEP_LIMIT` training rows, stratified. The
    temperature of an SVM is that of the classifier fitted to all training rows alone: from validation data, which the
    final classifier has seen, it would be too low.

    Args:
        train_x: float (n, d), in one unit for linear_svm, svm and knn. float32 is fastest and float64 stays float64;
            anything else becomes float32.
        train_y: integer labels (n,), 0 or above.
        method, seed, settings: as `classifiers.classifier` takes them; a setting that is passed is not chosen.
        validation: (x, y), of the same kinds as `train_x` and `train_y`.
        sweep: whether validation data choose a setting.
        classes: columns of the probabilities; by default the highest label plus one.

    Returns:
        The fitted classifier. Its facts are "C", "k" or "shrinkage"; "fit_seconds", of the last fit; "converged", 1 or
        0; "parameters", how many numbers it predicts from, without the scaler (coefficients, support vectors, training
        data, two for an inner node of a tree and one for each class of a leaf); and "model_bytes", its pickled size.
        With validation data there are also "validation_accuracy", when fitted to all training rows alone; "sweep_rows";
        and "sweep_seconds", of everything before the last fit.

    Raises:
        InputError: an unknown method, or data of other shapes and types.
    """
    row = method_of(method)
    x, y = as_labelled("training", train_x, train_y)
    if len(np.unique(y)) < 2:
        raise InputError(f"training labels of {len(np.unique(y))} class: expected examples of at least 2")
    chosen, started = row.settings | settings, time.perf_counter()
    facts: dict[str, float] = {}
    temperature = None
    if validation is not None:
        held_out = as_labelled("validation", *validation, width=x.shape[1])
        rows, alone = np.arange(len(y)), None
        if sweep and row.swept and row.swept not in settings:
            rows = _subset(y, SWEEP_LIMIT if row.quadratic else len(y), seed)
            chosen[row.swept], alone = _choose(method, seed, (x[rows], y[rows]), held_out, chosen)
            facts["sweep_rows"] = float(len(rows))
        if alone is None or len(rows) < len(y):
            alone, _ = _fitted(method, seed, x, y, chosen)
        facts["validation_accuracy"] = _accuracy(alone, *held_out)
        if not hasattr(alone, "predict_proba"):
            temperature = inverse_temperature(alone, *held_out)
        x, y = (np.concatenate(pair) for pair in zip((x, y), held_out))
        facts["sweep_seconds"] = time.perf_counter() - started
    highest = int(y.max())
    classes = highest + 1 if classes is None else classes
    if highest >= classes:
        raise InputError(f"labels up to {highest}: expected less than classes={classes}")
    started = time.perf_counter()
    pipeline, facts["converged"] = _fitted(method, seed, x, y, chosen)
    facts["fit_seconds"] = time.perf_counter() - started
    if row.swept:
        facts[_NAMES.get(row.swept, row.swept)] = float(pipeline[-1].get_params()[row.swept])
    facts["parameters"] = float(row.size(pipeline[-1]))
    facts["model_bytes"] = float(len(pickle.dumps(pipeline)))
    return Fitted(pipeline, facts, classes, temperature)


def probe(
    train_x: np.ndarray,
    train_y: np.ndarray,
    test_x: np.ndarray,
    test_y: np.ndarray,
    method: str = "lda",
    seed: int = 0,
    *,
    validation: Labelled | None = None,
    train_limit: int = 10_000,
    **settings: Any,
) -> dict[str, float]:
    """Fits a classifier as `fit` does, and scores it on data that it was neither fitted to nor chosen by.

    Args:
        train_x, test_x: float (n, d) and (m, d).
        train_y, test_y: integer labels (n,) and (m,), 0 or above.
        method: "lda", "logistic", "linear_svm", "svm", "random_forest", "knn" or "mlp", see `classifiers.classifier`.
        seed: random seed of random_forest and mlp, and of subsets.
        validation: (x, y) to choose a setting by, see `fit`.
        train_limit: the training accuracy of svm and knn, whose predictions take longer the more examples they store,
            is that of at most this many training rows, drawn at random.
        settings: arguments of the estimator.

    Returns:
        The facts of `fit`, and "train_accuracy", "test_accuracy" and "predict_seconds", of all test rows.

    Raises:
        InputError: an unknown method, or data of other shapes and types.

    Example:
        >>> import numpy as np
        >>> from tfxfer import analysis
        >>> rng = np.random.default_rng(0)
        >>> labels = np.arange(200) % 2
        >>> features = 10 * labels[:, None] + rng.normal(size=(200, 3))  # two classes, ten standard deviations apart
        >>> scores = analysis.probe(features[:100], labels[:100], features[100:], labels[100:], method="lda")
        >>> scores["test_accuracy"]
        1.0
    """
    row = method_of(method)
    test_x, test_y = as_labelled("test", test_x, test_y, np.shape(train_x)[-1] if np.ndim(train_x) == 2 else None)
    fitted = fit(train_x, train_y, method, seed, validation, **settings)
    started = time.perf_counter()
    predicted = fitted.predict(test_x)
    seconds = time.perf_counter() - started
    train_x, train_y = np.asarray(train_x), np.asarray(train_y)
    if row.stores_examples and len(train_y) > train_limit:
        rows = np.random.default_rng(seed).choice(len(train_y), train_limit, replace=False)
        train_x, train_y = train_x[rows], train_y[rows]
    return fitted.facts | {
        "train_accuracy": float(np.mean(fitted.predict(train_x) == train_y)),
        "test_accuracy": float(np.mean(predicted == test_y)),
        "predict_seconds": seconds,
    }


@live_lines.line("fitting a classifier", after=live_lines.PATIENCE)
def _fitted(method: str, seed: int, x: np.ndarray, y: np.ndarray, settings: dict[str, Any]) -> tuple[Pipeline, float]:
    """A fitted Pipeline, and 1.0 if it converged, else 0.0."""
    pipeline = classifier(method, seed, **adapt(settings, y))
    with warnings.catch_warnings(record=True) as caught, threadpool_limits(METHODS[method].threads, "blas"):
        warnings.simplefilter("always", ConvergenceWarning)
        pipeline.fit(x, y)
    others = [warning for warning in caught if not issubclass(warning.category, ConvergenceWarning)]
    for warning in others:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return pipeline, float(len(others) == len(caught))


def _choose(
    method: str, seed: int, train: Labelled, validation: Labelled, settings: dict[str, Any]
) -> tuple[float, Pipeline]:
    """The value of the method's grid with the highest validation accuracy, and the Pipeline fitted with it."""
    row, highest = METHODS[method], -1.0
    for value in row.grid:
        pipeline, _ = _fitted(method, seed, *train, settings | {str(row.swept): value})
        if (accuracy := _accuracy(pipeline, *validation)) > highest:
            highest, best = accuracy, (value, pipeline)
    return best


def _accuracy(pipeline: Pipeline, x: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean(pipeline.predict(x) == y))


def _subset(labels: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most this many rows, in which every class has its share up to rounding.

    They are evenly spaced in a shuffled order that is sorted by class.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    return np.sort(by_class[np.arange(most) * len(labels) // most])
