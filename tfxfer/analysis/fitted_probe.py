"""A classifier once fitted: predictions, and probabilities, which support vector machines have only by calibration."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.pipeline import Pipeline

from tfxfer.core.errors import InputError

Labelled = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Fitted:
    """A fitted classifier: its Pipeline, what `fit` reports of it, and how many classes its probabilities are of."""

    pipeline: Pipeline
    facts: dict[str, float]
    classes: int
    inverse_temperature: float | None = None

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Features (n, d) -> int64 labels (n,)."""
        return self.pipeline.predict(as_features("x", x, self.pipeline.n_features_in_)).astype(np.int64)

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Features (n, d) -> float (n, classes): column c is of label c, 0 where there was no example to learn from.

        An SVM's are the softmax of its scores times the inverse temperature (Guo et al. 2017, arXiv:1706.04599).

        Raises:
            InputError: an SVM was fitted without validation data.
        """
        x = as_features("x", x, self.pipeline.n_features_in_)
        if hasattr(self.pipeline, "predict_proba"):
            known = self.pipeline.predict_proba(x)
        elif self.inverse_temperature is not None:
            known = softmax(self.inverse_temperature * _scores(self.pipeline, x), axis=1)
        else:
            raise InputError(
                "an SVM fitted without validation data has scores, no probabilities: give fit validation=(x, y), by "
                "which it sets the temperature"
            )
        found = np.zeros((len(x), self.classes), known.dtype)
        found[:, self.pipeline.classes_] = known
        return found


def _scores(pipeline: Pipeline, x: np.ndarray) -> np.ndarray:
    """An SVM's scores, float64 (n, C); of two classes, their one score with either sign."""
    scores = pipeline.decision_function(x).astype(np.float64)
    return scores if scores.ndim == 2 else np.stack([-scores, scores], 1)


def inverse_temperature(pipeline: Pipeline, x: np.ndarray, y: np.ndarray) -> float:
    """By which scores have to be multiplied for the least cross-entropy on these examples."""
    known = np.isin(y, pipeline.classes_)
    if not known.any():
        raise InputError("validation labels are all of classes that have no training examples: expected the same ones")
    scores, columns = _scores(pipeline, x[known]), np.searchsorted(pipeline.classes_, y[known])
    rows = np.arange(len(columns))

    def loss(log: float) -> float:
        return -log_softmax(np.exp(log) * scores, axis=1)[rows, columns].mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-10, 10), method="bounded", options={"xatol": 1e-6}).x))


def as_features(what: str, x: np.ndarray, width: int | None = None) -> np.ndarray:
    """Float (n, d), float32 unless it comes as float64; InputError, in which `what` names it, if it is not."""
    x = np.asarray(x)
    if x.ndim != 2 or len(x) == 0 or width not in (None, x.shape[1]):
        raise InputError(
            f"{what} features {x.shape}: expected (n, {'d' if width is None else width}), a row an example"
        )
    x = x if x.dtype in (np.float32, np.float64) else x.astype(np.float32)
    if not np.isfinite(x).all():
        raise InputError(f"{what} features hold NaN or infinite numbers: expected finite ones, leave out or mend them")
    return x


def as_labelled(what: str, x: np.ndarray, y: np.ndarray, width: int | None = None) -> Labelled:
    """The same, and int64 (n,)."""
    x, y = as_features(what, x, width), np.asarray(y)
    if y.shape != (len(x),):
        raise InputError(f"{what} labels {y.shape} for features {x.shape}: expected one for each row")
    if y.dtype.kind not in "iu" or y.min() < 0:
        raise InputError(f"{what} labels {y.dtype} from {y.min()}: expected integers from 0")
    return x, y.astype(np.int64)
