"""CIFAR-10-C's own layout (19 files of 50,000 rows), TFDS's configurations of it, CIFAR-10's Python version."""

import io
import pickle
import tarfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from cifar_files import LABELS, write_folder

from tfxfer import data
from tfxfer.core.errors import InputError
from tfxfer.data import cifar10c, cifar_pickle, sources
from tfxfer.data import tfds as tfds_sources
from tfxfer.data.corruptions import NAMES

ZEROS = pytest.mark.filterwarnings("ignore:.*images that occur more than once")  # as most of the files' images are


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    rng = np.random.default_rng(1)
    pixels = {("fog", 40_000): rng.integers(0, 256, (10_000, 32, 32, 3))}
    return write_folder(tmp_path_factory.mktemp("data") / "CIFAR-10-C", pixels)


def test_a_cell_is_ten_thousand_mapped_rows(folder):
    for data_dir in (folder, folder.parent):
        files, labels, origin = cifar10c.read((("fog", 5), ("fog", 1), ("snow", 2)), data_dir)
        assert origin == str(folder)
        np.testing.assert_array_equal(labels, LABELS)
        whole = np.load(folder / "fog.npy", mmap_mode="r")
        np.testing.assert_array_equal(files["fog", 5][3], whole[40_003])
        assert files["fog", 5][3].any()
        assert not files["fog", 1][3].any()
        assert not files["snow", 2][3].any()
        assert all(isinstance(array, np.memmap) and array.shape == (10_000, 32, 32, 3) for array in files.values())


@ZEROS
def test_loaded_alone_it_is_divided_by_base_image(folder):
    splits = data.load("cifar10_corrupted/fog", folder, limit=4000)
    assert [splits.size(name) for name in ("train", "validation", "test")] == [4000, 1000, 1000]
    assert splits.name == "cifar10_corrupted/fog"
    assert splits.classes[:2] == ("airplane", "automobile")
    for example in splits.test.take(20):
        base, severity = int(example["base"]) - 50_000, int(example["severity"])
        assert NAMES[int(example["corruption"])] == "fog"
        expected = np.load(folder / "fog.npy", mmap_mode="r")[(severity - 1) * 10_000 + base]
        np.testing.assert_array_equal(example["image"], expected)
        assert example["label"] == LABELS[base]
    learned, tested = splits.bases("train", "validation"), splits.bases("test")
    assert not set(learned) & set(tested)
    one = data.load("cifar10_corrupted/fog_5", folder)
    assert sum(one.size(name) for name in ("train", "validation", "test")) == 10_000
    assert set(one.rows["test"].facts["severity"]) == {5}
    assert one.fingerprint != data.load("cifar10_corrupted/fog_4", folder).fingerprint


@ZEROS
def test_a_limit_takes_images_of_all_classes(folder):
    splits = data.load("cifar10_corrupted", folder, limit=100)
    for split, size in (("train", 100), ("validation", 25), ("test", 25)):
        assert splits.size(split) == len(splits.bases(split)) == size
        assert np.ptp(np.bincount(splits.rows[split].labels, minlength=10)) <= 1
    assert len(np.unique(splits.rows["train"].facts["corruption"])) > 15
    with pytest.raises(InputError, match="limit 9 is less than one image for each of the 10 classes: raise it"):
        data.load("cifar10_corrupted", folder, limit=9)


def test_its_labels_must_be_those_of_the_test_images(folder):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (100, 32, 32, 3)).astype(np.uint8)
    clean = data.from_arrays((images ^ 1, LABELS[:100]), (images, LABELS[:100]))
    with pytest.raises(InputError, match="its labels are not those of the test images of arrays"):
        data.CorruptedCopy.published(clean, [("fog", 1)], folder)


def broken(tmp_path, name, array):
    folder = write_folder(tmp_path / "CIFAR-10-C")
    np.save(folder / name, array, allow_pickle=True)
    return folder


