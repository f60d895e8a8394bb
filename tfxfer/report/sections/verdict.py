"""The verdict: how good the network is, what fine-tuning has brought, its worst class, and how far to trust that."""

import html

import numpy as np

from tfxfer.analysis import intervals, metrics
from tfxfer.report import page
from tfxfer.report.sections import baselines
from tfxfer.report.sections.baselines import Baseline
from tfxfer.runs import class_results, corruption_facts, tested_scores
from tfxfer.runs.loading import Loaded

_WIDE = 0.03  # an interval that reaches further to either side makes a test too small to say
_NOT_TUNED = (
    "<strong>Fine-tuning did not help</strong>: on the validation images nothing that was tried did better than a "
    "linear head on the pretrained network as it is, which was therefore chosen."
)
_FEW = 20  # images of a class from which its recall says something


def sections(run: Loaded) -> list[str]:
    """Accuracy beside what it is measured against, in a few sentences; empty where no network was tested."""
    bank = run.banks.get("test")
    if bank is None or not len(bank) or tested_scores.outputs(bank) is None:
        return []
    known, majority = baselines.measured(run), baselines.majority(run)
    tuned = run.facts.get("search", {}).get("trained", True)
    gains = [_gain(run, baseline) for baseline in known if tuned or baseline.change != baselines.TUNING]
    said = [*([] if tuned else [_NOT_TUNED]), *gains, _worst(run)]
    return [
        page.heading("Verdict"),
        _lead(run),
        _table(run, [*known, majority]),
        *(f"<p>{sentence}</p>" for sentence in said if sentence),
        *(f'<p class="warn">{html.escape(warning)}</p>' for warning in _warnings(run, majority)),
    ]


def _lead(run: Loaded) -> str:
    bank = run.banks["test"]
    share, (low, high) = metrics.accuracy(bank.labels, tested_scores.predicted(bank)), tested_scores.interval(bank)
    deviation = run.metrics.get("test/accuracy_std")
    seeds = f" Over seeds, the standard deviation is {100 * deviation:.1f} points." if deviation is not None else ""
    best = run.facts.get("best")
    who = f"by {html.escape(str(best))} " if best else ""
    images = html.escape(corruption_facts.tested(run.facts))
    return (
        f'<p class="lead"><strong>{100 * share:.1f}%</strong> of {len(bank):,} {images} are classified correctly {who}'
        f"(95% interval {100 * low:.1f}% to {100 * high:.1f}%).{seeds}</p>"
    )


def _table(run: Loaded, known: list[Baseline]) -> str:
    bank = run.banks["test"]
    share = metrics.accuracy(bank.labels, tested_scores.predicted(bank))
    rows = [("this network", share, tested_scores.interval(bank))]
    rows += [(baseline.name, baseline.accuracy, baseline.interval) for baseline in known]
    body = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th><td>{value:.4f}</td><td>{low:.4f} to {high:.4f}</td>'
        f"<td>{_bar(value, low, high)}</td></tr>"
        for name, value, (low, high) in rows
    )
    head = "".join(f'<th scope="col">{text}</th>' for text in ("test", "accuracy", "95% interval", "from 0 to 1"))
    return f'<div class="table verdict"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _bar(value: float, low: float, high: float) -> str:
    """A value and its interval on a line from 0 to 1."""
    return (
        f'<div class="bar" aria-hidden="true"><i style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></i>'
        f'<u style="left:{100 * value:.1f}%"></u></div>'
    )


def _gain(run: Loaded, baseline: Baseline) -> str:
    """Whether something has helped, and by how much."""
    difference, low, high = baselines.gain(run, baseline)
    change = html.escape(baseline.change[0].upper() + baseline.change[1:])
    ends = f"95% interval {100 * low:+.1f} to {100 * high:+.1f}, against: {html.escape(baseline.name)}"
    points = f"{100 * abs(difference):.1f} points"
    if low > 0:
        return f"<strong>{change} helped by {points}</strong> ({ends})."
    if high < 0:
        return f"<strong>{change} did not help: it cost {points}</strong> ({ends})."
    return (
        f"<strong>{change} did not help, as far as this test can tell</strong>: the difference is "
        f"{100 * difference:+.1f} points ({ends})."
    )


def _worst(run: Loaded) -> str:
    """The class with the lowest recall, and what it is taken for."""
    bank, classes = run.banks["test"], run.facts["classes"]
    predicted = tested_scores.predicted(bank)
    worst = class_results.worst(bank.labels, predicted, len(classes))
    if worst is None:
        return "No image is classified wrongly."
    recall = worst.right / worst.tested
    low, high = intervals.wilson(recall, worst.tested)
    name, taken = (html.escape(classes[label]) for label in (worst.label, worst.taken_for))
    return (
        f"Worst class: <strong>{name}</strong>, {worst.right:,} of {worst.tested:,} recognised "
        f"({100 * recall:.0f}%, 95% interval {100 * low:.0f}% to {100 * high:.0f}%), most often taken for {taken}."
    )


def _warnings(run: Loaded, majority: Baseline) -> list[str]:
    """Why the figures above may say less than they seem to."""
    bank, classes, warnings = run.banks["test"], run.facts["classes"], []
    low, high = tested_scores.interval(bank)
    share = metrics.accuracy(bank.labels, tested_scores.predicted(bank))
    if low <= majority.accuracy:
        warnings.append(
            f"This is not clearly better than {majority.name}, which is right for {100 * majority.accuracy:.1f}%."
        )
    bases = len(np.unique(bank.bases))
    if (reach := (high - low) / 2) > _WIDE:
        needed = max(share * (1 - share), 0.05) * (1.96 / 0.02) ** 2
        warnings.append(
            f"The test is small: on {bases:,} images an accuracy is known to {100 * reach:.0f} points either way. "
            f"Smaller differences say nothing; about {round(needed, -2):,.0f} test images would bring it to 2 points."
        )
    counts = np.bincount(bank.labels, minlength=len(classes))
    if few := int(((counts > 0) & (counts < _FEW)).sum()):
        which = "Each class has" if few == len(classes) else f"{few} of {len(classes)} classes have"
        warnings.append(f"{which} fewer than {_FEW} test images: the figures of single classes are rough.")
    return warnings
