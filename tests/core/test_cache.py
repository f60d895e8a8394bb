import json
import os
import platform
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from tfxfer.core import atomic, cache_entry
from tfxfer.core import cache as store
from tfxfer.core.cache import Store
from tfxfer.core.errors import InputError

A, B, C, D = ("0a" * 32, "1b" * 32, "2c" * 32, "3d" * 32)
ABOUT = {"model": "net", "layer": "block_3", "data": "digits", "split": "train"}


def fill(cache: Store, key: str, nbytes: int = 1000, **arrays: np.ndarray) -> Path:
    """Writes an entry, of `arrays` or of so many bytes; its folder."""
    arrays = arrays or {"x": np.arange(nbytes) % 251}
    arrays = {k: v.astype(np.uint8) if v.dtype == np.int64 else v for k, v in arrays.items()}
    with cache.write(key, {name: (a.shape, a.dtype) for name, a in arrays.items()}, ABOUT) as places:
        for name, array in arrays.items():
            places[name][...] = array
    return cache.root / key


def used(folder: Path, days_ago: float) -> None:
    moment = time.time() - days_ago * 86400
    os.utime(folder / "manifest.json", (moment, moment))


def tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.fixture
def cache(tmp_path) -> Store:
    return Store(tmp_path / "cache", limit=10_000)


def test_roundtrip_in_another_store(cache):
    rng = np.random.default_rng(0)
    arrays = {
        "float": rng.normal(size=(5, 3, 2)).astype(np.float32),
        "brain/float": rng.normal(size=(7, 4)).astype(ml_dtypes.bfloat16),
        "half": rng.normal(size=(2, 2)).astype(np.float16),
        "none": np.empty((0, 4), np.float32),
        "flag": np.array([True, False]),
    }
    folder = fill(cache, A, **arrays)
    assert tree(folder) == ["0.npy", "1.npy", "2.npy", "3.npy", "4.npy", "manifest.json"]
    assert tree(cache.root) == sorted([A, *(f"{A}/{name}" for name in tree(folder))])
    back = Store(cache.root).open(A)
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert isinstance(back[name], np.memmap)
        assert back[name].dtype == array.dtype
        assert not back[name].flags.writeable
        np.testing.assert_array_equal(back[name], array)
    np.testing.assert_array_equal(np.load(folder / "1.npy"), arrays["brain/float"].view(np.uint16))


def test_no_entry_is_none(cache):
    assert cache.open(A) is None
    assert not cache.root.exists()


@pytest.mark.parametrize("key", ["", "a" * 63, "G" * 64, "../" + "a" * 61, "A" * 64, "a" * 64 + "\n"])
def test_a_bad_key_is_a_bug(cache, key):
    with pytest.raises(ValueError, match="64 hexadecimal"):
        cache.open(key)
    with pytest.raises(ValueError, match="64 hexadecimal"), cache.write(key, {}, {}):
        pass


def truncate(folder):
    os.truncate(folder / "1.npy", 200)


def flip(folder):
    content = bytearray((folder / "1.npy").read_bytes())
    content[-1] ^= 1
    (folder / "1.npy").write_bytes(content)


def edit(folder, **changes):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["arrays"]["b"] |= changes
    (folder / "manifest.json").write_text(json.dumps(manifest))


DAMAGES = {
    "1.npy has 200 bytes, not the 528": truncate,
    "1.npy was changed": flip,
    "1.npy is missing": lambda folder: (folder / "1.npy").unlink(),
    "its manifest is another entry's": lambda folder: shutil.copy(
        fill(Store(folder.parent), B) / "manifest.json", folder
    ),
    "its manifest is missing": lambda folder: (folder / "manifest.json").unlink(),
    "its manifest cannot be read": lambda folder: (folder / "manifest.json").write_bytes(b"\x80garbage"),
    "manifest cannot be read": lambda folder: (folder / "manifest.json").write_text("[1]"),
    "cannot be read; it": lambda folder: (folder / "manifest.json").write_text(
        json.dumps({"key": A, "about": {}, "arrays": 5})
    ),
    "1.npy or its line of the manifest cannot be read": lambda folder: edit(folder, shape=7),
    r"1.npy is <f4 \(100,\), not <f4 \(50, 2\)": lambda folder: edit(folder, shape=[50, 2]),
    r"1.npy is <f4 \(100,\), not bfloat16": lambda folder: edit(folder, dtype="bfloat16"),
    "manifest is missing; it is computed again": lambda folder: [path.unlink() for path in folder.iterdir()],
}


