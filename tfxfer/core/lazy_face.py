"""The public names of a folder: they are listed in its `__init__.pyi` and load on first use."""

from collections.abc import Callable, Sequence

import lazy_loader

from tfxfer.core.console import import_tensorflow


def lazy_face(
    module: str, file: str, light: Sequence[str] = ()
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package, from the stub beside its `__init__.py`.

    Args:
        module: the package's `__name__`.
        file: its `__file__`.
        light: names that work without TensorFlow. For all others TensorFlow is imported first, without its start-up
            messages.
    """
    load, listing, names = lazy_loader.attach_stub(module, file)

    def get(name: str) -> object:
        if name in names and name not in light:
            import_tensorflow()
        return load(name)

    return get, listing, names
