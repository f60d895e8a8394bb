"""Training: `fit`, `fine_tune`, `sweep` over depths, `find_learning_rate`.

What is frozen is computed once, what trains is the model's own.
"""

from tfxfer.core.lazy_face import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__)
