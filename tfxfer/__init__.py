"""tfxfer: what does a pretrained network know about my images, and what does fine-tuning change?

Submodules load on first use, so that `import tfxfer` and every `--help` stay free of TensorFlow.
"""

import importlib
import os

from tfxfer.quiet import import_tensorflow

__version__ = "0.1.0"

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # read when Keras is first imported

_LIGHT = ("analysis", "backbones", "runs")  # do without TensorFlow until something is asked of them
_SUBMODULES = ("analysis", "backbones", "data", "exhibits", "export", "features", "model", "report", "runs", "train")

__all__ = [*_SUBMODULES, "latest", "load"]


def __getattr__(name: str):
    if name in _SUBMODULES:
        if name not in _LIGHT:
            import_tensorflow()
        return importlib.import_module(f"tfxfer.{name}")
    if name in ("latest", "load"):
        return getattr(importlib.import_module("tfxfer.loaded"), name)
    raise AttributeError(f"module 'tfxfer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
