"""Corruption errors relative to those of a reference network, as ImageNet-C defines them: mCE and relative mCE.

Hendrycks and Dietterich 2019, Benchmarking neural network robustness to common corruptions and perturbations,
arXiv:1903.12261, section 4.2. The paper's reference is AlexNet on ImageNet. With any other reference, as here, the
figures cannot be compared with those of the paper, or of anyone else who has another reference.
"""

import numpy as np

from tfxfer.core.errors import InputError


def corruption_errors(accuracy: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The corruption error CE of each corruption: errors summed over severities, over the reference's sum.

    Args:
        accuracy: (corruptions, severities), in [0, 1].
        reference: the same of the reference network.

    Returns:
        float64 (corruptions,), 0 or more: 1 for the reference itself, below 1 for fewer errors. NaN where the reference
        makes none. Their mean is mCE.

    Raises:
        InputError: shapes that do not fit, or numbers that are no accuracies.

    Example:
        >>> import numpy as np
        >>> from tfxfer.analysis import corruption_error
        >>> corruption_error.corruption_errors(np.array([[0.9, 0.7]]), np.array([[0.8, 0.4]]))
        array([0.5])
    """
    accuracy, reference = _checked(accuracy, reference)
    return _ratio((1 - accuracy).sum(1), (1 - reference).sum(1))


def relative_corruption_errors(
    accuracy: np.ndarray, clean: float, reference: np.ndarray, reference_clean: float
) -> np.ndarray:
    """The relative CE of each corruption: what it adds to the errors on clean images, over what it adds the reference.

    Args:
        accuracy: (corruptions, severities), in [0, 1].
        clean: accuracy on the clean images.
        reference, reference_clean: the same of the reference network.

    Returns:
        float64 (corruptions,): 1 for the reference itself, below 1 for a network that loses less, and below 0 for one
        that is better under the corruption than without it. NaN where the reference loses nothing: then it is not
        defined, and neither is the mean, relative mCE.

    Raises:
        InputError: shapes that do not fit, or numbers that are no accuracies.
    """
    accuracy, reference = _checked(accuracy, reference)
    _checked(np.array([[clean]]), np.array([[reference_clean]]))
    return _ratio((clean - accuracy).sum(1), (reference_clean - reference).sum(1))


def _ratio(errors: np.ndarray, of_reference: np.ndarray) -> np.ndarray:
    # accuracies are shares of images: a sum of differences below 1e-9 is 0 and rounding
    return np.divide(errors, of_reference, out=np.full(len(errors), np.nan), where=of_reference > 1e-9)


def _checked(accuracy: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    accuracy, reference = np.asarray(accuracy, np.float64), np.asarray(reference, np.float64)
    if accuracy.ndim != 2 or accuracy.shape != reference.shape or not accuracy.size:
        raise InputError(
            f"accuracies {accuracy.shape} and {reference.shape}: expected (corruptions, severities), the same for both"
        )
    for values in (accuracy, reference):
        if not ((values >= 0) & (values <= 1)).all():
            raise InputError(f"accuracies from {values.min():g} to {values.max():g}: expected shares from 0 to 1")
    return accuracy, reference
