import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import requests
import tensorflow_datasets as tfds
from conftest import make_pictures, write_idx, write_idx_set
from PIL import Image
from sklearn.datasets import load_digits

from tfxfer import data
from tfxfer.core.errors import InputError
from tfxfer.data import binary_readers, catalog, sources

SUBSET = "used as a subset"


@pytest.mark.parametrize("below", ["", "mnist"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_data_dir_is_searched_itself_and_by_name(tmp_path, below, suffix):
    write_idx_set(tmp_path / below, suffix=suffix)
    with pytest.warns(UserWarning, match=f"200 training \\+ 50 test images, not 60,000 \\+ 10,000: {SUBSET}"):
        found = sources.find("mnist", tmp_path)
    np.testing.assert_array_equal(found.train.images[..., 0], make_pictures(200)[0])
    np.testing.assert_array_equal(found.test.labels, make_pictures(50, seed=2)[1])
    assert found.origin == str(tmp_path / below)


def test_own_folder_comes_before_the_shared_one(tmp_path):
    """MNIST and Fashion-MNIST share file names: a folder with the data set's name wins over its parent."""
    write_idx_set(tmp_path, train=100)
    write_idx_set(tmp_path / "fashion_mnist", train=150)
    with pytest.warns(UserWarning, match=SUBSET):
        assert len(sources.find("fashion_mnist", tmp_path).train.labels) == 150


def test_system_share_is_searched_after_data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_DIRS", f"{tmp_path / 'none'}:{tmp_path / 'share'}")
    write_idx_set(tmp_path / "share/datasets/fashion-mnist")
    (tmp_path / "empty").mkdir()
    with pytest.warns(UserWarning, match=SUBSET):
        found = sources.find("fashion_mnist", tmp_path / "empty")
    assert found.origin == str(tmp_path / "share/datasets/fashion-mnist")
    assert found.classes[9] == "Ankle boot"


def test_whole_data_set_gives_no_warning(tmp_path, monkeypatch):
    known = catalog.Known("test", tuple("0123456789"), (200, 50), binary_readers.IDX_FILES)
    monkeypatch.setitem(catalog.KNOWN, "mnist", known)
    write_idx_set(tmp_path)
    assert sources.find("mnist", tmp_path).classes == known.classes


def test_a_missing_file_is_named(tmp_path):
    write_idx_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match="t10k-labels-idx1-ubyte missing"):
        sources.find("mnist", tmp_path)


def test_idx_path_takes_classes_from_training_labels(tmp_path):
    write_idx_set(tmp_path)
    assert sources.find(f"idx:{tmp_path}").classes == tuple("0123456789")
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.arange(200) % 5 * 3 + 1)  # 1, 4, 7, 10, 13
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.full(50, 10))
    found = sources.find(f"idx:{tmp_path}")
    assert found.classes == ("1", "4", "7", "10", "13")
    assert found.train.labels[:6].tolist() == [0, 1, 2, 3, 4, 0]
    assert set(found.test.labels) == {3}
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.full(50, 2))
    with pytest.raises(InputError, match="label 2 is not among the training labels"):
        sources.find(f"idx:{tmp_path}")


def test_idx_path_refuses_sizes_that_differ(tmp_path):
    write_idx_set(tmp_path)
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", np.zeros((50, 8, 8)))
    with pytest.raises(InputError, match="differ in size"):
        sources.find(f"idx:{tmp_path}")


def test_cifar10_binary_folder(tmp_path):
    rng = np.random.default_rng(0)
    for number, name in enumerate(binary_readers.CIFAR10_FILES):
        rows = rng.integers(0, 256, (4, 3073)).astype(np.uint8)
        rows[:, 0] = number
        (tmp_path / name).write_bytes(rows.tobytes())
    with pytest.warns(UserWarning, match="20 training"):
        found = sources.find("cifar10", tmp_path)
    assert found.train.images.shape == (20, 32, 32, 3)
    assert found.train.labels.tolist() == np.repeat(np.arange(5), 4).tolist()
    assert found.test.labels.tolist() == [5] * 4


def test_digits_are_scaled_to_bytes():
    found = sources.find("digits")
    assert found.test is None
    assert found.train.images.shape == (1797, 8, 8, 1)
    expected = np.round(load_digits().images * 255 / 16)
    np.testing.assert_array_equal(found.train.images[..., 0], expected)
    assert found.train.images.max() == 255


