"""A fitted classifier: its predictions and its probabilities, which support vector machines have only if calibrated."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.pipeline import Pipeline

from tfxfer.core.errors import InputError

Labelled = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Fitted:
    """A fitted classifier.

    Attributes:
        pipeline: its scikit-learn Pipeline.
        facts: what `probes.fit` reports about it.
        classes: the number of columns of its probabilities.
        inverse_temperature: factor from scores to the logits of an SVM; None without one.
    """

    pipeline: Pipeline
    facts: dict[str, float]
    classes: int
    inverse_temperature: float | None = None

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The predicted labels, int64 (n,), for features (n, d)."""
        return self.pipeline.predict(as_features("x", x, self.pipeline.n_features_in_)).astype(np.int64)

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """The probabilities of the labels, float (n, classes), for features (n, d).

        Column c is that of label c, and 0 if no training example had that label. An SVM's probabilities are the softmax
        of its scores times the inverse temperature (Guo et al. 2017, arXiv:1706.04599).

        Raises:
            InputError: features of another shape or not finite, or an SVM that was fitted without validation data.
        """
        x = as_features("x", x, self.pipeline.n_features_in_)
        if hasattr(self.pipeline, "predict_proba"):
            known = self.pipeline.predict_proba(x)
        elif self.inverse_temperature is not None:
            known = softmax(self.inverse_temperature * _scores(self.pipeline, x), axis=1)
        else:
            raise InputError(
                "an SVM fitted without validation data has scores but no probabilities: give fit validation=(x, y), "
                "from which it sets the temperature"
            )
        probabilities = np.zeros((len(x), self.classes), known.dtype)
        probabilities[:, self.pipeline.classes_] = known
        return probabilities


def _scores(pipeline: Pipeline, x: np.ndarray) -> np.ndarray:
    """An SVM's scores, float64 (n, C); for two classes, their one score with either sign."""
    scores = pipeline.decision_function(x).astype(np.float64)
    return scores if scores.ndim == 2 else np.stack([-scores, scores], 1)


def inverse_temperature(pipeline: Pipeline, x: np.ndarray, y: np.ndarray) -> float:
    """The factor for an SVM's scores that gives the lowest cross-entropy on these examples.

    Args:
        pipeline: a fitted SVM.
        x: float (n, d).
        y: integer labels (n,); those without training examples are left out.

    Raises:
        InputError: no label has training examples.
    """
    known = np.isin(y, pipeline.classes_)
    if not known.any():
        raise InputError("all validation labels are of classes without training examples: expected the same classes")
    scores, columns = _scores(pipeline, x[known]), np.searchsorted(pipeline.classes_, y[known])
    rows = np.arange(len(columns))

    def loss(log: float) -> float:
        return -log_softmax(np.exp(log) * scores, axis=1)[rows, columns].mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-10, 10), method="bounded", options={"xatol": 1e-6}).x))


def as_features(what: str, x: np.ndarray, width: int | None = None) -> np.ndarray:
    """Checks features: float (n, d), float64 if they were that, else float32.

    Args:
        what: their name in errors, such as "training".
        x: numbers (n, d).
        width: d, if it is known.

    Raises:
        InputError: another shape, or numbers that are not finite.
    """
    x = np.asarray(x)
    if x.ndim != 2 or len(x) == 0 or width not in (None, x.shape[1]):
        raise InputError(
            f"{what} features {x.shape}: expected (n, {'d' if width is None else width}), one row per example"
        )
    x = x if x.dtype in (np.float32, np.float64) else x.astype(np.float32)
    if not np.isfinite(x).all():
        raise InputError(
            f"{what} features contain NaN or infinity: expected finite numbers, leave out or repair those rows"
        )
    return x


def as_labelled(what: str, x: np.ndarray, y: np.ndarray, width: int | None = None) -> Labelled:
    """Checks features as `as_features` does, and their labels: int64 (n,), 0 or above.

    Raises:
        InputError: features or labels of another shape or type, or numbers that are not finite.
    """
    x, y = as_features(what, x, width), np.asarray(y)
    if y.shape != (len(x),):
        raise InputError(f"{what} labels {y.shape} for features {x.shape}: expected one for each row")
    if y.dtype.kind not in "iu" or y.min() < 0:
        raise InputError(f"{what} labels {y.dtype} from {y.min()}: expected integers from 0")
    return x, y.astype(np.int64)
