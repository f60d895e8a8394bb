"""What every floor uses: errors, atomic writes, the cache on disk, batch order, distribution, downloads,
memory.

Nothing here knows about images or networks. Import its modules by name: `errors`, `atomic`, `cache`, `distribute`, ...
"""

from tfxfer.core.lazy_face import lazy_face

_LIGHT = (
    "atomic",
    "byte_progress",
    "cache",
    "cache_entry",
    "concatenated",
    "console",
    "download",
    "errors",
    "file_lock",
    "former_names",
    "json_io",
    "memory",
    "numbers",
    "offline",
    "private_names",
    "safe_pickle",
)
__getattr__, __dir__, __all__ = lazy_face(__name__, __file__, light=_LIGHT)
