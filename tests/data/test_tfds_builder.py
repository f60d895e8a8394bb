"""Names of TFDS's data sets: known by code, prepared, or neither; and what is downloaded to prepare one."""

import os

import numpy as np
import pytest
import tensorflow_datasets
import tfds_sets
from file_server import serve

from tfxfer import data
from tfxfer.core.errors import InputError
from tfxfer.data import sources, tfds_builder

CONFIGS = [tensorflow_datasets.core.BuilderConfig(name=name) for name in ("near", "far")]


class OwnPets(tensorflow_datasets.core.GeneratorBasedBuilder):
    """A user's own data set, registered by its definition, in two configurations; the files of one are downloaded."""

    VERSION = tensorflow_datasets.core.Version("1.0.0")
    BUILDER_CONFIGS = CONFIGS
    URL = "http://localhost:1/pets.npy"
    MADE = 0

    def _info(self):
        named = tensorflow_datasets.features.FeaturesDict(tfds_sets.FEATURES)
        return tensorflow_datasets.core.DatasetInfo(builder=self, features=named)

    def _split_generators(self, dl_manager):
        OwnPets.MADE += 1
        numbers = np.arange(300)
        if self.builder_config.name == "far":
            numbers = np.load(dl_manager.download(self.URL))
        return {"train": self._generate_examples(numbers)}

    def _generate_examples(self, numbers):
        for number in numbers.tolist():
            yield number, tfds_sets.example(number)


def load(name, folder, **options):
    return data.load(name, folder, image_size=8, **options)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path / "cache"))


def test_names_mean_the_same_in_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tfds:pets").mkdir()
    for name in ("tfds:pets", "tfds:pets/big", "tfds:pets/big:1.0.0", "tfds:pets:1.0.0"):
        assert sources.full_name(name) == name


def test_a_registered_class_is_prepared_once(tmp_path):
    """TFDS writes examples in the order of a hash of their keys; every load gives the same order."""
    OwnPets.MADE = 0
    first, again = load("tfds:own_pets/near", tmp_path), load("tfds:own_pets/near", tmp_path)
    assert OwnPets.MADE == 1
    assert first.fingerprint == again.fingerprint
    assert {split: first.size(split) for split in first.rows} == {"train": 202, "validation": 23, "test": 75}
    assert first.origin == f"TFDS own_pets/near/1.0.0 in {tmp_path}"
    bright = first.rows["test"].images[:].mean((1, 2)).argmax(1)
    np.testing.assert_array_equal(bright, first.rows["test"].labels)
    with pytest.warns(UserWarning, match="tfds:own_pets: of near, far, TFDS's default is used: near"):
        assert load("tfds:own_pets", tmp_path).fingerprint == first.fingerprint


def test_several_files_are_read_in_their_order(tmp_path):
    builder = tensorflow_datasets.builder("own_pets/near", data_dir=tmp_path)
    builder.download_and_prepare(download_config=tensorflow_datasets.download.DownloadConfig(num_shards=5))
    assert len(builder.info.splits["train"].filepaths) == 5
    found = load("tfds:own_pets/near", tmp_path)
    files = found.rows["train"].files
    np.testing.assert_array_equal(files[:20], [files.decode(row) for row in range(20)])
    bright = files[:].mean((1, 2)).argmax(1)
    np.testing.assert_array_equal(bright, found.rows["train"].labels)


