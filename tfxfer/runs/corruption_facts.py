"""What a run's facts say of its corrupted images."""

import re
from typing import Any


def remark(facts: dict[str, Any]) -> str:
    """How the corrupted images differ from the benchmark's, which is a matter of frost above all.

    Args:
        facts: of a run on corrupted images; those of version 0.1 did not record it.
    """
    if "corruptions" in facts:
        return facts["corruptions"]["remark"]
    if facts["arguments"]["dataset"] == "cifar10_corrupted":
        return "CIFAR-10-C's own files"
    return "made by an earlier version, whose frost was darker than the benchmark's and whose spatter was stronger"


def public_remark(facts: dict[str, Any]) -> str:
    """`remark`, in which photographs of ice go by their sha256 in place of their folder on this machine."""
    photographs = facts.get("corruptions", {}).get("photographs")
    if not photographs:
        return remark(facts)
    return re.sub(r" in .*(?=, which are not)", f" with sha256 {photographs['sha256']}", remark(facts))


def tested(facts: dict[str, Any]) -> str:
    """Which images a run's test accuracy was measured on: test images, or test images under a corruption."""
    if "corrupted" not in facts:
        return "test images"
    arguments = facts["arguments"]
    return f"test images under {arguments['corruption']} of severity {arguments['severities']}"
