"""Classifiers on pixels: tfxfer's probes against scikit-learn's own classes, fit and test prediction, in turn.

Plain is scikit-learn as its manual has it, with every processor where it can use them: LinearDiscriminantAnalysis(),
LogisticRegression(max_iter=2000), SVC(C=10), RandomForestClassifier(), KNeighborsClassifier(5), in a Pipeline with the
scaler that ours has (StandardScaler; for SVM and kNN one scale for all pixels), on the same float32 pixels. Then ours
alone on all training and validation images.

Goals: the sum of all 4 times as fast, the SVM 5 times; accuracies within 0.005.

Bound: `products` is the time of the matrix products alone, at the speed of one large product of float32 on this machine
(measured): of LDA the scatter, of logistic regression two passes an iteration, of kNN all distances, of the SVM the
kernel of every pair of classes once and of test images and support vectors. The forest has none.

    python benchmarks/probes.py --json FILE
"""

import statistics
import time
import warnings

import common
import costs
import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from tfxfer import data
from tfxfer.analysis import classifiers, probes

PLAIN = {
    "lda": LinearDiscriminantAnalysis,
    "logistic": lambda: LogisticRegression(max_iter=2000),
    "svm": lambda: SVC(C=10),
    "random_forest": lambda: RandomForestClassifier(n_jobs=-1, random_state=0),
    "knn": lambda: KNeighborsClassifier(5, n_jobs=-1),
}
GOALS = {"svm": 5.0, "sum": 4.0}


def main(argv: list[str] | None = None) -> dict:
    options = {"dataset": "fashion_mnist", "images": 10_000, "test_images": 10_000, "repeats": 3, "limit": int}
    return common.run(measure, common.parser(__doc__, **options).parse_args(argv))


def measure(given) -> dict:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*used as a subset")  # the sizes are printed
        splits = data.load(given.dataset, given.data_dir, given.limit)
    x, y = (np.concatenate(pair) for pair in zip(_pixels(splits, "train"), _pixels(splits, "validation")))
    test = [column[: given.test_images] for column in _pixels(splits, "test")]
    some = x[: given.images], y[: given.images]
    speed = _speed()
    print(
        f"\n{given.dataset}, {len(some[1]):,} and {len(test[1]):,} images, {x.shape[1]} pixels, repeats {given.repeats}"
    )
    print(f"  one product of float32: {speed / 1e9:.0f} GFLOP/s", flush=True)
    seconds, found = {method: ([], []) for method in PLAIN}, {}
    for _ in range(given.repeats):
        for method in PLAIN:
            plain_seconds, plain = _plain(method, some, test)
            ours_seconds, ours, fitted = _ours(method, some, test)
            print(f"  {method}: plain {plain_seconds:.3g} s, ours {ours_seconds:.3g} s", flush=True)
            seconds[method][0].append(plain_seconds)
            seconds[method][1].append(ours_seconds)
            products = _products(fitted, *some, test[0]) / speed
            found[method] = {"plain_accuracy": plain, "accuracy": ours, "products": products}
    ratios = {}
    for method, (plain, ours) in seconds.items():
        found[method] |= {"plain_seconds": statistics.median(plain), "seconds": statistics.median(ours)}
        print(f"  {method}: {costs.listed(found[method])}")
        ratios |= _ratio(method, plain, ours)
    ratios |= _ratio("sum", *([sum(times) for times in zip(*each)] for each in zip(*seconds.values())))
    print(f"\nours alone, {len(y):,} training images")
    for method in PLAIN:
        took, accuracy, fitted = _ours(method, (x, y), test)
        found[method] |= {
            "whole_seconds": took,
            "whole_accuracy": accuracy,
            "whole_fit_seconds": fitted.facts["fit_seconds"],
        }
        print(f"  {method}: {took:.3g} s, accuracy {accuracy:.4f}", flush=True)
    return {"probes": found | ratios}


def _pixels(splits, part: str) -> tuple[np.ndarray, np.ndarray]:
    rows = splits.rows[part]
    return rows.images.reshape(len(rows.labels), -1).astype(np.float32), rows.labels


def _plain(method: str, train, test) -> tuple[float, float]:
    """Seconds and accuracy."""
    started = time.perf_counter()
    pipeline = make_pipeline(classifiers.METHODS[method].scale(), PLAIN[method]()).fit(*train)
    predicted = pipeline.predict(test[0])
    return time.perf_counter() - started, float(np.mean(predicted == test[1]))


def _ours(method: str, train, test) -> tuple[float, float, probes.Fitted]:
    """The same, and the classifier; to count its parameters and bytes takes time that is not in it."""
    fitted = probes.fit(*train, method)
    started = time.perf_counter()
    predicted = fitted.predict(test[0])
    seconds = fitted.facts["fit_seconds"] + time.perf_counter() - started
    return seconds, float(np.mean(predicted == test[1])), fitted


def _ratio(name: str, plain: list[float], ours: list[float]) -> dict:
    """Prints and returns the median ratio of plain to ours and its spread."""
    ratios = costs.paired(plain, ours)
    goal = f", goal {GOALS[name]:g}" if name in GOALS else ""
    middle, spread = statistics.median(ratios), [min(ratios), max(ratios)]
    print(f"  {name}: ratio {middle:.3g} ({spread[0]:.3g} to {spread[1]:.3g}, {len(ratios)} pairs{goal})", flush=True)
    return {f"{name}_ratio": middle, f"{name}_spread": spread}


def _speed(side: int = 2048) -> float:
    """Floating-point operations a second of one product, the best of five."""
    a, seconds = np.ones((side, side), np.float32), []
    for _ in range(5):
        started = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / min(seconds)


def _products(fitted: probes.Fitted, x: np.ndarray, y: np.ndarray, test_x: np.ndarray) -> float:
    """Floating-point operations of the matrix products that a method cannot do without."""
    model, (n, d), counts = fitted.pipeline[-1], x.shape, np.unique(y, return_counts=True)[1]
    if "C" in model.get_params() and hasattr(model, "support_vectors_"):
        pairs = sum((a + b) ** 2 / 2 for i, a in enumerate(counts) for b in counts[:i])
        return 2 * d * (float(pairs) + len(test_x) * len(model.support_vectors_))
    if hasattr(model, "n_neighbors"):
        return 2.0 * d * n * len(test_x)
    if hasattr(model, "n_iter_"):
        return 4.0 * d * n * len(counts) * float(np.max(model.n_iter_))
    return float(n * d * d) if hasattr(model, "coef_") else 0.0


if __name__ == "__main__":
    main()
