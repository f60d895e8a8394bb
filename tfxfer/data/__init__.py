"""Images and labels as tf.data: `load` a data set by name or path, `from_arrays`, and `corrupt`, `relabel` or
`permute_pixels` what was loaded.

`Splits` have disjoint `.train`, `.validation` and `.test`; nothing here knows about networks.
"""

from tfxfer.core.lazy_face import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__, light=("splits",))
