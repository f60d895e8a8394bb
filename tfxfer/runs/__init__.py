"""A run: the folder an experiment leaves, its options, and reading it back (`load`, `latest`).

`Run` collects it, `resume` continues it, `model_card` describes what it trained, `command` makes a command line of it.
"""

from tfxfer.core.lazy_face import lazy_face

__getattr__, __dir__, __all__ = lazy_face(__name__, __file__, light=("Run", "command", "resume"))
