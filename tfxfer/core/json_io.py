"""JSON that every reader accepts."""

import json
import math
from pathlib import Path
from typing import Any


def write(path: Path, value: dict[str, Any]) -> None:
    """Writes a dict as JSON; NaN and infinity, which JSON does not have, become null."""
    path.write_text(json.dumps(_finite(value), indent=1, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
