"""Which of two runs is better, as far as the test images that both were tested on can say."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from tfxfer.analysis import paired
from tfxfer.report import same_images
from tfxfer.runs import tested_scores
from tfxfer.runs.loading import Loaded

HEAD = ("runs", "images", "first", "second", "only first", "only second", "difference", "95% interval", "p", "Holm")
LEVEL = 0.05  # of the adjusted p from which on a difference counts
_FORMAT = (
    "{images}|{first_accuracy:.4f}|{second_accuracy:.4f}|{only_first:,}|{only_second:,}|{difference:+.4f}|"
    "{low:+.4f} to {high:+.4f}|{p:.2g}|{holm:.2g}"
)
_SENTENCE = "{better} against {worse} on the same {images} test images, {difference} (95% interval {ends}; p = {p}{of})"

Results = dict[tuple[str, str], dict[str, float]]


def results(runs: Mapping[str, Loaded]) -> Results:
    """`paired.difference` of each pair of runs that were tested on the same images, with "holm", p adjusted for the
    number of pairs."""
    found: Results = {}
    for (name, first), (other, second) in itertools.combinations(runs.items(), 2):
        if (both := _shared(first, second)) is not None:
            found[name, other] = paired.difference(*both)
    adjusted = paired.holm([result["p"] for result in found.values()])
    return {pair: result | {"holm": p} for (pair, result), p in zip(found.items(), adjusted)}


def rows(results: Results) -> list[tuple[str, ...]]:
    """A row for each pair, in the columns of `HEAD`."""
    return [
        (", ".join(pair), *_FORMAT.format(**result, images=count(result["n"], result["clusters"])).split("|"))
        for pair, result in results.items()
    ]


def sentences(names: Sequence[str], results: Results) -> list[str]:
    """For each pair of runs, which is better, that the test cannot tell, or that they cannot be compared.

    Args:
        names: of the runs, in their order.
        results: of `results`.
    """
    return [
        _sentence(*pair, results[pair], len(results))
        if pair in results
        else f"Runs {pair[0]} and {pair[1]} were not tested on the same images: their accuracies are not compared."
        for pair in itertools.combinations(names, 2)
    ]


def _sentence(first: str, second: str, result: Mapping[str, float], pairs: int) -> str:
    sign = 1 if result["difference"] >= 0 else -1
    better, worse = (result["second_accuracy"], result["first_accuracy"])[::sign]
    low, high = sorted((sign * result["low"], sign * result["high"]))
    said = _SENTENCE.format(
        better=f"{better:.4f}",
        worse=f"{worse:.4f}",
        images=count(result["n"], result["clusters"]),
        difference=f"{sign * result['difference']:+.4f}",
        ends=f"{low:+.4f} to {high:+.4f}",
        p=f"{result['holm']:.2g}",
        of=f", adjusted for {pairs} pairs" if pairs > 1 else "",
    )
    if result["holm"] < LEVEL:
        ahead, behind = (second, first)[::sign]
        return f"Run {ahead} is better than run {behind}: {said}."
    return f"Whether run {first} or run {second} is better, this test cannot tell: {said}."


def count(images: float, bases: float) -> str:
    """A number of images, and of those that they were made from where these are fewer."""
    return f"{images:,}" if images == bases else f"{images:,} of {bases:,}"


def _shared(first: Loaded, second: Loaded) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Results on the test images that both runs have; None if there are none, or if the data are not the same.

    Returns:
        Whether each run is right, bool (n,) both, and ids of the images that these were made from, int64 (n,).
    """
    if (both := same_images.rows(first, second, "test")) is None:
        return None
    (a, b), bank, other = both, first.banks["test"], second.banks["test"]
    right, other_right = (tested_scores.predicted(each) == each.labels for each in (bank, other))
    return right[a], other_right[b], bank.bases[a]
