"""The report of a run: `write` makes PNG figures and one self-contained report.html from what the run wrote.

`inline` shows it in a notebook; `run_comparison` puts runs side by side.
"""

from tfxfer.core.lazy_face import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__)
