"""Numbers and projections from features: pure functions on arrays, loaded on first use."""

import importlib

from tfxfer.quiet import import_tensorflow

_HOME = {
    "separation": "clusters",
    "project": "projection",
    "probe": "probes",
    "silhouette": "metrics",
    "knn_purity": "metrics",
    "neural_collapse": "collapse",
    "logme": "transferability",
    "hscore": "transferability",
    "leep": "transferability",
}
_MODULES = (
    "attribution",
    "classifiers",
    "clusters",
    "collapse",
    "dataset",
    "intervals",
    "deletion",
    "linear",
    "metrics",
    "moments",
    "paired",
    "probes",
    "projection",
    "transferability",
)
_LIGHT = ("metrics", "paired", "projection", "transferability")  # do without TensorFlow

__all__ = [*_HOME, *_MODULES]


def __getattr__(name: str):
    home = _HOME.get(name, name)
    if home not in _MODULES:
        raise AttributeError(f"module 'tfxfer.analysis' has no attribute {name!r}")
    if home not in _LIGHT:
        import_tensorflow()
    module = importlib.import_module(f"tfxfer.analysis.{home}")
    return getattr(module, name) if name in _HOME else module
