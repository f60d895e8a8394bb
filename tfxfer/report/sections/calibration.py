"""Section of a report on a calibrated network: what its probabilities say before and after, and when it abstains."""

from typing import Any

import numpy as np
from scipy import special

from tfxfer.analysis import calibration, intervals
from tfxfer.features.bank import Bank
from tfxfer.report import page
from tfxfer.report.sections import models
from tfxfer.runs.loading import Loaded


def sections(run: Loaded) -> list[str]:
    """Reliability on the test images before and after temperature scaling, and how many of them are answered.

    It needs the fact `calibration`, as `Run.save_model` records it, and the bank "test" of the calibrated network.
    """
    facts, bank = run.facts.get("calibration"), run.banks.get("test")
    if not facts or bank is None:
        return []
    logits = _logits(bank)
    figures = calibration.measure(logits, bank.labels, facts, bank.bases)
    divisor = facts["temperature"]
    panels = [
        models.reliability(name, special.softmax(values, 1), bank.labels)
        for name, values in (("before", logits * divisor), ("after", logits))
    ]
    title = "Does confidence match accuracy? Below the line the network is overconfident; area is the number of images"
    return [
        page.heading("Calibration"),
        page.note(_temperature(facts, figures, len(bank))),
        page.chart(run.dir / "figures", "calibration", title, panels),
        page.note(_abstention(facts, figures, len(bank))),
    ]


def _logits(bank: Bank) -> np.ndarray:
    """Logits, or of a bank with probabilities their logarithms, which have the same softmax; float64 (n, classes)."""
    if "logits" in bank.values:
        return np.asarray(bank["logits"], np.float64)
    return np.log(np.maximum(np.asarray(bank["probabilities"], np.float64), 1e-30))


def _temperature(facts: dict[str, Any], figures: dict[str, float], n: int) -> str:
    """What was fitted, and what it does to the calibration error, in words."""
    divisor = facts["temperature"]
    was = "not sure enough" if divisor < 1 else "too sure"
    fitted = (
        f", fitted to {facts['images']:,} images that the network was not trained on" if facts.get("images") else ""
    )
    return (
        f"The logits are divided by the temperature {divisor:.3f}{fitted}: without it the network is {was}. The "
        f"predicted classes are the same. The expected calibration error on the {n:,} test images, the mean difference "
        f"between confidence and accuracy over 15 bins, is {figures['ece_uncalibrated']:.4f} before and "
        f"{figures['ece']:.4f} after."
    )


def _abstention(facts: dict[str, Any], figures: dict[str, float], n: int) -> str:
    """How many of the test images are answered, and how well, in words."""
    least, wanted = facts["threshold"], facts.get("precision")
    if least is None and wanted is None:
        return "No precision was asked for: the network never abstains."
    if least is None:
        return (
            f"No threshold could be shown to give the precision {wanted:g} on the images for calibration: the network "
            "never abstains. More images, or a lower precision, are needed."
        )
    text = (
        f"The network abstains where its highest probability is below {least:.4f}"
        + (f", chosen for a precision of {wanted:g} with 95% confidence" if wanted is not None else "")
        + f". It answers {figures['answered']:.1%} of the {n:,} test images"
    )
    if "answered_accuracy" not in figures:
        return f"{text}."
    ends = figures["answered_accuracy_low"], figures["answered_accuracy_high"]
    return f"{text}; the share of right answers is {intervals.text(figures['answered_accuracy'], ends)}."
