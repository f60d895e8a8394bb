"""What a step of a run leaves."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfxfer.features import Bank


@dataclass(frozen=True)
class Artifacts:
    """Feature banks, metrics and facts, by name."""

    banks: "dict[str, Bank]" = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
