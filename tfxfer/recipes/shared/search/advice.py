"""What to do next: three sentences that follow from the numbers of a search."""

from collections.abc import Mapping, Sequence
from typing import Any

QUESTIONS = "more pictures?", "which classes?", "which labels?"
WORTH = 0.005  # accuracy that makes more images worth the effort


def more_images(curve: Mapping[str, Any] | None) -> str:
    """Whether more pictures would help."""
    if not curve or not curve["twice"]:
        return "There are too few pictures to say what more of them would bring: more of every class come first."
    twice = curve["twice"]
    low, high = (100 * end for end in twice["gain_interval"])
    gain = f"{100 * twice['gain']:.1f} points ({low:.1f} to {high:.1f})"
    if twice["gain"] < WORTH and twice["gain_interval"][1] < 2 * WORTH:
        return f"More pictures of the same kind will hardly help: twice as many would bring about {gain} of accuracy."
    if twice["gain_interval"][0] > 0:
        return f"Collect more pictures: twice as many ({twice['images']:,}) would bring about {gain} of accuracy."
    return (
        f"More pictures may help: twice as many ({twice['images']:,}) would bring about {gain} of accuracy, but this "
        "is uncertain with so few validation images."
    )


def classes_to_look_at(rows: Sequence[Mapping[str, Any]], pairs: Sequence[Mapping[str, Any]]) -> str:
    """Which classes are confused most.

    Args:
        rows: from `metrics.per_class`.
        pairs: from `metrics.confused_pairs`.
    """
    tested = [row for row in rows if row["support"]]
    if not pairs:
        return "No class stands out: no test picture was taken for another class."
    worst, pair = min(tested, key=lambda row: row["recall"]), pairs[0]
    return (
        f"Look at {worst['class']}, of which {100 * worst['recall']:.0f}% are recognised, and at {pair['true']} taken "
        f"for {pair['predicted']} ({pair['images']:.0f} test pictures): add pictures of these, or ask whether the "
        "classes can be told apart at all."
    )


def labels_to_check(facts: Mapping[str, Any], suspicious: int, near_copies: int = 0) -> str:
    """Which labels and copies to check.

    Args:
        facts: the fact `dataset` of `run_artifacts.study`; empty if the data was not looked at.
        suspicious: how many pictures with suspicious labels are shown.
        near_copies: how many test pictures have a near-copy in training or validation.
    """
    if not facts:
        return "The data was not looked at (--skip look): run tfxfer study on it before trusting the labels."
    groups, leaks = facts.get("duplicate_groups", 0), facts.get("leaking_groups", 0)
    words = []
    if leaks:
        words.append(f"remove the {leaks:,} pictures that are in training and in the test, which flatter the accuracy")
    if near_copies:
        words.append(f"look at the {near_copies:,} test pictures that have a near-copy in training or validation")
    if groups and not leaks:
        words.append(f"decide about the {groups:,} groups of equal pictures")
    if suspicious:
        words.append(
            f"check the labels that the report calls suspicious ({suspicious} are shown), the first ones first"
        )
    if not words:
        return "No copies and no suspicious labels were found: the labels need no check before more pictures are added."
    return f"{', and '.join(words)}.".capitalize()
