"""CIFAR-10-C's 19 corruptions, with five severities each, as batched TensorFlow operations.

`corrupt` applies one to images; `NAMES` lists all of them, and `check` refuses unknown ones. The module `apply` says
how they differ from the reference.
"""

from tfxfer.core.lazy_face import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__)
