"""Weights files: Keras's downloads, and a user's own. Whatever is wrong with one becomes one line."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import h5py  # Keras's own requirement

from tfxfer.core import private_names
from tfxfer.core.errors import InputError

if TYPE_CHECKING:
    import keras

BUNDLED = "efficientnet_lite0"  # the backbone that needs no file


@contextlib.contextmanager
def keras_downloads(name: str) -> Iterator[None]:
    """Around the building of a Keras application: Keras's own download, with two differences.

    Keras deletes a file in its cache if the checksum differs, and downloads it again; here that is an error, and the
    file stays. And all errors are InputErrors of one line.
    """
    ways = f"use --backbone {BUNDLED}, whose weights are bundled, or --weights PATH, or --weights none"
    paths: list[Path] = []

    def checked(fetch: Callable[..., str]) -> Callable[..., str]:
        def get_file(fname, origin, *args, cache_subdir="datasets", file_hash=None, **options) -> str:
            paths.append(path := private_names.keras_folder(cache_subdir) / fname)
            if path.exists() and file_hash and not private_names.has_checksum(path, file_hash):
                raise InputError(f"{path} is not the file Keras expects, its checksum differs: move it away, or {ways}")
            try:
                return fetch(fname, origin, *args, cache_subdir=cache_subdir, file_hash=file_hash, **options)
            except Exception as error:  # Keras raises a bare Exception
                raise InputError(
                    f"{name} needs {path.name}, which is not in {path.parent} and could not be downloaded "
                    f"({type(error).__name__}): put it into that folder, or {ways}"
                ) from None

        return get_file

    try:
        with private_names.downloading_by(checked), warnings.catch_warnings():
            # Keras loads MobileNetV2's 224 weights at other sizes, as intended here, and warns of it.
            warnings.filterwarnings("ignore", "`input_shape` is undefined or non-square", UserWarning)
            yield
    except InputError:
        raise
    except (ValueError, OSError, KeyError) as error:
        if paths:
            raise InputError(
                f"{paths[-1]} does not contain {name}'s weights ({error}): move it away, or {ways}"
            ) from None
        raise InputError(f"{name} cannot be built for these images: {error}") from None  # too small for it


def saved_by_keras_3(path: Path) -> bool:
    """Whether a path is a weights file of Keras 3, or does not exist, about which `load` has a better message."""
    if not path.exists():
        return True
    with contextlib.suppress(OSError), h5py.File(path) as file:
        return "layers" in file
    return False


def misfit(path: Path, name: str, error: object) -> InputError:
    """The error for weights that do not fit a backbone."""
    return InputError(f"weights {path} do not fit {name}: {str(error)[:200]}: pass a file saved from it")


def load(net: "keras.Model", path: Path, name: str) -> "keras.Model":
    """Loads a weights file into a backbone and returns it.

    Raises:
        InputError: the file does not exist or does not fit.
    """
    if not path.is_file():
        raise InputError(f"weights {path}: no such file; expected imagenet, none, or a file saved by tfxfer or Keras")
    try:
        if saved_by_keras_3(path):  # Keras 3 ignores weights that the network does not have
            with h5py.File(path) as file:
                saved = sorted(_shapes(file["layers"]))
            if saved != sorted(tuple(w.shape) for w in net.weights):
                raise ValueError(f"it contains {len(saved)} arrays, {name} has {len(net.weights)} of its own shapes")
        net.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise misfit(path, name, error) from None
    return net


def _shapes(group: h5py.Group) -> list[tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    group.visititems(lambda name, item: shapes.update({name: item.shape}) if hasattr(item, "shape") else None)
    return [shape for name, shape in shapes.items() if "seed_generator" not in name]
