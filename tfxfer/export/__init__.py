"""Trained networks in the forms in which they leave: SavedModel, LiteRT, ONNX, `.keras`; each reloaded and compared."""

from tfxfer.export.bundle import bundle
from tfxfer.export.files import FORMATS, keras, litert, litert_dynamic, litert_int8, onnx, saved_model, serving
from tfxfer.export.parity import TOLERANCE

__all__ = [
    "FORMATS",
    "TOLERANCE",
    "bundle",
    "keras",
    "litert",
    "litert_dynamic",
    "litert_int8",
    "onnx",
    "saved_model",
    "serving",
]
