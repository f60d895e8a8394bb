"""Shared by all tests: no network, no file of the user's, and small data and networks made once a process."""

import os
import tempfile

# Read when Keras and TFDS are first imported: caches of the tests' own, never the user's; TFXFER_CACHE when used.
_HOME = tempfile.mkdtemp(prefix="tfxfer-tests-")
os.environ.update(
    KERAS_HOME=f"{_HOME}/keras",
    TFDS_DATA_DIR=f"{_HOME}/tfds",
    XDG_DATA_DIRS=f"{_HOME}/share",
    TFXFER_CACHE=f"{_HOME}/cache",
    MPLBACKEND="agg",
)


def share_cores(processes: int) -> None:
    """Gives each process its share: with more threads than cores they would spend two fifths of their time waiting."""
    names = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    os.environ.update(dict.fromkeys(names, str(max(1, os.cpu_count() // processes))))


if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    share_cores(int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))  # also read at import

import contextlib  # noqa: E402
import ctypes  # noqa: E402
import gc  # noqa: E402
import gzip  # noqa: E402
import shutil  # noqa: E402
import struct  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import types  # noqa: E402
from pathlib import Path  # noqa: E402

ctypes.CDLL(None).mallopt(-8, 2)  # M_ARENA_MAX: freed memory is scattered over fewer heaps, and goes back sooner

import forked_files  # noqa: E402
import h5py  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import warm  # noqa: E402
from keras.src.backend.common import global_state  # noqa: E402
from keras.src.legacy.saving import legacy_h5_format  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from tfxfer import data, model, train  # noqa: E402
from tfxfer.data import binary_readers  # noqa: E402
from tfxfer.export import parity  # noqa: E402

LONGEST = ("test_notebooks", "test_distribute", "test_fashion", "test_emotion", "test_fitting", "test_benchmarks")


def pytest_collection_modifyitems(items):
    """The longest files first, so that two processes end together."""
    long = {"recipes", "benchmarks", "robustness", "export", "runs", "train"}
    items.sort(key=lambda item: (item.path.stem not in LONGEST, not long & set(item.path.parts)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """Workers of pytest-xdist run each file in a process of its own."""
    return forked_files.run(item, nextitem) if "PYTEST_XDIST_WORKER" in os.environ else None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """A worker of pytest-xdist has ended: it said how much memory each file took."""
    forked_files.PEAKS.update(getattr(node, "workeroutput", {}).get("peaks", {}))


def pytest_terminal_summary(terminalreporter):
    if most := sorted(forked_files.PEAKS.items(), key=lambda peak: -peak[1])[:3]:
        said = ", ".join(f"{name} {peak:,} MB" for name, peak in most)
        terminalreporter.write_line(f"most memory in one process: {said}")


def pytest_sessionfinish(session):
    with contextlib.suppress(AttributeError):  # not a worker of pytest-xdist
        session.config.workeroutput["peaks"] = forked_files.PEAKS
    shutil.rmtree(_HOME, ignore_errors=True)


def free() -> None:
    """Collects what refers to itself, and gives the memory back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(scope="module", autouse=True)
def freed():
    """Networks and graphs refer to themselves: after each file they are collected, and the memory is given back."""
    yield
    free()


@pytest.fixture
def keras_models() -> Path:
    """Keras's cache of application weights, empty."""
    folder = Path(os.environ["KERAS_HOME"]) / "models"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write_idx(path: Path, array: np.ndarray) -> None:
    """Writes uint8 data as IDX, gzipped if the name ends in .gz: an independent writer to test the reader with."""
    content = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_legacy(net: keras.Model, path: Path) -> None:
    """Writes weights in the layout of those that Keras's applications download."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, net)


def make_pictures(n: int, classes: int = 10, side: int = 28, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Learnable images: class c is a bright square at place c of a 4 x 4 grid, in noise. uint8 (n, side, side)."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % classes)
    images = rng.integers(0, 90, (n, side, side))
    step = side // 4
    for image, label in zip(images, labels):
        row, column = divmod(label, 4)
        image[row * step : (row + 1) * step, column * step : (column + 1) * step] += 160
    return images.astype(np.uint8), labels


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Images that have to be there and look like nothing, no two of them equal: uint8."""
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def write_idx_set(folder: Path, train: int = 200, test: int = 50, suffix: str = ".gz", seed: int = 0) -> None:
    """Writes the four files of an MNIST-like data set."""
    for n, part in ((train, 0), (test, 2)):
        images, labels = make_pictures(n, seed=seed + part)
        write_idx(folder / (binary_readers.IDX_FILES[part] + suffix), images)
        write_idx(folder / (binary_readers.IDX_FILES[part + 1] + suffix), labels)


def pytest_configure(config):
    """Processes of pytest-xdist share one warm process; what is imported by now is not searched for garbage."""
    gc.freeze()
    if workers := config.getoption("numprocesses", None):
        share_cores(workers)  # with the processes that are forked
        warm.python()


@pytest.fixture(scope="module", autouse=True)
def warm_reloads(request):
    """What recipes export is reloaded by warm processes; in all other tests, as for users, by fresh ones."""
    with pytest.MonkeyPatch.context() as patch:
        if "recipes" in request.path.parts:
            patch.setattr(parity, "PYTHON", warm.python())
        yield


@pytest.fixture(scope="session")
def pictures() -> data.Splits:
    """300 training and 100 test images of `make_pictures`, 28 x 28 grey, 10 classes."""
    return data.from_arrays(make_pictures(300), make_pictures(100, seed=1))


@pytest.fixture
def small_cnn(pictures) -> keras.Model:
    """An untrained `cnn` on `pictures`."""
    keras.utils.set_random_seed(0)
    return model.build("cnn", pictures, weights="none")


@pytest.fixture
def no_values(monkeypatch):
    """Networks built in the test have layers and shapes, but no values in their weights, which may take gigabytes."""
    monkeypatch.setattr(keras.layers.Layer, "get_weights", lambda layer: [])
    monkeypatch.setattr(keras.layers.Layer, "set_weights", lambda layer, weights: None)
    with keras.StatelessScope(initialize_variables=False):
        yield
    # otherwise the next scope would give all of them values when it ends
    global_state.set_global_attribute("uninitialized_variables", [])


@pytest.fixture(scope="session")
def trained_cnn(pictures) -> keras.Model:
    """A `cnn` that knows `pictures`; tests must not train it on."""
    keras.utils.set_random_seed(0)
    net = model.build("cnn", pictures, weights="none")
    model.unfreeze_last(net, "all")
    train.fit(net, pictures, epochs=8)
    return net


@pytest.fixture(scope="session")
def lite0(pictures) -> keras.Model:
    """EfficientNet-Lite0 with its ImageNet weights at 48 x 48; tests must not train it."""
    keras.utils.set_random_seed(0)  # of the head
    return model.build("efficientnet_lite0", pictures, image_size=48)


@pytest.fixture(scope="session")
def alone() -> list[str]:
    """Put before a command, gives it mounts of its own: by root's right, or in a namespace of the user's."""
    words = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    tried = subprocess.run([*words, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True)
    if tried.returncode:
        pytest.fail(f"the right to mount is needed: be root, or allow user namespaces ({tried.stderr.strip()})")
    return words


@pytest.fixture(scope="module")
def one_thread():
    """Of BLAS: for small products two of them wait for each other when the machine is busy."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture
def torch_names(monkeypatch):
    """Modules of torch's names, so that pickle can write references to them."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "HalfStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch", "__qualname__": name}))

    def _rebuild_tensor_v2(*args):
        raise AssertionError("only its name is written")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch, _rebuild_tensor_v2
