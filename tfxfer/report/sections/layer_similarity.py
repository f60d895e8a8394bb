"""Section on how alike layers are: CKA between stages of a network, before and after tuning, and of two runs."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfxfer.analysis import layer_similarity
from tfxfer.analysis.kernel_alignment import LEAST
from tfxfer.features.bank import Bank
from tfxfer.report import page, same_images
from tfxfer.report.charts import Heat
from tfxfer.runs.loading import Loaded

_HEADING = "How alike layers are"
_NOTE = (
    "Linear CKA (Kornblith et al. 2019), estimated without bias (Song et al. 2012), of the outputs of stages, their "
    "maps averaged over places: 1 if one is the other rotated and scaled, about 0 if they have nothing in common. "
    "Empty: not defined, as for outputs that are the same for all images."
)


_LOOK = (
    "Look at the diagonal of the first map: where it is below 1, tuning has changed what a stage sees. Blocks of high "
    "values in the others are stages that add little to each other."
)


def sections(run: Loaded) -> list[str]:
    """Stages before tuning against stages after it, and each of the two against themselves."""
    bank = run.banks.get("stages")
    if bank is None or len(bank) < LEAST:
        return []
    known = {when: part for when in ("before", "after") if (part := _stages(bank, when))}
    pairs = [pair for pair in (("before", "after"), ("before", "before"), ("after", "after")) if {*pair} <= {*known}]
    heats = [_heat(" and ".join(dict.fromkeys(pair)), [known[when] for when in pair], pair) for pair in pairs]
    return [
        page.heading(_HEADING, f"{_NOTE} {_LOOK}"),
        page.chart(
            run.dir / "figures", "layer_similarity", "CKA between stages, from the input on", heats, _says(heats[0])
        ),
        page.note(f"Measured on {len(bank):,} test images."),
    ]


def _says(heat: Heat) -> str:
    """Which stage tuning has changed least and most, from the diagonal of the map before against after."""
    alike = {name: heat.values[i, heat.columns.index(name)] for i, name in enumerate(heat.rows) if name in heat.columns}
    alike = {name: value for name, value in alike.items() if not np.isnan(value)}
    if "and" not in heat.title or not alike:
        return ""
    least, most = min(alike, key=lambda name: alike[name]), max(alike, key=lambda name: alike[name])
    return (
        f"Tuning changed {least} most (CKA {alike[least]:.2f} between before and after), and {most} least "
        f"({alike[most]:.2f})."
    )


def of_runs(runs: Mapping[str, Loaded], folder: Path) -> list[str]:
    """Stages of each run after tuning against those of each other run, on the test images that both kept outputs of.

    Args:
        runs: by the name that the page calls them.
        folder: where the charts are written as PNG files.
    """
    parts = []
    for names in itertools.combinations(runs, 2):
        pair = [runs[name] for name in names]
        rows = same_images.rows(pair[0], pair[1], "stages")
        if rows is None or len(rows[0]) < LEAST:
            continue
        sides = [_stages(run.banks["stages"], "after", chosen) for run, chosen in zip(pair, rows, strict=True)]
        if not all(sides):
            continue
        title = f"runs {' and '.join(names)}, {len(rows[0]):,} test images"
        heat = _heat(title, sides, [f"run {name}" for name in names])
        chart = page.chart(folder, f"layer_similarity_{'_'.join(names)}", "CKA between stages after tuning", [heat])
        parts.append(chart)
    return [page.heading(_HEADING), *parts, page.note(_NOTE)] if parts else []


def _stages(bank: Bank, when: str, rows: np.ndarray | slice = slice(None)) -> dict[str, np.ndarray]:
    """Features (n, d) by stage, from the bank "stages" of a run."""
    names = [name for name in bank.values if name.startswith(f"{when}/")]
    return {name.removeprefix(f"{when}/"): np.asarray(bank[name])[rows] for name in names}


def _heat(title: str, sides: list[dict[str, np.ndarray]], owners: Sequence[str]) -> Heat:
    """A map of CKA between the layers of two sides, rows and columns: features (n, d) of the same images."""
    values = layer_similarity.collect([(sides[0], sides[1])], exact=False).minibatch_cka()
    rows, columns = (list(side) for side in sides)
    text = np.where(np.isnan(values), "", np.char.mod("%.2f", values))
    return Heat(
        title, values, rows=rows, columns=columns, text=text, low=0, high=1, scale="viridis", x=owners[1], y=owners[0]
    )
