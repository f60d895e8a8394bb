"""Trained networks in the forms in which they leave: SavedModel, LiteRT, ONNX, `.keras`; each reloaded and compared.

`bundle` exports a finished run; `prediction` classifies picture files with what was exported.
"""

from tfxfer.core.lazy_face import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__)
