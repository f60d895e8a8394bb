"""tfxfer: what does a pretrained network know about my images, and what does fine-tuning change?

Submodules load on first use, so that `import tfxfer` and every `--help` stay free of TensorFlow.
"""

import importlib
import os

from tfxfer.core import former_names
from tfxfer.core.lazy_face import lazy_face

__version__ = "0.2.0"

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # read when Keras is first imported
former_names.install()

_FACES = ("analysis", "data", "export", "features", "model", "report", "runs", "train", "latest", "load")
_get, __dir__, __all__ = lazy_face(__name__, __file__, light=_FACES)


def __getattr__(name: str) -> object:
    if former_names.current(f"tfxfer.{name}"):
        return importlib.import_module(f"tfxfer.{name}")
    return _get(name)
