"""What fits into the time, from numbers alone."""

import keras
import pytest

from tfxfer import model
from tfxfer.recipes.shared.search import time_plan


@pytest.fixture(scope="module")
def net(request):
    from tfxfer import data

    keras.utils.set_random_seed(0)
    return model.build("cnn", data.load("digits", limit=40), weights="none")


@pytest.mark.parametrize(
    ("images", "side", "limit", "expected"),
    [
        (1000, None, 600, 224),  # 12 x 1,000 x 2 ms x (224 / 96)^2 = 131 s
        (10_000, None, 600, 128),  # 427 s; at 160 it would be 667
        (100_000, None, 600, 96),  # too many for any size: the smallest
        (1000, 28, 600, 96),  # four times 28 would be 112
        (1000, 40, 600, 160),
        (100_000, 28, 600, 64),
        (100_000, 100, 600, 96),  # pictures of 100 pixels are not seen at 64
    ],
)
def test_the_largest_size_for_which_there_is_time(images, side, limit, expected):
    assert time_plan.image_size(0.002, 96, images, side, limit) == expected


def test_work_by_hand(net):
    """conv1 26 x 26 x 9 x 32, conv2 11 x 11 x 9 x 32 x 64, conv3 3 x 3 x 9 x 64 x 128, dense 1,152 x 128."""
    work = {"conv1": 26**2 * 9 * 32, "conv2": 11**2 * 9 * 32 * 64, "conv3": 9 * 9 * 64 * 128, "dense": 1152 * 128}
    shares = time_plan.work_from(net)
    assert list(shares) == list(work)
    for number, name in enumerate(work):
        rest = list(work.values())[number:]
        assert shares[name] == pytest.approx(sum(rest) / sum(work.values()))


def plan(net, limit, seconds=0.01, train=1000, folds=1):
    return time_plan.make(net, 28, seconds, train=train, validation=100, limit=limit, rates=2, folds=folds)


def test_more_time_means_more_trials_and_deeper_ones(net):
    plans = [plan(net, limit) for limit in (60, 300, 3600)]
    assert [len(each.depths) for each in plans] == sorted(len(each.depths) for each in plans)
    assert [each.explored for each in plans] == sorted(each.explored for each in plans)
    assert plans[-1].depths == ["dense", "conv3", "conv2", "conv1"]
    assert plans[-1].explored == 8
    assert plans[0].explored == 0


def test_what_is_planned_takes_no_longer_than_there_is(net):
    for limit in (120, 600, 3600):
        planned = plan(net, limit)
        shares = time_plan.work_from(net)
        deepest = 0.01 * shares[planned.depths[-1]] * (3 * 1000 + 100)
        assert planned.refined_epochs * deepest <= limit * 0.55 + deepest
        assert planned.refined_epochs >= 1


def test_folds_cost_as_many_times(net):
    assert plan(net, 600, folds=5).explored < plan(net, 600).explored


def test_a_forward_pass_is_timed(net):
    assert 0 < time_plan.seconds_per_image(net, batch=4, repeats=2) < 1
