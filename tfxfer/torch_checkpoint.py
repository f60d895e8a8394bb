"""A reader of PyTorch's legacy checkpoint format, without PyTorch and without trusting the file.

The format is four pickles (magic number, protocol, system facts, the state dict) followed by the list of storage
keys and, for each key, its element count (int64) and its raw elements. `torch/serialization.py`, `_legacy_load`.
"""

import collections
import hashlib
import pickle
from pathlib import Path

import numpy as np

from tfxfer.errors import InputError

_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Tensor(collections.namedtuple("_Tensor", "key offset shape strides")):
    """Where a tensor's elements lie: filled in once the storages, which come last, are read."""


def _rebuild(storage, offset, shape, strides, requires_grad=False, hooks=None) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


class _Unpickler(pickle.Unpickler):
    """Admits an ordered dict, tensors and two storage types. Any other name in the file is refused."""

    def __init__(self, file, path: Path):
        super().__init__(file)
        self.path, self.dtypes = path, {}

    def find_class(self, module: str, name: str):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in _STORAGES:
            return name
        raise InputError(f"{self.path}: contains {module}.{name}, which no weights file needs: refused")

    def persistent_load(self, saved_id) -> str:
        _, storage, key, _, _, view = saved_id
        if view is not None:
            raise InputError(f"{self.path}: storage {key} is a view, which this reader does not know")
        self.dtypes[key] = _STORAGES[storage]
        return key


def read(path: Path, sha256: str) -> dict[str, np.ndarray]:
    """Reads the state dict of a legacy checkpoint whose contents are known.

    Args:
        path: the file.
        sha256: its expected digest, in hex; nothing is unpickled before it matches.

    Returns:
        Tensor name -> float32 or int64 array, in the file's order.

    Raises:
        InputError: another digest, another format, or a type outside the closed list.
    """
    path = Path(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != sha256:
            raise InputError(f"{path}: sha256 {digest[:12]}..., expected {sha256[:12]}...: reinstall its package")
        file.seek(0)

        def load():
            unpickler = _Unpickler(file, path)
            return unpickler.load(), unpickler.dtypes

        if load()[0] != _MAGIC:
            raise InputError(f"{path}: not a legacy PyTorch checkpoint")
        load(), load()  # protocol version and the writer's type sizes
        tensors, dtypes = load()
        storages = {}
        for key in load()[0]:
            count = int(np.fromfile(file, "<i8", 1)[0])
            storages[key] = np.fromfile(file, dtypes[key], count)
    return {name: _array(tensor, storages[tensor.key]) for name, tensor in tensors.items()}


def _array(tensor: _Tensor, storage: np.ndarray) -> np.ndarray:
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
    if not 0 <= tensor.offset <= last < len(storage) or min((0, *tensor.strides)) < 0:
        raise InputError(f"a tensor of shape {tensor.shape} reaches outside its storage of {len(storage)} elements")
    strides = tuple(stride * storage.itemsize for stride in tensor.strides)
    view = np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides, writeable=False)
    return view.copy()