@pytest.mark.parametrize("reason", DAMAGES)
def test_a_damaged_entry_is_told_and_replaced(cache, reason):
    arrays = {"a": np.ones(100, np.float32), "b": np.arange(100, dtype=np.float32)}
    folder = fill(cache, A, **arrays)
    DAMAGES[reason](folder)
    with pytest.warns(UserWarning, match=f"{A}: .*{reason}") as said:
        assert cache.open(A) is None
    assert len(said) == 1
    assert str(said[0].message).endswith("; it is computed again")
    assert "\n" not in str(said[0].message)
    assert said[0].filename == __file__
    fill(cache, A, **arrays)
    np.testing.assert_array_equal(cache.open(A)["b"], arrays["b"])
    assert not list(cache.root.glob(".partial-*"))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_an_exception_leaves_nothing(cache, error):
    with pytest.raises(error), cache.write(A, {"x": ((10,), np.float32)}, ABOUT) as places:
        places["x"][:5] = 1
        assert len(list(cache.root.glob(f".partial-{A}-*"))) == 1
        assert cache.entries() == []
        raise error
    assert tree(cache.root) == []
    assert cache.open(A) is None


def test_what_cannot_be_stored_is_told_before_anything_is_computed(cache):
    for spec, about in (({"x": ((1,), np.dtype(object))}, {}), ({"x": ((1,), ml_dtypes.float8_e4m3fn)}, {})):
        with pytest.raises(ValueError, match="cannot be stored"), cache.write(A, spec, about):
            pytest.fail("the block was entered")
    with pytest.raises(TypeError), cache.write(A, {}, {"path": Path()}):
        pytest.fail("the block was entered")
    assert not cache.root.exists() or tree(cache.root) == []


def test_written_arrays_are_read_only(cache):
    with cache.write(A, {"x": ((3,), np.float32), "y": ((3,), ml_dtypes.bfloat16)}, {}) as places:
        assert not places["x"].any()
    for array in places.values():
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_another_process_was_faster(cache):
    with cache.write(A, {"x": ((3,), np.float32)}, {}) as places:
        fill(cache, A, x=np.full(3, 7, np.float32))
        places["x"][:] = 1
    np.testing.assert_array_equal(cache.open(A)["x"], [7, 7, 7])
    assert tree(cache.root) == [A, f"{A}/0.npy", f"{A}/manifest.json"]


def test_used_longest_ago_goes_first(cache):
    """Of three entries of 3000 bytes the oldest, A, was opened last: to fit a fourth into 10,000, B goes."""
    for days_ago, key in ((3, A), (2, B), (1, C)):
        used(fill(cache, key, 2500), days_ago)
    assert [known.key for known in cache.entries()] == [C, B, A]
    held = cache.open(B)["x"]
    used(cache.root / B, 2)
    cache.open(A)
    assert [known.key for known in cache.entries()] == [A, C, B]
    fill(cache, D, 2500)
    assert [known.key for known in cache.entries()] == [D, A, C]
    assert sum(known.bytes for known in cache.entries()) <= cache.limit
    np.testing.assert_array_equal(held, np.arange(2500) % 251)  # mapped, it outlives its file
    assert not list(cache.root.glob(".partial-*"))


def test_what_is_being_written_counts(cache):
    fill(cache, A, 2000)
    with cache.write(B, {"x": ((6000,), np.uint8)}, {}):
        assert cache.fits(3000)
        assert not cache.fits(5000)
        with pytest.raises(InputError, match="the activations take"), cache.write(C, {"x": ((5000,), np.uint8)}, {}):
            pass
        assert [known.key for known in cache.entries()] == [A]
        with cache.write(C, {"x": ((3000,), np.uint8)}, {}):
            assert cache.entries() == []
    assert {known.key for known in cache.entries()} == {B, C}


def test_too_large_removes_nothing(cache):
    fill(cache, A)
    assert cache.fits(10_000)
    assert not cache.fits(10_001)
    big = Store(cache.root, limit=2_000_000)
    with pytest.raises(InputError) as error, big.write(B, {"x": ((2, 10**10), np.float32)}, {}):
        pass
    assert str(error.value) == (
        "the activations take 80.0 GB, but the cache is limited to 2.0 MB: raise TFXFER_CACHE_GB, or use --cache "
        "memory or off"
    )
    assert tree(cache.root) == [A, f"{A}/0.npy", f"{A}/manifest.json"]