def test_data_dir_or_the_environment_says_where(tmp_path, monkeypatch):
    tfds_sets.store(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert load("tfds:pets", None).fingerprint == load("tfds:pets", tmp_path).fingerprint
    with pytest.raises(InputError, match="nowhere is not a folder"):
        load("tfds:pets", tmp_path / "nowhere")


def test_versions_and_configurations_of_a_prepared_set(tmp_path):
    tfds_sets.store(tmp_path)
    tfds_sets.store(tmp_path, splits={"train": range(12)}, version="2.0.0")
    assert sum(load("tfds:pets:1.0.0", tmp_path).size(split) for split in ("train", "validation", "test")) == 24
    assert load("tfds:pets:1.*.*", tmp_path).origin == f"TFDS pets/1.0.0 in {tmp_path}"
    assert load("tfds:pets", tmp_path).origin == f"TFDS pets/2.0.0 in {tmp_path}"
    tfds_sets.store(tmp_path, "birds", config="big")
    assert load("tfds:birds/big", tmp_path).origin == f"TFDS birds/big/1.0.0 in {tmp_path}"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("pet", "unknown data set tfds:pet: expected a name that TFDS knows or has prepared in .*, such as pets"),
        ("xyzxyz", r"unknown data set tfds:xyzxyz: .*, such as birds/big, pets$"),
        ("bean", r"unknown data set tfds:bean: .*, such as beans$"),
        ("birds/bigg", "unknown data set tfds:birds/bigg: .*, such as birds/big"),
        ("pets:9.9.9", "unknown data set tfds:pets:9.9.9: .*, such as pets"),
        (
            "mnist_corrupted/fogg",
            r"tfds:mnist_corrupted/fogg: BuilderConfig fogg not found .*: TFDS has identity, shot",
        ),
        ("beans:9.9.9", "tfds:beans:9.9.9: Dataset beans cannot be loaded at version 9.9.9, only: 0.1.0: TFDS has no"),
        ("a b", "data set tfds:a b: expected tfds:NAME, tfds:NAME/CONFIG or tfds:NAME/CONFIG:VERSION"),
        ("huggingface:mnist", "data set tfds:huggingface:mnist: expected tfds:NAME"),
        ("pets/a=1", "data set tfds:pets/a=1: expected tfds:NAME"),
        ("../pets", r"data set tfds:\.\./pets: expected tfds:NAME"),
    ],
)
def test_other_names(tmp_path, name, line):
    tfds_sets.store(tmp_path, splits={"train": range(3)})
    tfds_sets.store(tmp_path, "birds", splits={"train": range(3)}, config="big")
    with pytest.raises(InputError, match=line):
        load(f"tfds:{name}", tmp_path)


def test_an_empty_folder_points_to_the_catalog(tmp_path):
    with pytest.raises(
        InputError, match=r"unknown data set tfds:xyzxyz: .*; https://www\.tensorflow\.org/datasets/cat"
    ):
        load("tfds:xyzxyz", tmp_path)


def test_without_the_network_one_line_says_what_works(tmp_path):
    tfds_sets.store(tmp_path, "beans", version="0.0.1")
    with pytest.raises(InputError) as caught:
        load("tfds:beans", tmp_path)
    line = str(caught.value)
    assert line.startswith("tfds:beans is not on this machine, and TFDS could not prepare it (DownloadError: https://")
    files = f"): put test.zip, train.zip, validation.zip in {tmp_path}/manual/beans, or give TFDS's folder where it is"
    assert files in line
    assert line.endswith(
        'take a version that is prepared, tfds:beans:0.0.1; this works offline: data.load("mnist_sample")'
    )
    assert load("tfds:beans:0.0.1", tmp_path).size("test") == 6
    assert os.listdir(tmp_path / "beans") == ["0.0.1"]


def test_files_that_tfds_takes_by_name_are_named(tmp_path):
    with pytest.raises(
        InputError, match=f": put cifar-100-binary.tar.gz in {tmp_path}/manual/cifar100, or give TFDS's"
    ):
        load("tfds:cifar100", tmp_path)


def test_code_that_fails_is_one_line(tmp_path, monkeypatch):
    def fail(*_):
        raise ModuleNotFoundError("No module named 'apache_beam'")

    monkeypatch.setattr(OwnPets, "_split_generators", fail)
    with pytest.raises(
        InputError, match=r"could not prepare it \(ModuleNotFoundError: No module named 'apache_beam'\)"
    ):
        load("tfds:own_pets/near", tmp_path)


@pytest.mark.enable_socket
def test_what_is_missing_is_downloaded_by_tfds(tmp_path, monkeypatch):
    np.save(tmp_path / "pets.npy", np.arange(30))
    checksums = tensorflow_datasets.core.download.checksums
    with serve({"/pets.npy": (tmp_path / "pets.npy").read_bytes()}) as server:
        url = f"{server.url}/pets.npy"
        monkeypatch.setattr(OwnPets, "URL", url)
        monkeypatch.setattr(OwnPets, "url_infos", {url: checksums.compute_url_info(tmp_path / "pets.npy")})
        found = load("tfds:own_pets/far", tmp_path)
        assert [path for path, _ in server.asked if path != "/pets.npy"] == []
    assert sum(found.size(split) for split in found.rows) == 30
    again = load("tfds:own_pets/far", tmp_path)
    assert again.fingerprint == found.fingerprint


def test_some_names_of_many():
    assert tfds_builder.some(list("abcdefgh")) == "a, b, c, d, e, f, and 2 more"
    assert tfds_builder.some(["a"]) == "a"
