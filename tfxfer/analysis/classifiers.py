"""The classifiers that probe features: for each its settings, its scaling, its sweep and its size, in one table."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

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
    # The Intel extension, an x86-64 package with the same interface. Its log (`logging.getLogger("sklearnex")`, INFO)
    # says that fit, predict and predict_proba of these run on oneDAL; kNN takes a third of the time in float32. Its
    # LogisticRegression runs there too, but took 1,212 iterations where scikit-learn's took 460 (10,000 images of 784
    # pixels), so it is not used. LDA, MLPClassifier and LinearSVC do not run on oneDAL.
    from sklearnex.ensemble import RandomForestClassifier
    from sklearnex.neighbors import KNeighborsClassifier
except ImportError:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier


class CommonScale(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Centres each column and divides all columns by one number, so that their mean variance is 1.

    Methods that compare whole examples, by distances or kernels, do better this way than with columns of variance 1
    each, where pixels or features that hardly vary would be mostly noise. Columns in different units need the latter.

    Attributes:
        mean_: (d,) means of the columns, of the data's dtype.
        scale_: the divisor, a scalar of the data's dtype.
    """

    def fit(self, x: np.ndarray, y: object = None) -> "CommonScale":
        """Learns means and scale of float features (n, d); y is not used."""
        x = validate_data(self, x, dtype=(np.float32, np.float64))
        self.mean_ = x.mean(0, dtype=np.float64).astype(x.dtype)
        spread = np.sqrt(np.square(x - self.mean_).mean(dtype=np.float64))
        self.scale_ = x.dtype.type(spread if spread > 0 else 1)
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Scales float features (n, d)."""
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, dtype=(np.float32, np.float64))
        scaled = x - self.mean_
        scaled /= self.scale_
        return scaled


def _linear(model: Any) -> int:
    return model.coef_.size + model.intercept_.size


def _kernel(model: Any) -> int:
    return model.support_vectors_.size + model.dual_coef_.size + model.intercept_.size


def _forest(model: Any) -> int:
    trees = [estimator.tree_ for estimator in model.estimators_]
    leaves = sum(int((tree.children_left == -1).sum()) for tree in trees)
    return 2 * (sum(tree.node_count for tree in trees) - leaves) + leaves * len(model.classes_)


def _neighbours(model: Any) -> int:
    return model.n_samples_fit_ * (model.n_features_in_ + 1)


def _network(model: Any) -> int:
    return sum(array.size for array in (*model.coefs_, *model.intercepts_))


@dataclass(frozen=True)
class Method:
    """A classifier with scikit-learn's interface, and what a probe has to know about it.

    Attributes:
        estimator: its class.
        size: how many numbers a fitted estimator predicts from.
        settings: its arguments, unless others are given.
        seeded: whether it is random, and so takes `random_state`.
        scale: the class of the scaler before it.
        swept: the setting that validation data choose, and its values in ascending order in `grid`; None for none.
        quadratic: whether fitting takes longer than in proportion to the number of examples.
        stores_examples: whether predicting takes longer the more training examples there are.
        threads: threads of BLAS while fitting; None for as many as there are.
        bytes_needed: memory for fitting n examples of d features, besides the scaled features.
    """

    estimator: Callable[..., Any]
    size: Callable[[Any], int]
    settings: dict[str, Any] = field(default_factory=dict)
    seeded: bool = False
    scale: type = StandardScaler
    swept: str | None = None
    grid: tuple[float, ...] = ()
    quadratic: bool = False
    stores_examples: bool = False
    threads: int | None = None
    bytes_needed: Callable[[int, int], int] = lambda n, d: 0


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
        grid=(1, 3, 5, 10, 20, 100, 200),  # those of DINOv2 (Oquab et al. 2023, arXiv:2304.07193), and smaller ones
        stores_examples=True,
    ),
    # matrix products of a batch of 200 are too small for a second thread to help; on a busy machine fitting with two
    # threads takes ten times as long
    "mlp": Method(MLPClassifier, _network, {"early_stopping": True, "max_iter": 500}, seeded=True, threads=1),
}


def method_of(name: str) -> Method:
    """The row of `METHODS` with this name.

    Raises:
        InputError: an unknown name.
    """
    if name not in METHODS:
        raise InputError(f"probe {name!r}: expected one of {', '.join(METHODS)}")
    return METHODS[name]


def classifier(method: str, seed: int = 0, **settings: Any) -> Pipeline:
    """Makes an unfitted scikit-learn Pipeline of a scaler and a classifier.

    Args:
        method: a key of `METHODS`: "lda" (Fisher 1936), "logistic", "linear_svm" (one against one), "svm" (RBF kernel,
            gamma 1 / (d x variance); Cortes and Vapnik 1995), "random_forest" (100 trees; Breiman 2001), "knn" or "mlp"
            (one layer of 100 units, trained with Adam until the training loss has not fallen for 10 epochs; with 10,000
            examples or more, until the accuracy on a tenth that it sets aside has not risen for 10 epochs).
        seed: random seed of random_forest and mlp; the others are not random.
        settings: arguments of the estimator, in place of those of the table.

    Raises:
        InputError: an unknown method.
    """
    row = method_of(method)
    seeded = {"random_state": seed} if row.seeded else {}
    return make_pipeline(row.scale(), row.estimator(**row.settings | seeded | settings))


def adapt(settings: dict[str, Any], labels: np.ndarray) -> dict[str, Any]:
    """Adapts settings to the number of training labels, integers (n,).

    There are never more neighbours than examples, and early stopping needs 10,000 examples: with 1,000 to 9,000 images
    the MLP's accuracy was higher, by 0.004 to 0.06, when it stopped by the training loss.
    """
    adapted = dict(settings)
    if "n_neighbors" in adapted:
        adapted["n_neighbors"] = min(adapted["n_neighbors"], len(labels))
    if adapted.get("early_stopping"):  # on a stratified tenth: splitting a class takes two examples
        adapted["early_stopping"] = len(labels) >= 10_000 and bool(np.unique(labels, return_counts=True)[1].min() > 1)
    return adapted
