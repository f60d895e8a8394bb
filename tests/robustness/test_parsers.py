"""Files that no one would think of: whatever is in one, a parser returns what it says or raises one line.

Hypothesis writes the files, from valid ones that it changes and from nothing; the examples are the same in every run.
No parser may run what a file contains, or take memory that a header asks for and the file does not hold.
"""

import contextlib
import gzip
import hashlib
import io
import math
import pickle
import struct
import sys
import tracemalloc
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tfxfer.core.errors import InputError
from tfxfer.data import binary_readers, cifar10c, cifar_pickle
from tfxfer.features.bank import Bank
from tfxfer.model import torch_checkpoint

ROOM = 64 << 20  # bytes that a parser may take beyond twice the file's own: a file of CIFAR-10 has 31 MB

steady = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def parsed(read, path, content: bytes):
    """What a parser returns for a file, or the InputError it raises; anything else is a failure."""
    path.write_bytes(content)
    tracemalloc.start()
    try:
        found = read(path)
    except InputError as error:
        found = error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= ROOM + 2 * len(content), f"{peak:,} bytes for a file of {len(content):,}"
    if isinstance(found, InputError):
        assert "\n" not in str(found)
        assert str(path) in str(found)
    return found


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """A valid file with bytes changed, cut out or put in, up to four times."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(content)))
        kind = draw(st.sampled_from(("change", "cut", "insert", "end")))
        if kind == "change":
            new = draw(st.binary(min_size=1, max_size=8))
            content[place : place + len(new)] = new
        elif kind == "cut":
            del content[place : place + draw(st.integers(1, 16))]
        elif kind == "insert":
            content[place:place] = draw(st.binary(max_size=16))
        else:
            del content[place:]
    return bytes(content)


class Marker:
    """Pickled, it is a call that leaves a trace."""

    called = False

    def __reduce__(self):
        return _mark, ()


def _mark():
    Marker.called = True


@pytest.fixture(autouse=True)
def nothing_runs():
    Marker.called = False
    yield
    assert not Marker.called
    assert cifar_pickle._Array.state == ()  # nor is anything of ours changed


# IDX


def idx(sizes: tuple[int, ...], body: bytes, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + body


sizes = st.integers(0, 5) | st.sampled_from((2**16, 2**31, 2**32 - 1))
idx_files = st.builds(
    idx, st.lists(sizes, max_size=5).map(tuple), st.binary(max_size=130), st.sampled_from((8, 8, 8, 9, 13, 0, 255))
)


@steady
@given(content=idx_files | st.binary(max_size=40) | damaged(idx((2, 3, 4), bytes(24))), zipped=st.booleans())
@example(content=idx((2**32 - 1,) * 3, b""), zipped=False)
@example(content=idx((2**32 - 1, 0, 2**32 - 1), b""), zipped=False)
def test_idx(tmp_path, content, zipped):
    stored = gzip.compress(content, mtime=0) if zipped else content
    found = parsed(lambda path: binary_readers.read_idx(path, 3), tmp_path / "file", stored)
    whole = content[:4] == b"\0\0\x08\x03" and len(content) >= 16
    shape = struct.unpack(">3I", content[4:16]) if whole else (1, 1, 1)
    if whole and len(content) == 16 + math.prod(shape) and max(shape) < 2**16:
        assert found.shape == shape
        assert found.tobytes() == content[16:]
    else:
        assert isinstance(found, InputError)


@steady
@given(content=damaged(gzip.compress(idx((2, 3, 4), bytes(24)), mtime=0)))
@example(content=gzip.compress(idx((2, 3, 4), bytes(24)), mtime=0)[:-1])
def test_idx_zipped_and_damaged(tmp_path, content):
    found = parsed(lambda path: binary_readers.read_idx(path, 3), tmp_path / "file", content)
    assert isinstance(found, InputError) or found.tobytes() == bytes(24) or found.shape != (2, 3, 4)


@pytest.mark.parametrize(
    "read", [lambda path: binary_readers.read_idx(path, 3), binary_readers.read_cifar10], ids=["idx", "cifar10"]
)
def test_a_bomb_of_gzip_stays_small(tmp_path, read):
    """256 MB of zeros in 260 KB."""
    bomb = gzip.compress(bytes(1 << 28), mtime=0)
    found = parsed(read, tmp_path / "file", bomb)
    assert isinstance(found, InputError)


# CIFAR-10, binary


@steady
@given(rows=st.lists(st.integers(0, 12), max_size=3), more=st.binary(max_size=5), zipped=st.booleans())
def test_cifar10_binary(tmp_path, rows, more, zipped):
    content = b"".join(bytes([label]) + bytes([7]) * 3072 for label in rows) + more
    stored = gzip.compress(content, mtime=0) if zipped else content
    found = parsed(binary_readers.read_cifar10, tmp_path / "data_batch_1.bin", stored)
    if rows and not more and max(rows) < 10:
        assert found[0].shape == (len(rows), 32, 32, 3)
        assert found[1].tolist() == rows
    else:
        assert isinstance(found, InputError)


# CIFAR-10, Python


def batch(data, labels, protocol: int = 3, **more) -> bytes:
    return pickle.dumps({b"data": data, b"labels": labels, **more}, protocol=protocol)


NESTED: list = []
for _ in range(30):  # 10^30 labels in a few hundred bytes
    NESTED = [NESTED or 1] * 10
WHOLE = batch(np.zeros((2, 3072), np.uint8), [3, 9])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=6), inner, max_size=4),
    max_leaves=10,
)


@steady
@given(content=damaged(WHOLE))
@example(content=WHOLE)
@example(content=b"\x80\x02r\xff\xff\xff\x7f.")  # memo 2,147,483,647
@example(content=b"\x80\x03B\xff\xff\xff\x7f.")  # so many bytes
@example(content=b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".")  # a bytearray
@example(content=batch(np.zeros((1, 3072), np.uint8), NESTED))
@example(content=b"\x80\x03cnumpy\nndarray\nN}X\x05\x00\x00\x00stateK\x01s\x86b.")  # a state for the class itself
def test_cifar10_python_damaged(tmp_path, content):
    found = parsed(cifar_pickle.read, tmp_path / "data_batch_1", content)
    if content == WHOLE:
        assert found[1].tolist() == [3, 9]
    if not isinstance(found, InputError):
        images, labels = found
        assert images.shape == (len(labels), 32, 32, 3)
        assert images.dtype == np.uint8
        assert set(labels.tolist()) <= set(range(10))


@steady
@given(content=st.builds(pickle.dumps, anything) | st.binary(max_size=60))
def test_cifar10_python_of_something_else(tmp_path, content):
    assert isinstance(parsed(cifar_pickle.read, tmp_path / "data_batch_1", content), InputError)


@steady
@given(data=st.binary(max_size=20) | st.integers() | st.none(), labels=anything, protocol=st.integers(0, 5))
def test_cifar10_python_of_the_right_keys(tmp_path, data, labels, protocol):
    for held in (data, np.zeros((1, 3072), np.uint8)):
        parsed(cifar_pickle.read, tmp_path / "data_batch_1", batch(held, labels, protocol))


# .npy of CIFAR-10-C


def npy(header: str, body: bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    text = header.encode("latin1", "replace")
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + body


def npy_header(descr: str, fortran: bool, shape: tuple) -> str:
    return repr({"descr": descr, "fortran_order": fortran, "shape": shape}) + "\n"


def read_npy(path):
    return cifar10c._open_array(path, (4, 2, 2, 3))


def saved(array: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


npy_files = st.builds(
    npy,
    st.builds(
        npy_header,
        st.sampled_from(("|u1", "<i8", "|O", "<f4", "|V8", "<U7", "nonsense", "")),
        st.booleans(),
        st.lists(st.integers(-1, 5) | st.sampled_from((2**31, 2**63, 2**64)), max_size=5).map(tuple),
    )
    | st.text(max_size=60)
    | st.sampled_from(("__import__('os').abort()", "(" * 5000, "{" * 200, "[0] * 10**9", "9**9**9")),
    st.binary(max_size=60),
    st.sampled_from(((1, 0), (2, 0), (3, 0), (9, 9))),
)


@steady
@given(content=npy_files | damaged(saved(np.zeros((4, 2, 2, 3), np.uint8))) | st.binary(max_size=30))
@example(content=saved(np.zeros((4, 2, 2, 3), np.uint8)))
@example(content=saved(np.array([Marker()], object), allow_pickle=True))
@example(content=npy(npy_header("|u1", False, (50000, 32, 32, 3)), b""))
@example(content=npy("(" * 9000 + "\n", b""))
@example(content=npy(" " * 70000 + "\n", b"", (2, 0)))
def test_npy(tmp_path, content):
    found = parsed(read_npy, tmp_path / "fog.npy", content)
    if not isinstance(found, InputError):
        assert (found.shape, found.dtype) == ((4, 2, 2, 3), np.uint8)
        assert np.asarray(found).nbytes == 48


# .npz of feature banks


def bank(tmp_path) -> bytes:
    numbers = np.arange(3)
    Bank({"logits": np.zeros((3, 2), np.float32)}, numbers, numbers).save(tmp_path / "bank.npz")
    return (tmp_path / "bank.npz").read_bytes()


@steady
@given(data=st.data())
def test_banks(tmp_path, data):
    content = data.draw(damaged(bank(tmp_path)) | st.binary(max_size=60) | st.builds(pickle.dumps, anything))
    (tmp_path / "file.npz").write_bytes(content)
    with contextlib.suppress(InputError):  # its memory is not watched: banks are files that tfxfer wrote
        Bank.load(tmp_path / "file.npz")


@steady
@given(data=st.data())
def test_banks_in_parquet(tmp_path, data):
    Bank({"embedding": np.zeros((2, 3), np.float32)}, np.zeros(2, np.int64), np.arange(2)).save(tmp_path / "b.parquet")
    whole = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "file.parquet").write_bytes(data.draw(damaged(whole) | st.binary(max_size=60)))
    with contextlib.suppress(InputError):
        Bank.load(tmp_path / "file.parquet")


# PyTorch's checkpoints


class Tensor:
    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


class Storage:
    def __init__(self, kind: str, key: str, count: int):
        self.kind, self.key, self.count = kind, key, count


class Pickler(pickle.Pickler):
    def persistent_id(self, item):
        if isinstance(item, Storage):
            return "storage", getattr(sys.modules["torch"], item.kind), item.key, "cpu", item.count, None
        return None


def checkpoint(state, storages: dict[str, tuple[int, bytes]]) -> bytes:
    """Storages are what a header says of their length, and their bytes."""
    file = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(value, file, protocol=2)
    Pickler(file, protocol=2).dump(state)
    pickle.dump(list(storages), file, protocol=2)
    for count, body in storages.values():
        file.write(struct.pack("<q", count) + body)
    return file.getvalue()


def read_checkpoint(path):
    """As the digest guards it: what is tried here is a file whose digest was expected."""
    return torch_checkpoint.read(path, hashlib.sha256(path.read_bytes()).hexdigest())


def small(offset=0, shape=(2, 2), strides=(2, 1), count=4, body=bytes(16), kind="FloatStorage") -> bytes:
    tensor = Tensor(Storage(kind, "0", 4), offset, shape, strides, False, OrderedDict())
    return checkpoint(OrderedDict(weight=tensor), {"0": (count, body)})


numbers = st.integers(-2, 6) | st.sampled_from((2**31, 2**62, -(2**62), 2**80))


@steady
@given(
    offset=numbers | anything,
    shape=st.lists(numbers, max_size=4).map(tuple) | anything,
    strides=st.lists(numbers, max_size=4).map(tuple) | anything,
    count=st.sampled_from((4, 3, 5, 0, -1, 2**40, 2**62, -(2**63))),
    body=st.binary(max_size=24),
)
@example(offset=0, shape=(2, 2), strides=(2, 1), count=4, body=bytes(16))
@example(offset=0, shape=(2**40,), strides=(0,), count=4, body=bytes(16))
@example(offset=0, shape=(0, 2**40), strides=(1, 0), count=4, body=bytes(16))
@example(offset=0, shape=(2,) * 40, strides=(0,) * 40, count=4, body=bytes(16))
@example(offset=0, shape=(-3,), strides=(1,), count=4, body=bytes(16))
def test_checkpoints_that_lie(tmp_path, torch_names, offset, shape, strides, count, body):
    found = parsed(read_checkpoint, tmp_path / "w.pth", small(offset, shape, strides, count, body))
    if not isinstance(found, InputError):
        assert found["weight"].dtype == np.float32
        assert found["weight"].shape == tuple(shape)


@steady
@given(data=st.data())
def test_checkpoints_damaged(tmp_path, torch_names, data):
    parsed(read_checkpoint, tmp_path / "w.pth", data.draw(damaged(small()) | st.binary(max_size=60)))


@steady
@given(state=anything, keys=anything)
def test_checkpoints_of_something_else(tmp_path, torch_names, state, keys):
    content = checkpoint(state, {})
    parsed(read_checkpoint, tmp_path / "w.pth", content)
    parsed(read_checkpoint, tmp_path / "w.pth", content[: -len(pickle.dumps([], protocol=2))] + pickle.dumps(keys))


@pytest.mark.parametrize("make", [lambda: batch(Marker(), [1]), lambda: checkpoint({"w": Marker()}, {})])
def test_what_a_pickle_would_call_is_not_called(tmp_path, make):
    content = make()
    for read in (cifar_pickle.read, read_checkpoint):
        assert isinstance(parsed(read, tmp_path / "file", content), InputError)
    assert not Marker.called
    pickle.loads(pickle.dumps(Marker()))
    assert Marker.called  # the trap is one
    Marker.called = False
