"""What pages share: `recipe`, the decorator of a page's `main`, and `Run`, which it hands to the page.

The other modules hold steps: feature sets, what a run keeps to look at, models judged alike, studies of freezing
depths, of shift and of spatial structure.
"""

from tfxfer.core.lazy_face import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__, light=("Run", "recipe"))
