"""Numbers and projections from features, as pure functions on arrays: `probe`, `project`, `neural_collapse` and others.

`attribution`, `batch_norm`, `deletion`, `dataset` and `ranking` also take networks and data sets.
"""

from tfxfer.core.lazy_face import lazy_face

__getattr__, __dir__, __all__ = lazy_face(
    __name__,
    __file__,
    light=(
        "metrics",
        "silhouette",
        "knn_purity",
        "paired",
        "projection",
        "project",
        "transferability",
        "logme",
        "hscore",
        "leep",
        "cka",
        "layer_similarity",
        "corruption_error",
        "abstention",
        "abstention_threshold",
        "calibration",
        "temperature",
    ),
)
