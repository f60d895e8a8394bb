"""The legacy format is written here by hand, from its description, with pickled stand-ins for torch's names."""

import collections
import hashlib
import os
import pickle

import numpy as np
import pytest

from tfxfer.core.errors import InputError
from tfxfer.model import torch_checkpoint


class Storage:
    def __init__(self, kind, key, elements):
        self.kind, self.key, self.elements = kind, key, elements


class Tensor:
    def __init__(self, rebuild, *args):
        self.rebuild, self.args = rebuild, args

    def __reduce__(self):
        return self.rebuild, self.args


class Pickler(pickle.Pickler):
    def persistent_id(self, item):
        if isinstance(item, Storage):
            return ("storage", item.kind, item.key, "cpu", len(item.elements), None)
        return None


def write(path, state, storages):
    with path.open("wb") as file:
        for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(value, file, protocol=2)
        Pickler(file, protocol=2).dump(state)
        pickle.dump([storage.key for storage in storages], file, protocol=2)
        for storage in storages:
            np.array(len(storage.elements), "<i8").tofile(file)
            storage.elements.tofile(file)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_reads_shapes_strides_offsets_and_types(tmp_path, torch_names):
    torch, rebuild = torch_names
    floats = Storage(torch.FloatStorage, "11", np.arange(12, dtype="<f4"))
    longs = Storage(torch.LongStorage, "22", np.array([7], "<i8"))
    state = collections.OrderedDict(
        matrix=Tensor(rebuild, floats, 0, (3, 4), (4, 1), False, collections.OrderedDict()),
        transposed=Tensor(rebuild, floats, 0, (4, 3), (1, 4), False, collections.OrderedDict()),
        tail=Tensor(rebuild, floats, 10, (2,), (1,), False, collections.OrderedDict()),
        count=Tensor(rebuild, longs, 0, (), (), False, collections.OrderedDict()),
    )
    path = tmp_path / "weights.pth"
    arrays = torch_checkpoint.read(path, write(path, state, [floats, longs]))
    expected = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(arrays["matrix"], expected)
    np.testing.assert_array_equal(arrays["transposed"], expected.T)
    assert arrays["tail"].tolist() == [10, 11]
    assert arrays["count"] == 7
    assert arrays["count"].dtype == np.int64
    assert list(arrays) == ["matrix", "transposed", "tail", "count"]


def test_a_tensor_outside_its_storage_is_refused(tmp_path, torch_names):
    torch, rebuild = torch_names
    floats = Storage(torch.FloatStorage, "1", np.zeros(4, "<f4"))
    state = {"w": Tensor(rebuild, floats, 1, (4,), (1,), False, collections.OrderedDict())}
    path = tmp_path / "weights.pth"
    with pytest.raises(InputError, match="reaches outside its storage of 4"):
        torch_checkpoint.read(path, write(path, state, [floats]))


def test_another_digest_is_refused_before_unpickling(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"anything")
    with pytest.raises(InputError, match=r"weights.pth: sha256 .* expected 0000"):
        torch_checkpoint.read(path, "0" * 64)


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_no_foreign_code_runs_even_with_the_right_digest(tmp_path):
    marker, path = tmp_path / "pwned", tmp_path / "weights.pth"
    digest = write(path, {"w": Evil(str(marker))}, [])
    with pytest.raises(InputError, match=r"contains posix\.mkdir"):
        torch_checkpoint.read(path, digest)
    assert not marker.exists()


def test_unknown_storage_type_is_refused(tmp_path, torch_names):
    torch, rebuild = torch_names
    half = Storage(torch.HalfStorage, "1", np.zeros(4, "<f2"))
    state = {"w": Tensor(rebuild, half, 0, (4,), (1,), False, collections.OrderedDict())}
    path = tmp_path / "weights.pth"
    with pytest.raises(InputError, match=r"torch\.HalfStorage"):
        torch_checkpoint.read(path, write(path, state, [half]))


def test_another_format_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(42))
    with pytest.raises(InputError, match="not a legacy PyTorch checkpoint"):
        torch_checkpoint.read(path, hashlib.sha256(path.read_bytes()).hexdigest())
