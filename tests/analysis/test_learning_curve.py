"""Power laws through learning curves: exact ones are found again, noise widens the interval, and it holds."""

import numpy as np
import pytest

from tfxfer.analysis.learning_curve import extrapolate
from tfxfer.core.errors import InputError

IMAGES = np.array([125, 250, 500, 1000])


def law(n, a=4.0, b=0.5):
    return 1 - a * n**-b


def test_an_exact_power_law_is_found_again():
    found = extrapolate(IMAGES, law(IMAGES), tested=10**6, wanted=2000)
    assert found.accuracy == pytest.approx(law(2000), abs=1e-4)
    assert found.exponent == pytest.approx(0.5, abs=1e-3)
    assert found.gain == pytest.approx(law(2000) - law(1000), abs=1e-4)
    assert found.interval[0] < found.accuracy < found.interval[1]


def test_no_gain_where_more_images_have_brought_nothing():
    found = extrapolate(IMAGES, [0.9, 0.9, 0.9, 0.9], tested=10**6, wanted=2000)
    assert found.gain == pytest.approx(0, abs=1e-3)
    assert found.accuracy == pytest.approx(0.9, abs=1e-3)


def test_a_curve_that_falls_promises_no_loss():
    found = extrapolate(IMAGES, [0.92, 0.91, 0.90, 0.89], tested=1000, wanted=2000)
    assert found.exponent == 0
    assert found.gain == 0


def test_all_right_is_not_certainty():
    found = extrapolate(IMAGES, [0.98, 1.0, 1.0, 1.0], tested=50, wanted=2000)
    assert found.accuracy < 1
    assert found.interval[0] < 0.995


def test_fewer_tested_images_make_it_less_certain():
    wide, narrow = (extrapolate(IMAGES, law(IMAGES), tested, 2000).interval for tested in (100, 10_000))
    assert wide[1] - wide[0] > 5 * (narrow[1] - narrow[0])


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """Of 60 curves with binomial noise, the 95% interval holds the law's value in at least 50 (P < 0.001 otherwise)."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(60):
        measured = rng.binomial(400, law(IMAGES)) / 400
        low, high = extrapolate(IMAGES, measured, 400, 2000).interval
        held += low <= law(2000) <= high
    assert held >= 50


@pytest.mark.parametrize(
    ("images", "accuracy", "wanted"),
    [
        ([100, 200], [0.5, 0.6], 400),
        ([100, 200, 400], [0.5, 0.6], 400),
        ([400, 200, 100], [0.5, 0.6, 0.7], 400),
        ([100, 200, 400], [0.5, 0.6, 1.7], 400),
        ([100, 200, 400], [0.5, 0.6, 0.7], 4000),
    ],
)
def test_refuses_what_is_no_curve(images, accuracy, wanted):
    with pytest.raises(InputError, match="expected"):
        extrapolate(images, accuracy, 100, wanted)
