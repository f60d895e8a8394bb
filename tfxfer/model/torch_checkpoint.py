"""A reader of PyTorch's legacy checkpoint format, without PyTorch and without trusting the file.

The format is four pickles (magic number, protocol, system facts, the state dict) followed by the list of storage
keys and, for each key, its element count (int64) and its raw elements. `torch/serialization.py`, `_legacy_load`.
"""

import collections
import hashlib
import io
import math
from pathlib import Path

import numpy as np

from tfxfer.core import safe_pickle
from tfxfer.core.errors import InputError

_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES: dict[str, np.dtype] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Tensor(collections.namedtuple("_Tensor", "key offset shape strides")):
    """Where a tensor's elements are; they are filled in after the storages, which come last, have been read."""


def _rebuild(storage, offset, shape, strides, requires_grad=False, hooks=None) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


class _Unpickler(safe_pickle.Unpickler):
    """Admits ordered dicts, tensors and two storage types; any other name in the file is refused."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        self.dtypes: dict[object, np.dtype] = {}

    def find_class(self, module: str, name: str):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in _STORAGES:
            return name
        return super().find_class(module, name)

    def build(self, item: object, state: object) -> None:
        if not isinstance(item, collections.OrderedDict):  # whose state is torch's bookkeeping of versions
            super().build(item, state)

    def persistent_load(self, saved_id) -> str:
        _, storage, key, _, _, view = saved_id
        if view is not None:
            raise ValueError(f"storage {key} is a view, which this reader does not know")
        self.dtypes[key] = _STORAGES[storage]
        return key


def read(path: str | Path, sha256: str) -> dict[str, np.ndarray]:
    """Reads the state dict of a legacy checkpoint whose contents are known.

    Args:
        path: the file.
        sha256: its expected digest, in hex; nothing is unpickled before it matches.

    Returns:
        Tensor name -> float32 or int64 array, in the file's order.

    Raises:
        InputError: the digest is another one, or the file has another format or a type that is not admitted.
    """
    path = Path(path)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise InputError(f"{path}: sha256 {digest[:12]}..., expected {sha256[:12]}...: reinstall its package")
    try:
        return _state(io.BytesIO(content))
    except Exception as error:  # a file of another format may cause any
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not a legacy PyTorch checkpoint ({reason[:200]}): reinstall its package") from None


def _state(file: io.BytesIO) -> dict[str, np.ndarray]:
    def load():
        unpickler = _Unpickler(file)
        return unpickler.load(), unpickler.dtypes

    if load()[0] != _MAGIC:
        raise ValueError("another magic number")
    load(), load()  # protocol version and the writer's type sizes
    tensors, dtypes = load()
    storages = {}
    for key in load()[0]:
        count = int.from_bytes(file.read(8), "little", signed=True)
        raw = file.read(max(0, count) * dtypes[key].itemsize)
        storages[key] = np.frombuffer(raw, dtypes[key])
        if len(storages[key]) != count:
            raise ValueError(f"storage {key} should have {count:,} elements and has {len(storages[key]):,}")
    return {str(name): _array(tensor, storages[tensor.key]) for name, tensor in tensors.items()}


def _array(tensor: _Tensor, storage: np.ndarray) -> np.ndarray:
    places = (*tensor.shape, *tensor.strides, tensor.offset)
    if not all(type(number) is int and number >= 0 for number in places):
        raise ValueError(f"a tensor of shape {tensor.shape}, strides {tensor.strides} and offset {tensor.offset}")
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
    size = math.prod(tensor.shape)
    if size and (last >= len(storage) or size > len(storage)):  # more elements than the storage has would repeat some
        raise ValueError(f"a tensor of shape {tensor.shape} reaches outside its storage of {len(storage)} elements")
    strides = tuple(stride * storage.itemsize for stride in tensor.strides)
    first = storage[tensor.offset :] if size else storage
    return np.lib.stride_tricks.as_strided(first, tensor.shape, strides, writeable=False).copy()