def test_the_mnist_sample_is_the_ten_thousand_digits_it_says():
    """Counts by class are those of the first 10,000 of MNIST's training set; the checksums are those of the arrays."""
    found = sources.find("mnist_sample")
    first_of_mnist = [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
    test_counts = [217, 245, 186, 204, 191, 184, 203, 188, 189, 193]
    assert np.bincount(found.train.labels).tolist() == np.subtract(first_of_mnist, test_counts).tolist()
    assert np.bincount(found.test.labels).tolist() == test_counts
    assert found.classes == tuple("0123456789")
    arrays = (found.train.images, found.train.labels, found.test.images, found.test.labels)
    assert [array.shape for array in arrays] == [(8000, 28, 28, 1), (8000,), (2000, 28, 28, 1), (2000,)]
    assert [hashlib.sha256(array.astype(np.uint8).tobytes()).hexdigest() for array in arrays] == [
        "ea226469434375acc41a92827ee81bf7d976c4dd469ad455b6baf63fe174be6c",
        "57be2664eaa60be3e155b128c979bae110eb48e875d6861ff49429bd2d3fd13c",
        "13b64fa627bd6b214a50520a816ffbb18bc48c213982163566df8a5c45bd66fb",
        "6709dfde136192ba94b4deeb713b137828d6d83e417e7a0e1f617049cae17ee7",
    ]
    assert "Yann LeCun and Corinna Cortes, CC BY-SA 3.0" in found.origin  # goes into every report


def test_the_mnist_sample_needs_no_folder_and_no_network(tmp_path):
    splits = data.load("mnist_sample", strict=True)  # no image is in two splits
    assert {split: splits.size(split) for split in ("train", "validation", "test")} == {
        "train": 7200,
        "validation": 800,
        "test": 2000,
    }
    with pytest.raises(InputError, match="was given for mnist_sample, which does not look there: leave it out"):
        sources.find("mnist_sample", tmp_path)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("imagenet", "unknown data set 'imagenet': expected one of digits, mnist"),
        ("idx:", "unknown data set 'idx:'"),
        ("folder:/nowhere/at/all", "is not a folder"),
        ("idx:/nowhere/at/all", "missing"),
    ],
)
def test_unknown_names_and_paths(name, complaint):
    with pytest.raises(InputError, match=complaint):
        sources.find(name)


def test_data_dir_must_exist(tmp_path):
    with pytest.raises(InputError, match="is not a folder: give the folder"):
        sources.find("mnist", tmp_path / "nothing")


# --- TFDS: files of the real names and layout, made here; its checksums replaced by theirs ---


@pytest.fixture
def made_checksums(monkeypatch):
    """Lets TFDS accept the files made here, by their own sha256: everything else is TFDS's own way."""

    checksums = tfds.core.download.checksums

    def infos_of(name, folder):
        for url, info in tfds.builder_cls(name).url_infos.items():
            made = checksums.compute_url_info(folder / info.filename)
            yield url, checksums.UrlInfo(size=made.size, checksum=made.checksum, filename=info.filename)

    def accept(folders):
        infos = {name: dict(infos_of(name, folder)) for name, folder in folders.items()}
        everything = checksums.get_all_url_infos() | {k: v for part in infos.values() for k, v in part.items()}
        monkeypatch.setattr(checksums, "get_all_url_infos", lambda: everything)
        for name, part in infos.items():
            monkeypatch.setattr(tfds.builder_cls(name), "url_infos", part)

    return accept


def test_tfds_prepares_from_its_own_manual_folder(tmp_path, monkeypatch, made_checksums):
    """The four files in manual/mnist, no network; another set of the same names in manual/fashion_mnist."""
    module = tfds.image_classification.mnist
    monkeypatch.setattr(module, "_TRAIN_EXAMPLES", 200)
    monkeypatch.setattr(module, "_TEST_EXAMPLES", 50)
    for seed, name in enumerate(("mnist", "fashion_mnist")):
        write_idx_set(tmp_path / "manual" / name, seed=10 * seed)
    made_checksums({name: tmp_path / "manual" / name for name in ("mnist", "fashion_mnist")})
    for seed, name in enumerate(("mnist", "fashion_mnist")):
        with pytest.warns(UserWarning, match=SUBSET):
            found = sources.find(name, tmp_path)
        assert found.origin == f"TFDS {name}/3.0.1 in {tmp_path}"
        expected, labels = make_pictures(200, seed=10 * seed)
        order = np.argsort(_keys(expected))
        got = np.argsort(_keys(found.train.images[..., 0]))  # TFDS shuffles when it writes
        np.testing.assert_array_equal(found.train.images[got, ..., 0], expected[order])
        np.testing.assert_array_equal(found.train.labels[got], labels[order])
    for path in (tmp_path / "manual").rglob("*.gz"):
        path.unlink()  # prepared once, the files are needed no more
    with pytest.warns(UserWarning, match=SUBSET):
        assert len(sources.find("mnist", tmp_path).test.labels) == 50


