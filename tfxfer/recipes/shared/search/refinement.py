"""The best setting trained for longer on all images, varied while time is left, and averaged where that helps."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tfxfer import model, train
from tfxfer.features.activation_cache import Activations
from tfxfer.recipes.shared.search import exploration, scores
from tfxfer.recipes.shared.search.settings import Setting
from tfxfer.recipes.shared.search.trials import Trials, part

FEW_EPOCHS, MOST_EPOCHS = 8, 20  # of a refinement: with less time there is only one, with more there are several
MOST = 4  # refinements
STATISTICS = 2000  # training images from which batch norm's statistics between two networks are computed
MIRRORED = 0.01  # accuracy that mirroring may cost before it is left out


def variants(best: Sequence[Setting], mirror: bool) -> list[Setting]:
    """Settings to refine, in order: the best with augmentation, without, with other regularisation, the second best.

    Args:
        best: explored settings, the best first.
        mirror: whether mirror images belong to the same classes.
    """
    augmented = replace(best[0], augment="flips" if mirror else "small")
    others = [replace(other, augment=augmented.augment) for other in best if other.depth != best[0].depth]
    found = [augmented, replace(best[0], mixup=0.2), replace(augmented, l2_sp=0.1, mixup=0.2), *others[:1]]
    return list(dict.fromkeys(found))


def refine(
    trials: Trials,
    settings: Sequence[Setting],
    limit: float,
    activations: Callable[[str], Activations | None],
    say: Callable[[str], None],
    *,
    each_epoch: float,
    views: float,
) -> list[dict[str, Any]]:
    """Trains settings on all images, from the fitted head (LP-FT: Kumar et al. 2022, arXiv:2202.10054), with averaged
    weights, for as many epochs as fit.

    Args:
        trials: runs them.
        settings: what to train, in order.
        limit: seconds for all of them.
        activations: those of a backbone.
        say: prints a line.
        each_epoch: seconds of an epoch of the first one.
        views: seconds that augmentation takes before the first epoch.

    Returns:
        Outcomes, the best first, each with the name of its step.
    """
    began = trials.journal.spent
    fit = int((limit - views) / max(each_epoch, 1e-3))
    if plain := fit < FEW_EPOCHS:  # too few for augmentation to pay
        fit = max(1, int(limit / max(each_epoch, 1e-3)))
    epochs = fit if fit < 2 * FEW_EPOCHS else min(MOST_EPOCHS, max(FEW_EPOCHS, fit // 2))
    outcomes: list[dict[str, Any]] = []
    for number, setting in enumerate(settings[:MOST]):
        if outcomes:
            left = limit - (trials.journal.spent - began)
            if left < 0.9 * outcomes[-1]["seconds"] or max(row["val_accuracy"] for row in outcomes) == 1:
                break
        if not outcomes and plain:
            setting = replace(setting, augment="none")
        name = f"refined{number}"
        given = activations(setting.backbone)
        outcome = trials.run(name, setting, epochs, activations=given, average=True)
        say(exploration.line(setting, outcome))
        outcomes.append(outcome | {"name": name})
    return sorted(outcomes, key=lambda outcome: scores.merit(outcome, trials.goal), reverse=True)


def interpolate(
    trials: Trials, outcome: dict[str, Any], activations: Activations | None, options: dict[str, Any]
) -> dict[str, Any]:
    """WiSE-FT between the fitted head on the pretrained network and the refined one, the weight by validation.

    With folds, the weight that is best in the mean over them is given to the first fold's network.

    Returns:
        The curve, a row for each weight, and the figures at the chosen one.
    """
    setting, name = Setting(**outcome["setting"]), outcome["name"]

    def ends(fold: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        trials.start(setting.backbone, fold)
        return model.values(trials.candidates[setting.backbone].net), trials.values(name, fold)

    def make() -> dict[str, Any]:
        net, curves = trials.candidates[setting.backbone].net, []
        metric = scores.GOALS[trials.goal]
        for fold in trials.folds:
            splits, given = part(fold, STATISTICS, activations)
            before, after = ends(fold.number)
            model.unfreeze_last(net, setting.depth, train_batch_norm=True)
            cache = "auto" if given is None else given
            curves.append(train.interpolation_curve(net, splits, before, after, metric=metric, cache=cache, **options))
        if len(curves) == 1:  # the network has the best weights already
            rows, best = curves[0].rows, curves[0].best
        else:
            sizes = np.array([fold.splits.size("validation") for fold in trials.folds])
            rows = [
                {name: float(np.average([row[name] for row in same], weights=sizes)) for name in same[0]}
                for same in zip(*(curve.rows for curve in curves))
            ]
            best = max(rows, key=lambda row: scores.merit(row, trials.goal))
            train.interpolate(net, *ends(0), best["weight"], trials.folds[0].splits, **options)
        trials.journal.keep("interpolated", model.values(net))
        return {"curve": rows} | best

    return trials.journal.step("interpolated", make, "train")


def mix(trials: Trials, outcomes: Sequence[dict[str, Any]], options: dict[str, Any]) -> dict[str, Any]:
    """A greedy soup of the refined networks of the best one's backbone (Wortsman et al. 2022, arXiv:2203.05482)."""
    first = Setting(**outcomes[0]["setting"])
    same = [outcome for outcome in outcomes if outcome["setting"]["backbone"] == first.backbone]

    def make() -> dict[str, Any]:
        net = trials.candidates[first.backbone].net
        splits = trials.folds[0].splits
        metric, lists = scores.GOALS[trials.goal], [trials.values(outcome["name"]) for outcome in same]
        model.unfreeze_last(net, first.depth, train_batch_norm=True)
        soup = train.soup(net, lists, splits, method="greedy", metric=metric, **options)
        trials.journal.keep("soup", model.values(net))
        return {"kept": [same[number]["name"] for number in soup.kept]} | soup.figures

    return trials.journal.step("soup", make, "train")
