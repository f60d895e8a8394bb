import sys

import pytest
import tensorflow_datasets
from conftest import write_idx_set
from file_server import serve

from tfxfer.core.errors import InputError
from tfxfer.data import binary_readers, sources, tfds


def test_its_folder_is_tfdss_own(monkeypatch, tmp_path):
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert str(tfds.folder(None)) == tensorflow_datasets.core.constants.get_default_data_dir()
    monkeypatch.setenv("TFDS_DATA_DIR", "/data")
    assert str(tfds.folder(None)) == tensorflow_datasets.core.constants.get_default_data_dir() == "/data"
    assert tfds.folder(tmp_path) == tmp_path


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (
            "class VersionError(Exception): pass\n"
            "raise VersionError('Detected incompatible Protobuf\\nGencode/Runtime versions')",
            "VersionError: Detected incompatible Protobuf Gencode/Runtime versions",
        ),
        ("import tensorflow_metadata_of_another_version", "ModuleNotFoundError: No module named"),
    ],
)
def test_a_broken_tfds_is_one_line(tmp_path, monkeypatch, broken, reason):
    """As tensorflow-metadata 1.21 breaks it, by an exception of protobuf's own."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorflow_datasets"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "tensorflow_datasets.py").write_text(broken)
    with pytest.raises(InputError) as caught:
        sources.find("mnist")
    assert str(caught.value).startswith(f"TFDS, which prepares data sets, cannot be imported ({reason}")
    assert str(caught.value).endswith(": pip install tensorflow-datasets 'tensorflow-metadata<1.18'")


@pytest.mark.enable_socket
def test_what_is_missing_is_downloaded_into_the_manual_folder(tmp_path, monkeypatch):
    """Three files from the server, one from the user; TFDS itself asks no one."""
    module = tensorflow_datasets.image_classification.mnist
    monkeypatch.setattr(module, "_TRAIN_EXAMPLES", 200)
    monkeypatch.setattr(module, "_TEST_EXAMPLES", 50)
    write_idx_set(tmp_path / "made")
    names = [f"{name}.gz" for name in binary_readers.IDX_FILES]
    manual = tmp_path / "manual" / "mnist"
    manual.mkdir(parents=True)
    (manual / names[0]).write_bytes((tmp_path / "made" / names[0]).read_bytes())
    checksums = tensorflow_datasets.core.download.checksums
    with serve({f"/{name}": (tmp_path / "made" / name).read_bytes() for name in names}) as server:
        infos = {}
        for name in names:
            made = checksums.compute_url_info(tmp_path / "made" / name)
            infos[f"{server.url}/{name}"] = checksums.UrlInfo(size=made.size, checksum=made.checksum, filename=name)
        monkeypatch.setattr(checksums, "get_all_url_infos", lambda: infos)
        monkeypatch.setattr(tensorflow_datasets.builder_cls("mnist"), "url_infos", infos)
        monkeypatch.setattr(module.MNIST, "URL", f"{server.url}/")
        with pytest.warns(UserWarning, match="200 training"):
            found = sources.find("mnist", tmp_path)
        assert sorted(path for path, _ in server.asked) == sorted(f"/{name}" for name in names[1:])
    assert len(found.train.labels) == 200
    assert {path.name for path in manual.iterdir()} == set(names)
