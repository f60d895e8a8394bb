"""Probes: how much a simple classifier makes of frozen features, and what it costs."""

import pickle
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from tfxfer.analysis.classifiers import METHODS, classifier, fitting, method_of
from tfxfer.analysis.fitted_probe import Fitted, Labelled, as_labelled, inverse_temperature
from tfxfer.core.errors import InputError

__all__ = ["METHODS", "SWEEP_LIMIT", "Fitted", "classifier", "fit", "probe"]

SWEEP_LIMIT = 10_000  # training rows that C of an SVM, whose cost grows with their square, is chosen by
_NAMES = {"n_neighbors": "k"}  # of settings in the facts, where they differ from scikit-learn's


def fit(
    train_x: np.ndarray,
    train_y: np.ndarray,
    method: str = "lda",
    seed: int = 0,
    validation: Labelled | None = None,
    *,
    sweep: bool = True,
    classes: int | None = None,
    **settings,
) -> Fitted:
    """Fits a classifier to scaled features; with validation data, chooses its setting, and learns from both.

    Without validation data the settings are those of `classifiers.METHODS`. With it, C (logistic, linear_svm, svm), k
    (knn) or shrinkage (lda) is the value of the row's grid that is right most often on it, the smallest of equals; the
    classifier is then fitted again to training and validation data together, as CLIP does (Radford et al. 2021). For
    SVMs the value is chosen with at most `SWEEP_LIMIT` training rows, stratified. Their temperature is that of the
    classifier fitted to all training rows alone: of validation data, which the final one has seen, it would be too low.

    Args:
        train_x: (n, d), of the same unit for linear_svm, svm and knn; float32 is fastest, float64 stays, all else
            becomes float32. train_y: integer labels (n,), 0 or above.
        method, seed, settings: as `classifier` takes them; a setting that is given is not chosen.
        validation: (x, y) of the same kinds.
        sweep: False to choose nothing by validation data.
        classes: columns of probabilities; the highest label and one, if not given.

    Returns:
        Its facts are "C", "k" or "shrinkage", fit_seconds (of the last fit), converged (1 or 0), parameters (numbers
        that it predicts from, of the scaler none: coefficients, support vectors, training data; two of a tree's inner
        node, one for each class of a leaf) and model_bytes (pickled); with validation data validation_accuracy (fitted
        to all training rows alone), sweep_rows and sweep_seconds (of all that came before the last fit).

    Raises:
        InputError: unknown method, or data of other shapes and kinds.
    """
    row = method_of(method)
    x, y = as_labelled("training", train_x, train_y)
    if len(np.unique(y)) < 2:
        raise InputError(f"training labels of {len(np.unique(y))} class: expected examples of at least 2")
    given, started, facts, temperature = row.settings | settings, time.perf_counter(), {}, None
    if validation is not None:
        other = as_labelled("validation", *validation, width=x.shape[1])
        some, alone = np.arange(len(y)), None
        if sweep and row.grid and row.swept not in settings:
            some = _subset(y, SWEEP_LIMIT if row.quadratic else len(y), seed)
            given[row.swept], alone = _choose(method, seed, (x[some], y[some]), other, given)
            facts["sweep_rows"] = float(len(some))
        if alone is None or len(some) < len(y):
            alone, _ = _fitted(method, seed, x, y, given)
        facts["validation_accuracy"] = _accuracy(alone, *other)
        if not hasattr(alone, "predict_proba"):
            temperature = inverse_temperature(alone, *other)
        x, y = (np.concatenate(pair) for pair in zip((x, y), other))
        facts["sweep_seconds"] = time.perf_counter() - started
    highest = int(y.max())
    classes = highest + 1 if classes is None else classes
    if highest >= classes:
        raise InputError(f"labels up to {highest}: expected less than classes={classes}")
    started = time.perf_counter()
    pipeline, facts["converged"] = _fitted(method, seed, x, y, given)
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
    **settings,
) -> dict[str, float]:
    """Fits a classifier as `fit` does and scores it on data that it was neither fitted to nor chosen by.

    Args:
        train_x, test_x: (n, d); train_y, test_y: integer labels (n,); the rest as `fit` takes it.
        train_limit: of svm and knn, which take as long for an example as they store examples, the training accuracy is
            of so many rows, drawn by the seed.

    Returns:
        The facts of `fit`, and train_accuracy, test_accuracy and predict_seconds (of all test rows).
    """
    row = method_of(method)
    test_x, test_y = as_labelled("test", test_x, test_y, np.shape(train_x)[-1] if np.ndim(train_x) == 2 else None)
    fitted = fit(train_x, train_y, method, seed, validation, **settings)
    started = time.perf_counter()
    predicted = fitted.predict(test_x)
    seconds = time.perf_counter() - started
    train_x, train_y = np.asarray(train_x), np.asarray(train_y)
    if row.stores_examples and len(train_y) > train_limit:
        some = np.random.default_rng(seed).choice(len(train_y), train_limit, replace=False)
        train_x, train_y = train_x[some], train_y[some]
    return fitted.facts | {
        "train_accuracy": float(np.mean(fitted.predict(train_x) == train_y)),
        "test_accuracy": float(np.mean(predicted == test_y)),
        "predict_seconds": seconds,
    }


def _fitted(method: str, seed: int, x: np.ndarray, y: np.ndarray, settings: dict) -> tuple[Pipeline, float]:
    """A fitted Pipeline, and 1 if it converged, else 0."""
    pipeline = classifier(method, seed, **fitting(settings, y))
    with warnings.catch_warnings(record=True) as caught, threadpool_limits(METHODS[method].threads, "blas"):
        warnings.simplefilter("always", ConvergenceWarning)
        pipeline.fit(x, y)
    others = [each for each in caught if not issubclass(each.category, ConvergenceWarning)]
    for each in others:
        warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    return pipeline, float(len(others) == len(caught))


def _choose(method: str, seed: int, train: Labelled, validation: Labelled, settings: dict) -> tuple[float, Pipeline]:
    """The value of the method's grid that is right most often on validation data, and the Pipeline fitted with it."""
    row, best = METHODS[method], -1.0
    for value in row.grid:
        pipeline, _ = _fitted(method, seed, *train, settings | {row.swept: value})
        if (accuracy := _accuracy(pipeline, *validation)) > best:
            best, found = accuracy, (value, pipeline)
    return found


def _accuracy(pipeline: Pipeline, x: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean(pipeline.predict(x) == y))


def _subset(labels: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most so many rows, every class with its share, to rounding: evenly spaced in a shuffled order by class."""
    if len(labels) <= most:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    return np.sort(by_class[np.arange(most) * len(labels) // most])
