"""One flat Keras graph from raw pixels to logits: `build` it, then say what may change (`unfreeze_last`).

Which backbones there are stands in `backbones.TABLE`.
"""

from tfxfer.core.lazy_face import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__, light=("backbones",))
