"""Images and labels as tf.data: `load` a data set by name or path, `from_arrays`, and `corrupt`, `relabel` or
`permute_pixels` what was loaded.

A `Splits` has disjoint `.train`, `.validation` and `.test`; nothing here knows of networks.
"""

from tfxfer.core.lazy_face import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__, light=("splits",))
