"""Weights files: Keras's downloads, and a user's own. Whatever is wrong with one becomes one line."""

import contextlib
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import h5py  # Keras's own requirement

from tfxfer.core import download, offline, private_names
from tfxfer.core.errors import InputError

if TYPE_CHECKING:
    import keras

BUNDLED = "efficientnet_lite0"  # the backbone that needs no file


def build(name: str, make: Callable[[], "keras.Model"]) -> "keras.Model":
    """Builds a Keras application, whose weights are downloaded in another way than Keras's own.

    Keras writes a download to its final path, where another process takes a part of it for the whole; deletes a file in
    its cache if the checksum differs; and uses a folder under /tmp without a word where $KERAS_HOME cannot be written.
    Here a file is complete or absent, of several processes one downloads it, no file is deleted, and all errors are
    InputErrors of one line.

    Args:
        name: of the backbone.
        make: builds it.

    Returns:
        The network. If weights were read from a file of Keras's, its attribute `weights_file` is the file's name:
        MobileNetV2 has five, each of another network.

    Raises:
        InputError: the weights are not available, or the images are too small.
    """
    ways = f"use --backbone {BUNDLED}, whose weights are bundled, or --weights PATH, or --weights none"
    ways += offline.ending("weights", f'model.build("{BUNDLED}", splits)')
    paths: list[Path] = []

    def get_file(fname: str, origin: str, *, cache_subdir: str, file_hash: str | None = None) -> str:
        paths.append(path := private_names.keras_folder(cache_subdir) / fname)
        if not path.exists():
            _download(name, origin, path, file_hash, ways)
        elif file_hash and not private_names.has_checksum(path, file_hash):
            raise InputError(
                f"{path} is not the file Keras expects, its checksum differs: move it away, unless another program is "
                f"still writing it, or {ways}"
            )
        return str(path)

    try:
        with private_names.downloading_by(get_file), warnings.catch_warnings():
            # Keras loads MobileNetV2's 224 weights at other sizes, as intended here, and warns of it.
            warnings.filterwarnings("ignore", "`input_shape` is undefined or non-square", UserWarning)
            net = make()
    except InputError:
        raise
    except (ValueError, OSError, KeyError) as error:
        if paths:
            raise InputError(
                f"{paths[-1]} does not contain {name}'s weights ({error}): move it away, unless another program is "
                f"still writing it, or {ways}"
            ) from None
        raise InputError(f"{name} cannot be built for these images: {error}") from None  # too small for it
    if paths:
        net.weights_file = paths[-1].name
    return net


def _download(name: str, url: str, path: Path, checksum: str | None, ways: str) -> None:
    home = Path("~/.keras").expanduser()
    if "KERAS_HOME" not in os.environ and path.parents[1] != home:  # as Keras decides when it is imported
        warnings.warn(
            f"{home} cannot be written, so Keras keeps weights in {path.parent}: set KERAS_HOME to a folder of yours "
            "to keep them elsewhere",
            stacklevel=2,
        )
    try:
        download.fetch(url, path, checksum)
    except download.DownloadError as error:
        raise InputError(
            f"{name} needs {path.name}, which is not in {path.parent} and could not be downloaded ({error}): put it "
            f"into that folder, or {ways}"
        ) from None
    except OSError as error:
        raise InputError(
            f"{path.parent} cannot be written ({error.strerror}), where Keras keeps {path.name}: set KERAS_HOME to a "
            f"folder of yours, or {ways}"
        ) from None


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
