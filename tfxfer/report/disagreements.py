"""Test images that several runs classify differently: which they are, and what each run says of them."""

import csv
import functools
import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfxfer.report import page, same_images
from tfxfer.report.sections import examples
from tfxfer.runs.loading import Loaded

SHOWN = 24  # on the page
LISTED = 10  # as text
_NOTE = (
    "Test images for which not all of these runs give the same class, those first on whose class they agree least "
    "(the difference between the probabilities of the right class). In brackets: the probability of the given class."
)


@dataclass(frozen=True)
class Disagreements:
    """The images on which runs disagree.

    Attributes:
        runs: those that were tested on the same images, by name.
        ids, labels: int64 (n,).
        predicted: int64 (runs, n).
        sure: float64 (runs, n), the probability of the predicted class.
        tested: on how many images the runs were compared.
    """

    runs: dict[str, Loaded]
    ids: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    sure: np.ndarray
    tested: int

    @property
    def classes(self) -> list[str]:
        return next(iter(self.runs.values())).facts["classes"]

    @property
    def title(self) -> str:
        return f"Images on which runs {', '.join(self.runs)} disagree: {len(self.ids):,} of {self.tested:,}"

    def table(self, most: int = LISTED) -> list[tuple[str, ...]]:
        """A head, and a row for each of the first images: id, class, and what each run says."""
        head = ("id", "class", *(f"run {name}" for name in self.runs))
        return [head, *(self.row(number) for number in range(min(most, len(self.ids))))]

    def row(self, number: int) -> tuple[str, ...]:
        classes = self.classes
        said = (f"{classes[c]} ({p:.2f})" for c, p in zip(self.predicted[:, number], self.sure[:, number]))
        return (str(self.ids[number]), classes[self.labels[number]], *said)


def find(runs: Mapping[str, Loaded]) -> Disagreements | None:
    """The images on which runs disagree, of those that the first run and all others like it were tested on.

    Returns:
        None if no other run was tested on the same images as the first.
    """
    (name, first), *others = runs.items()
    alike = {other: run for other, run in others if same_images.rows(first, run, "test") is not None}
    group = {name: first} | alike
    banks = [run.banks["test"] for run in group.values() if "test" in run.banks]
    ids = functools.reduce(np.intersect1d, [bank.ids for bank in banks]) if alike else np.zeros(0, np.int64)
    if not len(ids):
        return None
    rows = [np.intersect1d(bank.ids, ids, return_indices=True)[1] for bank in banks]
    shares = np.stack([examples.probabilities(bank)[chosen] for bank, chosen in zip(banks, rows)])
    labels, predicted = banks[0].labels[rows[0]], shares.argmax(2)
    of_label = shares[:, np.arange(len(ids)), labels]
    (differing,) = np.nonzero((predicted != predicted[0]).any(0))
    order = differing[np.argsort(-np.ptp(of_label[:, differing], axis=0), kind="stable")]
    return Disagreements(group, ids[order], labels[order], predicted[:, order], shares.max(2)[:, order], len(ids))


def sections(found: Disagreements, folder: Path) -> list[str]:
    """The first images, with their pictures where a run kept them; all go into disagreements.csv of a folder."""
    head, *rows = found.table(len(found.ids))
    with (folder / "disagreements.csv").open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        csv.writer(file).writerows([head, *rows])
    more = f" Of {len(rows):,}, the first {SHOWN} are shown." if len(rows) > SHOWN else ""
    note = page.note(f"{_NOTE}{more} All of them stand in disagreements.csv.")
    pictures = _pictures(found)
    body = ""
    for number, row in zip(found.ids[:SHOWN].tolist(), rows):
        shown = f'<img class="image" alt="" src="{page.picture(pictures[number])}">' if number in pictures else ""
        body += "<tr>" + "".join(f"<td>{cell}</td>" for cell in (shown, *map(html.escape, row))) + "</tr>"
    names = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ("", *head))
    table = f'<div class="table"><table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>'
    return [page.heading(found.title), *([table] if rows else []), note]


def _pictures(found: Disagreements) -> dict[int, np.ndarray]:
    """Those of the first images that a run kept as pictures, by id."""
    pictures: dict[int, np.ndarray] = {}
    for run in found.runs.values():
        if (bank := run.banks.get("pictures")) is not None:
            _, _, rows = np.intersect1d(found.ids[:SHOWN], bank.ids, return_indices=True)
            pictures |= {int(bank.ids[row]): np.asarray(bank["image"][row]) for row in rows}
    return pictures