def _keys(images):
    return [image.tobytes() for image in images]


def test_tfds_reads_cifar10_from_the_official_archive(tmp_path, monkeypatch, made_checksums):
    folder = tmp_path / "manual" / "cifar10"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as archive:
        contents = {name: _cifar_rows(rng) for name in binary_readers.CIFAR10_FILES}
        contents["batches.meta.txt"] = "\n".join(catalog.KNOWN["cifar10"].classes).encode()
        for name, content in contents.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    made_checksums({"cifar10": folder})
    with pytest.warns(UserWarning, match="50 training"):
        found = sources.find("cifar10", tmp_path)
    first = np.frombuffer(contents["data_batch_1.bin"], np.uint8)[1:3073].reshape(3, 32, 32).transpose(1, 2, 0)
    assert any(np.array_equal(image, first) for image in found.train.images)
    assert found.test.images.shape == (10, 32, 32, 3)


def _cifar_rows(rng) -> bytes:
    rows = rng.integers(0, 256, (10, 3073)).astype(np.uint8)
    rows[:, 0] = np.arange(10)
    return rows.tobytes()


def test_tfds_refuses_files_of_another_checksum(tmp_path):
    write_idx_set(tmp_path / "manual" / "mnist")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.gz")}
    with pytest.raises(
        InputError, match=r"mnist: TFDS refuses a file because its checksum differs .* --data-dir"
    ) as caught:
        sources.find("mnist", tmp_path)
    assert "\n" not in str(caught.value)
    assert before == {path: path.read_bytes() for path in (tmp_path / "manual").rglob("*.gz")}


@pytest.mark.parametrize("answer", [None, 403])
def test_offline_is_one_line_that_names_the_ways(tmp_path, monkeypatch, answer):
    def offline(*args, **kwargs):
        if answer is None:
            raise requests.exceptions.ConnectionError("no route")
        refused = requests.Response()
        refused.status_code = answer
        return refused

    monkeypatch.setattr(requests, "get", offline)
    with pytest.raises(InputError, match="mnist is not on this machine") as caught:
        sources.find("mnist", tmp_path)
    for way in (str(tmp_path / "manual" / "mnist"), "train-images-idx3-ubyte.gz", "--data-dir", "--dataset digits"):
        assert way in str(caught.value)
    assert not list((tmp_path).rglob("*.gz"))


def test_a_folders_path_is_a_data_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    write_idx_set(tmp_path / "numbers")
    for folder in ("faces", "mnist", "a:b"):
        (tmp_path / folder).mkdir()
    for name, full in (
        ("faces", f"folder:{tmp_path}/faces"),
        ("./faces/", f"folder:{tmp_path}/faces"),
        ("~/faces", f"folder:{tmp_path}/faces"),
        (Path("faces"), f"folder:{tmp_path}/faces"),
        ("folder:faces", f"folder:{tmp_path}/faces"),
        ("folder:~/faces", f"folder:{tmp_path}/faces"),
        ("folder:later", f"folder:{tmp_path}/later"),
        ("a:b", f"folder:{tmp_path}/a:b"),
        ("numbers", f"idx:{tmp_path}/numbers"),
        ("idx:numbers", f"idx:{tmp_path}/numbers"),
        ("folder:numbers", f"folder:{tmp_path}/numbers"),
        ("mnist", "mnist"),  # a known name wins
        ("./mnist", f"folder:{tmp_path}/mnist"),
        (Path("mnist"), f"folder:{tmp_path}/mnist"),
        ("cifar10_corrupted/fog_5", "cifar10_corrupted/fog_5"),
        ("imagenet", "imagenet"),  # refused by find
    ):
        assert sources.full_name(name) == full
        assert sources.full_name(full) == full
    for missing in ("./facs", "photos/facs", Path("facs"), "~nobody/x"):
        with pytest.raises(
            InputError, match=r"(facs|nobody/x): no such folder: expected one of digits, .*folder's path"
        ):
            sources.full_name(missing)


def test_a_folder_loads_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, image in enumerate(make_pictures(24)[0]):
        (tmp_path / "faces" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "faces" / "ab"[number % 2] / f"{number}.png")
    plain, long = (data.load(name, image_size=8) for name in ("faces", f"folder:{tmp_path}/faces"))
    assert plain.name == long.name == f"folder:{tmp_path}/faces"
    assert plain.fingerprint == long.fingerprint
    write_idx_set(tmp_path / "numbers")
    assert data.load("numbers").fingerprint == data.load("idx:numbers").fingerprint
