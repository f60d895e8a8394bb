"""CIFAR-10-C's archive from a server on loopback: the real names and layout, 10 images a severity."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from file_server import serve

import tfxfer
from tfxfer.core.errors import InputError
from tfxfer.data import cifar10c, cifar10c_archive
from tfxfer.data.corruptions import NAMES

N = 10
PIXELS = np.random.default_rng(0).integers(0, 256, (len(NAMES), 5 * N, 32, 32, 3)).astype(np.uint8)
LABELS = np.tile(np.arange(N), 5)
CELLS = (("glass_blur", 2), ("fog", 5))

pytestmark = pytest.mark.enable_socket


def packed(extra: dict[str, bytes] | None = None, leave_out: str = "") -> bytes:
    arrays = dict(zip(NAMES, PIXELS)) | {"labels": LABELS}
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("CIFAR-10-C"))
        link = tarfile.TarInfo("CIFAR-10-C/fog.npy")  # before the file of that name
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        contents = dict(extra or {})
        for name, array in arrays.items():
            file = io.BytesIO()
            np.save(file, array)
            contents |= {f"CIFAR-10-C/{name}.npy": file.getvalue()} if name != leave_out else {}
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return whole.getvalue()


@pytest.fixture
def published(monkeypatch):
    """Makes an archive the published one: its size and sha256 are TFDS's, its address is the server's."""
    monkeypatch.setattr(cifar10c, "TEST_IMAGES", N)
    monkeypatch.setattr(cifar10c, "SHAPE", (5 * N, 32, 32, 3))

    def publish(content: bytes, url: str) -> None:
        digest = hashlib.sha256(content).hexdigest()
        info = tfds.core.download.checksums.UrlInfo(size=len(content), checksum=digest, filename="CIFAR-10-C.tar")
        monkeypatch.setattr(tfds.builder_cls("cifar10_corrupted"), "url_infos", {f"{url}/CIFAR-10-C.tar": info})

    return publish


def test_it_is_fetched_and_unpacked_once_and_memory_mapped(tmp_path, published, monkeypatch):
    """By default into TFDS's own folder; nothing but the 20 files comes out of it."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    content = packed({"../escaped.npy": b"x", "CIFAR-10-C/readme": b"x", "other/snow.npy": b"x", "/snow.npy": b"x"})
    home = tmp_path / "manual" / "cifar10_corrupted"
    with serve({"/CIFAR-10-C.tar": content}) as server:
        published(content, server.url)
        for _ in range(2):
            files, labels, origin = cifar10c.read(CELLS)
            assert origin == str(home / "CIFAR-10-C")
            np.testing.assert_array_equal(labels, np.arange(N))
            for name, severity in CELLS:
                rows = slice((severity - 1) * N, severity * N)
                np.testing.assert_array_equal(files[name, severity], PIXELS[NAMES.index(name), rows])
                assert isinstance(files[name, severity], np.memmap)
        assert server.asked == [("/CIFAR-10-C.tar", f"tfxfer/{tfxfer.__version__}")]
    assert {path.name for path in home.iterdir()} == {"CIFAR-10-C", "CIFAR-10-C.tar"}
    assert {path.name for path in (home / "CIFAR-10-C").iterdir()} == set(cifar10c.FILES)
    assert not list(tmp_path.rglob("*escaped*"))
    assert {path.name for path in tmp_path.iterdir()} == {"manual"}  # TFDS has prepared nothing


def test_an_archive_that_is_there_is_checked_and_not_fetched(tmp_path, published):
    home = tmp_path / "manual" / "cifar10_corrupted"
    home.mkdir(parents=True)
    content = packed()
    with serve({}) as server:
        published(content, server.url)
        for wrong, complaint in (
            (content[:-1], rf"CIFAR-10-C.tar is incomplete, {len(content) - 1:,} of {len(content):,} bytes: wait"),
            (content[:-1] + b"x", "CIFAR-10-C.tar is not the published one, its sha256 differs: move it away"),
        ):
            (home / "CIFAR-10-C.tar").write_bytes(wrong)
            with pytest.raises(InputError, match=complaint):
                cifar10c.read(CELLS, tmp_path)
            assert [path.name for path in home.iterdir()] == ["CIFAR-10-C.tar"]
            assert (home / "CIFAR-10-C.tar").read_bytes() == wrong
        (home / "CIFAR-10-C.tar").write_bytes(content)
        assert set(cifar10c.read(CELLS, tmp_path)[0]) == set(CELLS)
        assert server.asked == []


def test_an_archive_without_all_files_leaves_no_folder(tmp_path, published):
    content = packed(leave_out="snow")
    with serve({"/CIFAR-10-C.tar": content}) as server:
        published(content, server.url)
        with pytest.raises(InputError, match=r"CIFAR-10-C.tar: snow.npy missing"):
            cifar10c.read(CELLS, tmp_path)
    assert [path.name for path in cifar10c_archive.home(tmp_path).parent.iterdir()] == ["CIFAR-10-C.tar"]


def test_a_server_that_refuses_is_one_line_with_status_url_and_a_call(tmp_path, published):
    with serve({"/CIFAR-10-C.tar": 403}) as server:
        published(b"", server.url)
        with pytest.raises(InputError) as caught:
            cifar10c.read(CELLS, tmp_path)
    home = tmp_path / "manual" / "cifar10_corrupted"
    assert str(caught.value) == (
        "cifar10_corrupted is not on this machine and could not be downloaded "
        f"({server.url}/CIFAR-10-C.tar: HTTP status 403 Forbidden): put CIFAR-10-C.tar in {home}, or give a folder "
        "that contains gaussian_noise.npy and the others with --data-dir, or use --dataset digits, which is bundled; "
        'this works offline: data.load("mnist_sample")'
    )