def test_a_full_disk(cache, monkeypatch):
    """Old entries make room on the disk too, if that is enough."""
    for days_ago, key in ((2, A), (1, B)):
        used(fill(cache, key), days_ago)

    def usage(root):
        return shutil._ntuple_diskusage(0, 0, 500 if (cache.root / A).exists() else 1500)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert not cache.fits(9000)
    with (
        pytest.raises(InputError, match=r"has 0\.0 MB left: set TFXFER_CACHE"),
        cache.write(C, {"x": ((9000,), "u1")}, {}),
    ):
        pass
    assert len(cache.entries()) == 2
    assert cache.fits(1000)
    fill(cache, C, 1000)
    assert {known.key for known in cache.entries()} == {B, C}


def test_a_quota_is_met_before_anything_is_computed(cache, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)  # macOS has none
    with pytest.raises(InputError, match=r"cannot be written \(No space left"), cache.write(A, {"x": ((3,), "f4")}, {}):
        pytest.fail("the block was entered")
    assert tree(cache.root) == []


def test_a_root_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("mine")
    cache = Store(tmp_path / "file" / "cache")
    assert not cache.fits(0)
    with pytest.raises(InputError, match=r"cannot be written .*set TFXFER_CACHE"), cache.write(A, {}, {}):
        pass
    assert cache.open(A) is None
    with pytest.raises(InputError, match="set TFXFER_CACHE"):
        Store(tmp_path / "file").entries()
    assert (tmp_path / "file").read_text() == "mine"


def test_abandoned_partial_folders(cache):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    here = f".partial-{A}-{atomic.host()}"

    def make(name, days_ago=0.0):
        folder = cache.root / name
        folder.mkdir(parents=True)
        (folder / "0.npy").write_bytes(b"some")
        for path in (folder / "0.npy", folder):
            os.utime(path, (time.time() - days_ago * 86400,) * 2)
        return folder

    old = [
        make(f"{here}-{int(gone.stdout)}-00000000"),
        make(f"{here}-{os.getpid()}-00000001"),  # of an earlier process with this one's number, as in containers
        make(f".partial-{A}-another-host-1-00000002", days_ago=8),
    ]
    live = [
        make(f"{here}-{os.getppid()}-00000003"),
        make(f"{here}-1-00000004", days_ago=8),  # at work on it for long, or the clock has jumped
        make(f".partial-{A}-{platform.node()}-7-{int(gone.stdout)}-00000006"),  # another container's of the same name
        make(f".partial-{A}-another-host-1-00000005", days_ago=6),
        make(".partial-mine", days_ago=100),
    ]
    with cache.write(B, {}, {}):
        fill(cache, C)  # the same process writes another meanwhile
    assert [path.exists() for path in old] == [False] * 3
    assert all(path.exists() for path in live)
    assert {known.key for known in cache.entries()} == {B, C}


def test_nothing_foreign_is_touched(cache, tmp_path):
    fill(cache, A, 4000)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "manifest.json").write_text("{}")
    (cache.root / "notes").mkdir()
    (cache.root / "notes" / "0.npy").write_text("mine")
    (cache.root / C).mkdir()
    (cache.root / C / "blob").write_text("another program's")
    (cache.root / D).symlink_to(elsewhere)
    (cache.root / ("e" * 64)).write_text("mine")
    before = [path for path in tree(tmp_path) if A not in path]
    fill(cache, B, 9000)
    assert [known.key for known in cache.entries()] == [B]
    cache.remove([B, C, D, "notes"])
    cache.clear()
    assert tree(tmp_path) == before
    for key in (C, D, "e" * 64):
        with pytest.warns(UserWarning, match="computed again"):
            assert cache.open(key) is None
        with pytest.raises(InputError, match="is in the way and was not written by tfxfer"), cache.write(key, {}, {}):
            pass
    assert tree(tmp_path) == before


