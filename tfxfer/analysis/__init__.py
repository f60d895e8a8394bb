"""Numbers and projections from features: pure functions on arrays (`probe`, `project`, `neural_collapse`, ...).

`attribution`, `dataset` and `ranking` look at networks and data sets too.
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
    ),
)
