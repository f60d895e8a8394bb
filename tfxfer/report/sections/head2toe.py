"""Section of a report on a probe of all stages (Head2Toe) beside one of the last layer."""

from tfxfer.report import page
from tfxfer.report.charts import Panel, Series
from tfxfer.report.sections.metric_tables import SPREAD, accuracy, metric
from tfxfer.runs import seed_statistics
from tfxfer.runs.loading import Loaded

_ENDING = "head2toe/gain"


def sections(run: Loaded) -> list[str]:
    """Accuracy of both probes, their difference, and which stages the kept features are of."""
    prefixes = [key.removesuffix("gain") for key in run.metrics if key == _ENDING or key.endswith(f"/{_ENDING}")]
    if not prefixes:
        return []
    rows = [(_title(run, prefix), *_row(run, prefix)) for prefix in prefixes]
    uncertainty = f"{SPREAD}." if seed_statistics.by_seed(run) else "95% intervals are in brackets."
    return [
        page.heading("What the stages before the last layer know"),
        page.table(("", "all stages", "last layer", "gain", "features kept", "of"), rows),
        page.note(
            "Test accuracy of two logistic regressions on frozen features, fitted to the same images: one to outputs "
            "of all stages, averaged over cells, of which a group lasso keeps a few (Head2Toe, Evci et al. 2022), the "
            "other to the embedding. Validation images choose how many features are kept, and both regularisations. "
            f"The gain is on the same test images. {uncertainty}"
        ),
        page.chart(
            run.dir / "figures",
            "head2toe",
            "Which stages are the kept features of? Share of all kept features, from the input on",
            [_kept(run, prefix) for prefix in prefixes],
        ),
    ]


def _title(run: Loaded, prefix: str) -> str:
    return prefix.removesuffix("head2toe/").rstrip("/") or run.facts["arguments"].get("backbone", "")


def _row(run: Loaded, prefix: str) -> tuple[str, ...]:
    counts = (f"{run.metrics[prefix + name]:,.0f}" for name in ("features", "candidates"))
    return (
        accuracy(run, f"{prefix}accuracy"),
        accuracy(run, f"{prefix}last_layer_accuracy"),
        _gain(run, prefix),
        *counts,
    )


def _gain(run: Loaded, prefix: str) -> str:
    """The difference with its standard deviation over seeds or, of one seed, with its 95% interval."""
    gain = metric(run, f"{prefix}gain", "{:+.4f}")
    ends = [run.metrics.get(f"{prefix}gain_{end}") for end in ("low", "high")]
    return gain if None in ends else f"{gain} ({ends[0]:+.4f} to {ends[1]:+.4f})"


def _kept(run: Loaded, prefix: str) -> Panel:
    start = f"{prefix}kept/"
    shares = {
        key.removeprefix(start): value
        for key, value in run.metrics.items()
        if key.startswith(start) and not key.endswith("_std")
    }
    return Panel(_title(run, prefix), [Series("", list(shares), list(shares.values()), "bars")], "stage", "share kept")
