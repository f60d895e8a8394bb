"""Training: `fit`, `fine_tune`, a `sweep` over freezing depths, and `find_learning_rate`.

`interpolate`, `interpolation_curve` and `soup` average the weights that training leaves.

Frozen layers are computed once, and what trains are the model's own variables.
"""

from tfxfer.core.lazy_face import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__)
