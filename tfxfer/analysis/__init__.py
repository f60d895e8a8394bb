"""Numbers and projections from features: pure functions on arrays, loaded on first use."""

import importlib

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

__all__ = [*_HOME, *_MODULES]


def __getattr__(name: str):
    if name in _MODULES:
        return importlib.import_module(f"tfxfer.analysis.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(f"tfxfer.analysis.{_HOME[name]}"), name)
    raise AttributeError(f"module 'tfxfer.analysis' has no attribute {name!r}")
