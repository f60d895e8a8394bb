import gzip
import struct

import numpy as np
import pytest
from conftest import write_idx

from tfxfer.core.errors import InputError
from tfxfer.data import binary_readers


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_round_trip(tmp_path, suffix):
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype(np.uint8)
    path = tmp_path / f"images{suffix}"
    write_idx(path, images)
    np.testing.assert_array_equal(binary_readers.read_idx(path, 3), images)


def test_idx_gzip_is_told_by_content_not_by_name(tmp_path):
    write_idx(tmp_path / "labels.gz", np.arange(7))
    path = (tmp_path / "labels.gz").rename(tmp_path / "labels")
    np.testing.assert_array_equal(binary_readers.read_idx(path, 1), np.arange(7))


def _idx(shape, body: int) -> bytes:
    return struct.pack(f">I{len(shape)}I", 0x800 + len(shape), *shape) + bytes(body)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "magic number missing"),
        (b"\0\0\x0d\x03" + bytes(40), "magic number 00000d03, expected 00000803"),
        (_idx((12,), 12), "magic number 00000801, expected 00000803"),
        (_idx((2, 2, 2), 8)[:9], "ends inside its header"),
        (_idx((2, 2, 2), 7), "= 8 bytes, the file has only 7"),
        (_idx((2, 2, 2), 9), "= 8 bytes, the file has more"),
        (_idx((2**31, 2**31, 2**31), 5), "the file has only 5"),
        (gzip.compress(_idx((9, 9, 9), 729), mtime=0)[:-12], "truncated"),
        (gzip.compress(_idx((9, 9, 9), 729), mtime=0)[:-8] + bytes(8), "damaged"),
        (b"\x1f\x8bnot gzip at all", "damaged"),
    ],
)
def test_idx_broken_file_is_named_in_one_line(tmp_path, content, complaint):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(InputError, match=complaint) as caught:
        binary_readers.read_idx(path, 3)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_idx_missing_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        binary_readers.read_idx(tmp_path / "nothing", 3)


def test_idx_pair_checks_counts_and_label_range(tmp_path):
    write_idx(tmp_path / "x", np.zeros((3, 2, 2)))
    write_idx(tmp_path / "y", np.array([0, 9, 10]))
    with pytest.raises(InputError, match="y: label 10 in row 2, expected 0 to 9"):
        binary_readers.read_idx_pair(tmp_path / "x", tmp_path / "y", 10)
    images, labels = binary_readers.read_idx_pair(tmp_path / "x", tmp_path / "y", None)
    assert images.shape == (3, 2, 2, 1)
    assert labels.tolist() == [0, 9, 10]
    write_idx(tmp_path / "y", np.array([0, 9]))
    with pytest.raises(InputError, match=r"3 images but .* 2 labels"):
        binary_readers.read_idx_pair(tmp_path / "x", tmp_path / "y", 10)


def test_cifar10_reads_planes(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    rows = b"".join(
        bytes([label]) + b"".join(image[..., channel].tobytes() for channel in range(3))
        for label, image in zip((3, 9), pixels)
    )
    (tmp_path / "data_batch_1.bin").write_bytes(rows)
    images, labels = binary_readers.read_cifar10(tmp_path / "data_batch_1.bin")
    np.testing.assert_array_equal(images, pixels)
    assert labels.tolist() == [3, 9]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "0 bytes, expected a multiple of 3,073"),
        (bytes(3072), "3,072 bytes, expected a multiple"),
        (bytes(3073) + b"\x0a" + bytes(3072), "label 10 in row 1, expected 0 to 9"),
    ],
)
def test_cifar10_broken_file_is_named(tmp_path, content, complaint):
    path = tmp_path / "test_batch.bin"
    path.write_bytes(content)
    with pytest.raises(InputError, match=complaint) as caught:
        binary_readers.read_cifar10(path)
    assert str(path) in str(caught.value)
