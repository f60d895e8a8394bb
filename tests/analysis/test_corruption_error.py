"""Corruption errors: the formulas of the paper by hand, in percent and with loops, and where they are not defined."""

import numpy as np
import pytest

from tfxfer.analysis.corruption_error import corruption_errors, relative_corruption_errors
from tfxfer.core.errors import InputError

RANDOM = np.random.default_rng(0)
NETWORK, REFERENCE = RANDOM.uniform(0.5, 0.8, (15, 5)), RANDOM.uniform(0.1, 0.6, (15, 5))
CLEAN, REFERENCE_CLEAN = 0.85, 0.7


def test_the_formulas_of_the_paper():
    """Errors in percent, as the paper has them: CE = sum of E / sum of E of the reference, a corruption at a time."""
    errors, other = 100 - 100 * NETWORK, 100 - 100 * REFERENCE
    plain, relative = [], []
    for corruption in range(15):
        plain.append(sum(errors[corruption]) / sum(other[corruption]))
        lost, other_lost = (
            sum(row[corruption][s] - clean for s in range(5)) for row, clean in ((errors, 15), (other, 30))
        )
        relative.append(lost / other_lost)
    np.testing.assert_allclose(corruption_errors(NETWORK, REFERENCE), plain)
    np.testing.assert_allclose(relative_corruption_errors(NETWORK, CLEAN, REFERENCE, REFERENCE_CLEAN), relative)


def test_by_hand():
    """Errors 0.1 + 0.3 over 0.2 + 0.6; losses 0 + 0.2 over 0.1 + 0.5; a corruption that helps has a negative share."""
    network, reference = np.array([[0.9, 0.7], [1.0, 0.9]]), np.array([[0.8, 0.4], [0.8, 0.6]])
    np.testing.assert_allclose(corruption_errors(network, reference), [0.5, 1 / 6])
    np.testing.assert_allclose(relative_corruption_errors(network, 0.9, reference, 0.9), [1 / 3, -0.25])


def test_the_reference_itself_has_one():
    np.testing.assert_allclose(corruption_errors(REFERENCE, REFERENCE), 1)
    np.testing.assert_allclose(relative_corruption_errors(REFERENCE, 0.7, REFERENCE, 0.7), 1)


def test_where_the_reference_loses_nothing_it_is_not_defined():
    network, reference = np.array([[0.9, 0.7], [0.5, 0.5]]), np.array([[1.0, 1.0], [0.5, 0.5]])
    np.testing.assert_array_equal(corruption_errors(network, reference), [np.nan, 1])
    np.testing.assert_array_equal(relative_corruption_errors(network, 0.9, reference, 1), [np.nan, 0.8])
    equal = np.full((1, 5), 0.3)  # 5 x 0.3 - 1.5 is not quite 0
    assert np.isnan(relative_corruption_errors(equal, 0.9, equal, 0.3)).all()
    assert np.isnan(relative_corruption_errors(network, 0.9, reference, 0.4)).all()  # better than on clean images


@pytest.mark.parametrize(
    ("accuracy", "reference", "said"),
    [
        (NETWORK, REFERENCE[:3], r"accuracies \(15, 5\) and \(3, 5\): expected \(corruptions, severities\)"),
        (NETWORK[0], REFERENCE[0], r"accuracies \(5,\) and \(5,\)"),
        (NETWORK[:0], REFERENCE[:0], r"accuracies \(0, 5\)"),
        (100 * NETWORK, REFERENCE, "expected shares from 0 to 1"),
        (NETWORK, REFERENCE * np.nan, "accuracies from nan to nan: expected shares"),
    ],
)
def test_wrong_input(accuracy, reference, said):
    with pytest.raises(InputError, match=said):
        corruption_errors(accuracy, reference)
    with pytest.raises(InputError, match=said):
        relative_corruption_errors(accuracy, CLEAN, reference, REFERENCE_CLEAN)
    with pytest.raises(InputError, match="accuracies from 85 to 85: expected shares"):
        relative_corruption_errors(NETWORK, 85, REFERENCE, REFERENCE_CLEAN)
