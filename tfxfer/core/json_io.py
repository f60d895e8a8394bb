"""JSON that every reader takes."""

import json
import math
from pathlib import Path
from typing import Any


def write(path: Path, value: dict[str, Any]) -> None:
    """Writes a dict. JSON knows no NaN and no infinity: null stands for them."""
    path.write_text(json.dumps(_finite(value), indent=1, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