@pytest.mark.parametrize(
    ("name", "array", "complaint"),
    [
        (
            "fog.npy",
            np.zeros((49_999, 1, 1, 3), np.uint8),
            r"fog.npy: uint8 \(49999, 1, 1, 3\), expected uint8 \(50000, 32",
        ),
        ("snow.npy", np.array([{"a": 1}] * 3, object), "snow.npy: not a plain .npy file .*Python objects"),
        ("labels.npy", np.full(50_000, 10), "labels.npy: int64 from 10 to 10, expected integers 0 to 9"),
        ("labels.npy", np.full(50_000, -1), "labels.npy: int64 from -1"),
        ("labels.npy", np.zeros(50_000, np.float32), "labels.npy: float32 from"),
        ("labels.npy", np.arange(50_000) % 7, "labels.npy: differs between severities"),
        ("labels.npy", np.zeros(10_000, np.int64), r"labels.npy: int64 \(10000,\), expected integers \(50000,\)"),
    ],
)
def test_bad_files_are_named(tmp_path, name, array, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        cifar10c.read((("fog", 1),), broken(tmp_path, name, array))
    assert "\n" not in str(caught.value)


def test_float_images_missing_and_torn_files_are_named(tmp_path):
    folder = write_folder(tmp_path / "CIFAR-10-C")
    np.lib.format.open_memmap(folder / "fog.npy", "w+", np.float32, cifar10c.SHAPE)
    with pytest.raises(InputError, match=r"fog.npy: float32 .*expected uint8"):
        cifar10c.read((("snow", 1),), folder)
    (folder / "fog.npy").write_bytes((folder / "snow.npy").read_bytes()[:10_000])
    with pytest.raises(InputError, match=r"fog.npy: not a plain .npy file"):
        cifar10c.read((("snow", 1),), folder)
    (folder / "fog.npy").unlink()
    with pytest.raises(InputError, match=r"CIFAR-10-C: fog.npy missing, expected CIFAR-10-C's 19 files"):
        cifar10c.read((("snow", 1),), folder)


def test_tfds_names_of_corruptions_are_known():
    assert cifar10c.parse("cifar10_corrupted/frosted_glass_blur_3") == (("glass_blur", 3),)
    assert cifar10c.parse("cifar10_corrupted/elastic") == tuple(("elastic_transform", number) for number in range(1, 6))
    assert cifar10c.parse("cifar10_corrupted/glass_blur_3") == (("glass_blur", 3),)


@pytest.mark.parametrize("name", ["cifar10_corrupted/rain", "cifar10_corrupted/fog_6", "cifar10_corrupted/fog_"])
def test_unknown_corruptions(name, tmp_path):
    with pytest.raises(
        InputError, match=r"unknown data set 'cifar10_corrupted/.*severity 1 to 5 and one of gaussian_noise"
    ):
        data.load(name, tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        data.load("cifar10_corrupted", tmp_path / "nothing")


# --- what TFDS has prepared, from an archive of the real name and layout, made small: the rows' order comes back ---


def test_tfds_configurations_with_their_own_names(tmp_path, monkeypatch):
    manual = tmp_path / "manual" / "cifar10_corrupted"
    manual.mkdir(parents=True)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 60)
    arrays = {name: rng.integers(0, 256, (300, 32, 32, 3)).astype(np.uint8) for name in ("glass_blur", "fog")}
    with tarfile.open(manual / "CIFAR-10-C.tar", "w") as archive:
        for name, array in (arrays | {"labels": np.tile(labels, 5)}).items():
            file = io.BytesIO()
            np.save(file, array)
            member = tarfile.TarInfo(f"CIFAR-10-C/{name}.npy")
            member.size = file.tell()
            file.seek(0)
            archive.addfile(member, file)
    checksums = tfds.core.download.checksums
    builder = tfds.builder_cls("cifar10_corrupted")
    (url,) = builder.url_infos
    made = checksums.compute_url_info(manual / "CIFAR-10-C.tar")
    info = {url: checksums.UrlInfo(size=made.size, checksum=made.checksum, filename="CIFAR-10-C.tar")}
    monkeypatch.setattr(checksums, "get_all_url_infos", lambda: info)
    monkeypatch.setattr(builder, "url_infos", info)
    for configuration in ("frosted_glass_blur_2", "fog_5"):
        prepared = tfds.builder(f"cifar10_corrupted/{configuration}", data_dir=tmp_path)
        prepared.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=manual))
    files, found, origin = cifar10c.read((("glass_blur", 2), ("fog", 5)), tmp_path)
    np.testing.assert_array_equal(found, labels)
    np.testing.assert_array_equal(files["glass_blur", 2], arrays["glass_blur"][60:120])
    np.testing.assert_array_equal(files["fog", 5], arrays["fog"][240:])
    assert origin.startswith("TFDS cifar10_corrupted/")


