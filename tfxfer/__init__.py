"""tfxfer: what does a pretrained network know about my images, and what does fine-tuning change?

Submodules load on first use, so that `import tfxfer` and every `--help` stay free of TensorFlow.
"""

import importlib
import os

__version__ = "0.1.0"

# Both are read when Keras and TensorFlow are first imported. Below 3 TensorFlow reports every missing GPU as an error.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_SUBMODULES = ("analysis", "backbones", "data", "export", "features", "model", "report", "runs", "train")

__all__ = [*_SUBMODULES, "load"]


def __getattr__(name: str):
    if name in _SUBMODULES:
        return importlib.import_module(f"tfxfer.{name}")
    if name == "load":
        return importlib.import_module("tfxfer.runs").load
    raise AttributeError(f"module 'tfxfer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
