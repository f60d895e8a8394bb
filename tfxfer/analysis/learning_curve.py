"""Learning curves: how accuracy grows with the number of training images, and what twice as many would bring."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfxfer.core.errors import InputError

DRAWS = 1000
ITERATIONS = 25
MOST = 4.0  # times the largest number of images: nobody should look further


@dataclass(frozen=True)
class Extrapolation:
    """A power law through the errors of a learning curve, read off where nothing was measured.

    Attributes:
        images: the number of training images it is for.
        accuracy: what the power law says, in [0, 1].
        interval: 95% of the draws lie between these.
        gain: accuracy minus the power law's own value for all images that there are.
        gain_interval: 95% interval of the gain.
        exponent: b in error = a * images^-b, 0 or above; 0 means that more images have brought nothing.
    """

    images: int
    accuracy: float
    interval: tuple[float, float]
    gain: float
    gain_interval: tuple[float, float]
    exponent: float


def extrapolate(
    images: Sequence[int] | np.ndarray,
    accuracy: Sequence[float] | np.ndarray,
    tested: int,
    wanted: int,
    seed: int = 0,
) -> Extrapolation:
    """Extends a learning curve by the power law error = a * images^-b, b >= 0.

    Power laws describe learning curves over wide ranges (Hestness et al. 2017, arXiv:1712.00409), also of pretrained
    networks (Hoiem et al. 2021, arXiv:2010.11029), but end at the error of wrong labels, which a short curve does not
    show: so this says nothing beyond four times the images. a and b have the largest likelihood of the counted errors.
    The interval is of the binomial noise of the tested images (parametric bootstrap, 1,000 draws), as if each point had
    been tested on other images; it does not cover a wrong law.

    Args:
        images: numbers of training images, at least 3, ascending.
        accuracy: for each, in [0, 1].
        tested: how many images each accuracy was measured on.
        wanted: for how many training images to extrapolate, at most 4 times the largest number.
        seed: random seed of the draws.

    Raises:
        InputError: too few points, other lengths, or numbers out of range.

    Example:
        >>> from tfxfer.analysis import learning_curve
        >>> images = [100, 200, 400, 800]
        >>> errors = [0.4, 0.2828, 0.2, 0.1414]  # 4 / sqrt(images)
        >>> found = learning_curve.extrapolate(images, [1 - error for error in errors], 10_000, 1600)
        >>> round(found.accuracy, 2), round(found.exponent, 1)
        (0.9, 0.5)
    """
    n, right = np.asarray(images, np.float64), np.asarray(accuracy, np.float64)
    if n.ndim != 1 or len(n) < 3 or n.shape != right.shape or not np.all(np.diff(n) > 0) or n[0] < 1:
        raise InputError(f"images {list(images)}, accuracy {list(accuracy)}: expected at least 3 of each, ascending")
    if not (np.all((right >= 0) & (right <= 1)) and tested >= 1 and 0 < wanted <= MOST * n[-1]):
        raise InputError(
            f"accuracy {list(accuracy)}, tested {tested}, wanted {wanted}: expected accuracies from 0 to 1, at least 1 "
            f"image tested, and at most {MOST:.0f} times {n[-1]:.0f} images wanted"
        )
    wrong = np.round((1 - right) * tested)
    law = _fit(n, wrong[None], tested)
    draws = np.random.default_rng(seed).binomial(tested, _errors(law, n)[0], (DRAWS, len(n)))
    ends = 1 - _errors(_fit(n, draws, tested), np.array([n[-1], wanted]))
    here, there = 1 - _errors(law, np.array([n[-1], wanted]))[0]
    low, high = np.quantile(ends[:, 1], (0.025, 0.975))
    least, most = np.quantile(ends[:, 1] - ends[:, 0], (0.025, 0.975))
    return Extrapolation(
        images=wanted,
        accuracy=float(there),
        interval=(float(low), float(high)),
        gain=float(there - here),
        gain_interval=(float(least), float(most)),
        exponent=float(law[0, 1]),
    )


def _errors(laws: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The shares of wrong predictions, (laws, numbers), that laws of (log a, b) give for numbers of images."""
    return np.exp(np.minimum(0.0, laws[:, :1] - laws[:, 1:] * np.log(n)))


def _fit(n: np.ndarray, wrong: np.ndarray, tested: int) -> np.ndarray:
    """Laws (log a, b), (curves, 2), with the largest binomial likelihood of wrong predictions, (curves, numbers).

    Newton's method with Fisher's information, as generalized linear models with a logarithmic link are fitted. Half an
    error stands for none. Where b would be negative the best law is the constant one, for the likelihood is concave.
    """
    wrong = np.clip(np.asarray(wrong, np.float64), 0.5, tested - 0.5)
    centre = np.log(n).mean()
    x = np.stack([np.ones(len(n)), centre - np.log(n)])  # (2, numbers)
    constant = np.log(wrong.mean(1) / tested)
    laws = np.stack([constant, np.full(len(wrong), 0.1)], 1)
    for _ in range(ITERATIONS):
        p = np.exp(np.clip(laws @ x, -30.0, -1e-4))
        information = np.einsum("kn,in,jn->kij", tested * p / (1 - p), x, x)
        score = ((wrong - tested * p) / (1 - p)) @ x.T
        laws = laws + np.clip(np.linalg.solve(information, score[..., None])[..., 0], -1.0, 1.0)
    laws = np.where(laws[:, 1:] > 0, laws, np.stack([constant, np.zeros(len(wrong))], 1))
    return laws + laws[:, 1:] * np.array([centre, 0.0])
