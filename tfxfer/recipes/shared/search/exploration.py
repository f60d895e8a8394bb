"""Successive halving: many settings on few images, the better ones on more."""

from collections.abc import Callable, Sequence
from typing import Any

from tfxfer.core.count_progress import track
from tfxfer.features.activation_cache import Activations
from tfxfer.recipes.shared.search import scores, time_plan
from tfxfer.recipes.shared.search.settings import Setting
from tfxfer.recipes.shared.search.time_plan import Plan
from tfxfer.recipes.shared.search.trials import Trials

RATES = (1e-3, 3e-4)
KEEP = 3  # one of so many goes on to the next round
GROWTH = 2  # times the images in the next round


def grid(backbones: Sequence[str], depths: Sequence[int | str]) -> list[Setting]:
    """Settings to try, the likeliest first: depths from the middle outwards, the higher rate before the lower."""
    middle = (len(depths) - 1) / 2
    order = sorted(depths, key=lambda depth: abs(depths.index(depth) - middle))
    return [Setting(name, depth, rate) for rate in RATES for name in backbones for depth in order]


def explore(
    trials: Trials,
    settings: Sequence[Setting],
    plan: Plan,
    limit: float,
    activations: Callable[[str], Activations | None],
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Tries settings in rounds (successive halving: Jamieson and Talwalkar 2016, arXiv:1502.07943).

    The first round trains every setting on the plan's images for `time_plan.EPOCHS` epochs; the best third trains again
    from the start, on twice as many images; and so on until one is left, all images are used, or the time is.

    Args:
        trials: runs them.
        settings: for the first round, the likeliest first; those for which there is no time are left out.
        plan: of the search.
        limit: seconds for all rounds.
        activations: those of a backbone.
        say: prints a line.

    Returns:
        The outcomes of all trials, the best one of the last round first.
    """
    began, images, left = trials.journal.spent, plan.images, list(settings)
    best: list[dict[str, Any]] = []
    number = 0
    while left:
        round_outcomes: list[dict[str, Any]] = []
        for place, setting in enumerate(track(left, f"round {number + 1}", len(left), "trials")):
            if round_outcomes and trials.journal.spent - began + _longest(round_outcomes) > limit:
                break
            name = f"round{number}-{place}"
            outcome = trials.run(
                name,
                setting,
                time_plan.EPOCHS,
                images=images,
                activations=activations(setting.backbone),
            )
            say(line(setting, outcome))
            round_outcomes.append(outcome | {"name": name})
        ranked = sorted(round_outcomes, key=lambda outcome: scores.merit(outcome, trials.goal), reverse=True)
        best = ranked + best
        enough = len(ranked) == 1 or images >= trials.folds[0].splits.size("train")
        going_on = -(-len(ranked) // KEEP)
        next_cost = GROWTH * sum(outcome["seconds"] for outcome in ranked[:going_on])
        if enough or trials.journal.spent - began + next_cost > limit:
            break
        left = [Setting(**outcome["setting"]) for outcome in ranked[:going_on]]
        images, number = images * GROWTH, number + 1
    return best


def _longest(outcomes: Sequence[dict[str, Any]]) -> float:
    return max(outcome["seconds"] for outcome in outcomes)


def line(setting: Setting, outcome: dict[str, Any]) -> str:
    """What is said of a trial when it ends."""
    size = f"{outcome['epochs']} epochs of {outcome['images']:,} images"
    return f"  {outcome['val_accuracy']:.4f} validation accuracy: {setting.text}, {size} ({outcome['seconds']:.0f} s)"
