"""Section of a report on the line between the weights before and after tuning (WiSE-FT)."""

from collections.abc import Callable, Mapping

from tfxfer.report import page
from tfxfer.report.charts import Panel, Series
from tfxfer.report.sections.metric_tables import figure, metric
from tfxfer.runs import seed_statistics
from tfxfer.runs.loading import Loaded

_STATES = {"before": "before tuning", "interpolated": "chosen", "after": "tuned"}
_SIDES = ("clean", "corrupted")


def sections(run: Loaded) -> list[str]:
    """Clean against corrupted accuracy along the line, and the chosen point beside the two ends."""
    if "interpolated/weight" not in run.metrics:
        return []
    keys = [key.split("/") for key in run.metrics]
    weights = [key[1] for key in keys if (key[0], key[-1]) == ("interpolation", "clean_accuracy")]
    title = "What tuning gains on corrupted images, and costs on clean ones: up and to the right is better"
    head = ("network", "weight of the tuned weights", "clean", "corrupted", "corrupted kept", "clean won back")
    return [
        page.heading("Between the weights before and after tuning"),
        page.table(head, [_row(run, state, title) for state, title in _STATES.items()]),
        page.note(_remark(run)),
        page.chart(run.dir / "figures", "interpolation", title, [_trade(run, weights), _by_weight(run, weights)]),
    ]


def _row(run: Loaded, state: str, title: str) -> tuple[str, ...]:
    weight = {"before": "0", "after": "1"}.get(state) or metric(run, "interpolated/weight", "{:.1f}")
    accuracies = [metric(run, f"{state}/{side}_accuracy") for side in _SIDES]
    return (title, weight, *accuracies, figure(run, _kept(state)), figure(run, _won_back(state)))


def _kept(state: str) -> Callable[[Mapping[str, float]], float]:
    return lambda metrics: _ratio(metrics[f"{state}/corrupted_accuracy"], metrics["after/corrupted_accuracy"])


def _won_back(state: str) -> Callable[[Mapping[str, float]], float]:
    def share(metrics: Mapping[str, float]) -> float:
        before, now, after = (metrics[f"{when}/clean_accuracy"] for when in ("before", state, "after"))
        return _ratio(now - after, max(before - after, 0))

    return share


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _remark(run: Loaded) -> str:
    about = run.facts["interpolation"]
    share = about["clean_share"]
    chosen_by = {0: "corrupted accuracy", 1: "clean accuracy"}.get(
        share, f"{share:g} times clean accuracy plus {1 - share:g} times corrupted accuracy"
    )
    several = " Of several seeds, the curves are means." if seed_statistics.by_seed(run) else ""
    return (
        "WiSE-FT (Wortsman et al. 2022): (1 - weight) times the weights before tuning plus weight times those after, "
        f"without further training. The weight has the highest {chosen_by} on validation images. Test images have no "
        "part in the choice; they are shown for the curve alone. Corrupted kept: corrupted accuracy over that of the "
        "tuned network. Clean won back: share of the clean accuracy that tuning cost. The table is of all test images, "
        f"the curves are of at most {about['images']:,} images of each kind.{several} {about['file']} in the run's "
        "folder is the network at the chosen weight."
    )


def _curve(run: Loaded, weights: list[str], name: str) -> list[float]:
    return [run.metrics[f"interpolation/{weight}/{name}_accuracy"] for weight in weights]


def _trade(run: Loaded, weights: list[str]) -> Panel:
    """Corrupted against clean accuracy on test images, with the weights beside the points; the chosen one is marked."""
    clean, corrupted = (_curve(run, weights, side) for side in _SIDES)
    chosen = [run.metrics[f"interpolated/{side}_accuracy"] for side in _SIDES]
    series = [
        Series("", clean, corrupted, text=weights),
        Series("chosen by validation", chosen[:1], chosen[1:], "markers", 3, size=[1.0]),
    ]
    return Panel("test images", series, "clean accuracy", "corrupted accuracy")


def _by_weight(run: Loaded, weights: list[str]) -> Panel:
    """All four accuracies by weight; validation is what the weight is chosen by."""
    x = [float(weight) for weight in weights]
    series = [
        Series(f"{side}, {split}", x, _curve(run, weights, f"{prefix}{side}"), kind, color)
        for color, side in enumerate(_SIDES)
        for split, prefix, kind in (("test", "", "line+markers"), ("validation", "val_", "dotted"))
    ]
    marks = {run.metrics["interpolated/weight"]: "chosen by validation"}
    return Panel("by weight", series, "weight of the tuned weights", "accuracy", marks=marks)
