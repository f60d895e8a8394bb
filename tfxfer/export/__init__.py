"""Trained networks as files for others: SavedModel, LiteRT, ONNX, `.keras`; each is reloaded and compared.

`bundle` exports a finished run; `prediction` classifies image files with an exported SavedModel; `write_table` writes
what a run knows of each image.
"""

from tfxfer.core.lazy_face import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__)