def test_entries_and_clear(cache):
    assert cache.entries() == []
    assert cache.clear() == 0
    for days_ago, key in ((2, A), (1, B), (3, C)):
        used(fill(cache, key), days_ago)
    (cache.root / B / ".DS_Store").write_bytes(b"x")
    (cache.root / C / "manifest.json").write_text("{")
    used(cache.root / C, 3)
    listed = cache.entries()
    assert [known.key for known in listed] == [B, A, C]
    assert [known.about for known in listed] == [ABOUT, ABOUT, {}]
    assert listed[1].path == cache.root / A
    assert listed[1].bytes == sum(path.stat().st_size for path in (cache.root / A).iterdir())
    assert abs(time.time() - 2 * 86400 - listed[1].last_used.timestamp()) < 60
    assert cache.remove([A, D]) == listed[1].bytes
    assert cache.clear() == listed[0].bytes + listed[2].bytes
    assert tree(cache.root) == []


def test_one_that_cannot_be_removed_stays(cache, monkeypatch):
    fill(cache, A)

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "replace", refuse)
    assert cache.clear() == 0
    assert len(cache.entries()) == 1


def test_a_cache_that_may_only_be_read(cache, monkeypatch):
    fill(cache, A)

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "utime", refuse)
    assert cache.open(A) is not None


def test_root_and_limit_from_the_environment(tmp_path, monkeypatch):
    for name in ("TFXFER_CACHE", "XDG_CACHE_HOME", "TFXFER_CACHE_GB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store().root == tmp_path / ".cache" / "tfxfer"
    assert Store().limit == 50e9
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Store().root == tmp_path / "xdg" / "tfxfer"
    monkeypatch.setenv("TFXFER_CACHE", "~/mine")
    assert Store().root == tmp_path / "mine"
    assert Store(tmp_path / "given").root == tmp_path / "given"
    monkeypatch.setenv("TFXFER_CACHE_GB", "0.5")
    assert Store().limit == 500_000_000
    assert Store(limit=3).limit == 3
    for text in ("much", "nan", "inf", "-1"):
        monkeypatch.setenv("TFXFER_CACHE_GB", text)
        with pytest.raises(InputError, match=f"TFXFER_CACHE_GB is '{text}', expected a number of gigabytes"):
            Store()


def test_needs_no_tensorflow():
    code = "import sys, tfxfer.cli.cache_command; print({'tensorflow', 'keras', 'ml_dtypes'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def test_amount():
    assert [store.amount(n) for n in (0, 1_530_000, 999_000_000, 20e9)] == ["0.0 MB", "1.5 MB", "999.0 MB", "20.0 GB"]


def test_two_processes_at_once(cache):
    """Both write the same keys, over and over, in a store too small for all: what is read is right or absent."""
    code = f"""
import warnings, numpy as np
from tfxfer.store import Store
cache = Store({str(cache.root)!r}, limit=30_000)
warnings.simplefilter("ignore")
for turn in range(40):
    key, value = f"{{turn % 5}}" * 64, turn % 5
    arrays = cache.open(key)
    if arrays is None:
        with cache.write(key, {{"x": ((2000,), np.dtype("f4"))}}, {{}}) as arrays:
            arrays["x"][:] = value
    assert (arrays["x"] == value).all()
"""
    both = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [(one.communicate()[1], one.returncode) for one in both] == [("", 0)] * 2
    assert not list(cache.root.glob(".partial-*"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for known in cache.entries():
            assert cache_entry.find(known.path)
            assert cache.open(known.key) is not None


def test_arrays_that_are_not_hashed_are_compared_in_size_alone(cache):
    """Their reader verifies them; the other arrays of the entry are verified as ever."""
    spec = {"large": ((100,), np.dtype(np.uint8)), "small": ((4,), np.dtype(np.uint8))}
    with cache.write(A, spec, ABOUT, unhashed=("large",)) as arrays:
        arrays["large"][:], arrays["small"][:] = 7, 5
    rows = json.loads((cache.root / A / "manifest.json").read_text())["arrays"]
    assert rows["large"]["sha256"] is None
    assert len(rows["small"]["sha256"]) == 64
    np.load(cache.root / A / "0.npy", mmap_mode="r+")[3] = 8
    assert cache.open(A)["large"][:5].tolist() == [7, 7, 7, 8, 7]
    with (cache.root / A / "0.npy").open("ab") as file:
        file.write(b"x")
    with pytest.warns(UserWarning, match="0.npy has 229 bytes, not the 228 that were written; it is computed again"):
        assert cache.open(A) is None
