"""The classifiers that probe features: one row each, with its settings, its scale, its sweep and its size."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from tfxfer.analysis import linear, logistic
from tfxfer.analysis.svm import SVC
from tfxfer.core.errors import InputError

try:
    # The Intel extension's, an x86-64 package of the same interface. Its log (`logging.getLogger("sklearnex")`, INFO)
    # says that fit, predict and predict_proba of these run on oneDAL; kNN takes a third of the time in float32. Its
    # LogisticRegression runs there too, but took 1,212 iterations where scikit-learn's took 460 (10,000 images, 784
    # pixels), so is not used; of LDA, MLPClassifier and LinearSVC it has none.
    from sklearnex.ensemble import RandomForestClassifier
    from sklearnex.neighbors import KNeighborsClassifier
except ImportError:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier


class CommonScale(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Centres each column and divides all by one number, so that their variances are 1 in the mean.

    What compares whole examples, by distances or kernels, does better so than on columns of variance 1 each: of pixels
    or features that hardly vary, those would be mostly noise. Columns of different units need the latter.

    Attributes: mean_ (d,) and scale_ (), of the data's dtype.
    """

    def fit(self, x: np.ndarray, y=None) -> "CommonScale":
        """Features (n, d); y is not used."""
        x = validate_data(self, x, dtype=(np.float32, np.float64))
        self.mean_ = x.mean(0, dtype=np.float64).astype(x.dtype)
        spread = np.sqrt(np.square(x - self.mean_).mean(dtype=np.float64))
        self.scale_ = x.dtype.type(spread if spread > 0 else 1)
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Features (n, d) -> the same, scaled."""
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, dtype=(np.float32, np.float64))
        found = x - self.mean_
        found /= self.scale_
        return found


def _linear(model) -> int:
    return model.coef_.size + model.intercept_.size


def _kernel(model) -> int:
    return model.support_vectors_.size + model.dual_coef_.size + model.intercept_.size


def _forest(model) -> int:
    trees = [each.tree_ for each in model.estimators_]
    leaves = sum(int((tree.children_left == -1).sum()) for tree in trees)
    return 2 * (sum(tree.node_count for tree in trees) - leaves) + leaves * len(model.classes_)


def _neighbours(model) -> int:
    return model.n_samples_fit_ * (model.n_features_in_ + 1)


def _network(model) -> int:
    return sum(array.size for array in (*model.coefs_, *model.intercepts_))


@dataclass(frozen=True)
class Method:
    """A classifier of scikit-learn's interface, and what a probe has to know of it."""

    estimator: Callable
    size: Callable[..., int]  # numbers that a fitted one predicts from
    settings: dict = field(default_factory=dict)
    seeded: bool = False
    scale: type = StandardScaler
    swept: str | None = None
    grid: tuple = ()  # of the setting that is swept, ascending
    quadratic: bool = False  # fitting takes longer than examples are more
    stores_examples: bool = False  # predicting takes as long as there are
    threads: int | None = None  # of BLAS, while fitting; None for as many as there are
    bytes_needed: Callable[[int, int], int] = lambda n, d: 0  # of memory beside n examples of d scaled features


_DECADES = tuple(10.0**power for power in range(-4, 3))
METHODS = {
    "lda": Method(
        linear.LDA,
        _linear,
        {"shrinkage": 0.0},
        swept="shrinkage",
        grid=(0.0, 1e-3, 1e-2, 1e-1, 0.5),
        bytes_needed=linear.bytes_needed,
    ),
    "logistic": Method(
        logistic.LogisticRegression, _linear, {"C": 1.0}, swept="C", grid=_DECADES, bytes_needed=logistic.bytes_needed
    ),
    "linear_svm": Method(
        SVC,
        _linear,
        {"C": 0.01, "kernel": "linear"},
        scale=CommonScale,
        swept="C",
        grid=_DECADES,
        quadratic=True,
    ),
    "svm": Method(
        SVC,
        _kernel,
        {"C": 10.0},
        scale=CommonScale,
        swept="C",
        grid=(0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
        quadratic=True,
        stores_examples=True,
    ),
    "random_forest": Method(RandomForestClassifier, _forest, {"n_estimators": 100, "n_jobs": -1}, seeded=True),
    "knn": Method(
        KNeighborsClassifier,
        _neighbours,
        {"n_neighbors": 5, "n_jobs": -1},
        scale=CommonScale,
        swept="n_neighbors",
        grid=(1, 3, 5, 10, 20, 100, 200),  # DINOv2's (Oquab et al. 2023), and small ones
        stores_examples=True,
    ),
    # products of a batch of 200 are so small that a second thread hardly helps; on a busy machine it costs ten times
    "mlp": Method(MLPClassifier, _network, {"early_stopping": True, "max_iter": 500}, seeded=True, threads=1),
}


def method_of(name: str) -> Method:
    """The row of a method.

    Raises:
        InputError: there is none of that name.
    """
    if name not in METHODS:
        raise InputError(f"probe {name!r}: expected one of {', '.join(METHODS)}")
    return METHODS[name]


def classifier(method: str, seed: int = 0, **settings) -> Pipeline:
    """An unfitted scikit-learn Pipeline of a scaler and a classifier.

    Args:
        method: a key of `METHODS`: "lda" (Fisher 1936), "logistic", "linear_svm" (one against one), "svm" (RBF kernel,
            gamma 1 / (d x variance); Cortes and Vapnik 1995), "random_forest" (100 trees; Breiman 2001), "knn" or "mlp"
            (one layer of 100, Adam, until the training loss has not fallen for 10 epochs; from 10,000 examples on,
            until the accuracy on a tenth that it sets aside has not risen).
        seed: of random_forest and mlp; the others are not random.
        settings: of the estimator, in place of the row's.

    Raises:
        InputError: unknown method.
    """
    row = method_of(method)
    seeded = {"random_state": seed} if row.seeded else {}
    return make_pipeline(row.scale(), row.estimator(**row.settings | seeded | settings))


def fitting(settings: dict, labels: np.ndarray) -> dict:
    """Settings as so few labels allow: no more neighbours than examples, no early stopping with less than 10,000.

    With 1,000 to 9,000 images the MLP was right more often, by 0.004 to 0.06, when it stopped by the training loss.
    """
    found = dict(settings)
    if "n_neighbors" in found:
        found["n_neighbors"] = min(found["n_neighbors"], len(labels))
    if found.get("early_stopping"):  # by a stratified tenth: each class needs two examples to be divided
        found["early_stopping"] = len(labels) >= 10_000 and bool(np.unique(labels, return_counts=True)[1].min() > 1)
    return found
