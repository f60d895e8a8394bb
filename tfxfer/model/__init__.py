"""One flat Keras graph from raw pixels to logits: `build` it, decide what may change (`unfreeze_last`), `save` it.

The backbones are listed in `backbones.TABLE`.
"""

from tfxfer.core.lazy_face import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__, light=("backbones",))