def test_cifar10_from_tfds_is_in_the_order_of_its_files(monkeypatch):
    def load(name, known, data_dir):
        part = {"image": np.arange(3 * 3072, dtype=np.uint8).reshape(3, 32, 32, 3), "label": np.array([5, 6, 7])}
        part["id"] = np.array([b"test_00002", b"test_00000", b"test_00001"])
        return {"train": part, "test": part}, "TFDS"

    monkeypatch.setattr(tfds_sources, "load", load)
    with pytest.warns(UserWarning, match="used as a subset"):
        found = sources.find("cifar10")
    assert found.test.labels.tolist() == [6, 7, 5]
    assert found.test.images[2, 0, 0, 0] == 0


# --- CIFAR-10's Python version ---


def write_batch(path, images, labels, head=b"\x80\x02"):
    """As Python 2 and NumPy 1 wrote them, opcode by opcode."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    numbers = b"".join(b"K" + bytes([label]) for label in labels)
    raw = images.transpose(0, 3, 1, 2).tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    kind = (
        b"cnumpy\ndtype\n"
        + text(b"u1")
        + b"K\x00K\x01\x87R(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    shape = b"J" + len(labels).to_bytes(4, "little") + b"M\x00\x0c\x86"
    state = b"(K\x01" + shape + kind + b"\x89T" + len(raw).to_bytes(4, "little") + raw + b"tb"
    content = b"}(" + text(b"batch_label") + text(b"testing batch 1 of 1") + text(b"labels") + b"](" + numbers + b"e"
    content += text(b"data") + array + state + text(b"filenames") + b"](" + text(b"a.png") * len(labels) + b"eu."
    path.write_bytes(head + content)


def test_python_batches_are_found_and_read(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for number, name in enumerate(cifar_pickle.FILES):
        images = rng.integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
        write_batch(folder / name, images, [number] * 4)
    with pytest.warns(UserWarning, match="20 training"):
        found = sources.find("cifar10", tmp_path)
    np.testing.assert_array_equal(found.test.images, images)
    assert found.train.labels.tolist() == np.repeat(np.arange(5), 4).tolist()
    known = pickle.loads((folder / "test_batch").read_bytes(), encoding="bytes")  # what was made here is a true pickle
    np.testing.assert_array_equal(known[b"data"].reshape(4, 3, 32, 32).transpose(0, 2, 3, 1), images)
    (folder / "test_batch").unlink()
    with pytest.raises(InputError, match="test_batch missing"):
        sources.find("cifar10", tmp_path)


def test_bad_batches_end_in_one_line(tmp_path):
    images = np.zeros((3, 32, 32, 3), np.uint8)
    write_batch(tmp_path / "good", images, [0, 1, 2])
    good = (tmp_path / "good").read_bytes()
    evil = b"\x80\x02cposix\nsystem\nU\x09touch evilR."
    write_batch(tmp_path / "labels", images, [0, 1, 10])
    write_batch(tmp_path / "count", images, [0, 1])
    for name, content, complaint in [
        ("cut", good[:5000], "truncated"),
        ("empty", b"", "truncated"),
        ("evil", evil, "contains posix.system, which no such file needs: refused"),
        ("none", pickle.dumps({b"data": 1, b"labels": [1]}), "no attribute"),
        ("labels", None, "labels are not integers from 0 to 9"),
        ("count", None, "for 2 labels"),
    ]:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(
            InputError, match=f"{name}: not a batch of CIFAR-10's Python version .*{complaint}"
        ) as caught:
            cifar_pickle.read(tmp_path / name)
        assert "\n" not in str(caught.value)
