"""Features, the outputs of a network's layers: `extract` them once into a `Bank`, in memory or in shards on disk.

The frozen part of a network (`frozen_prefix`) is never computed twice (`activation_cache`).
"""

from tfxfer.core.lazy_face import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__)
