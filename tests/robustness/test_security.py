"""What comes from files and names stays data: no code, no path out of its folder, no markup in a report."""

import dataclasses
import html.parser
import json
import tempfile
import zipfile

import browser
import keras
import numpy as np
import pytest
from conftest import make_pictures
from finished_run import finish

from tfxfer import data, features, model, report, runs
from tfxfer.core import download
from tfxfer.core.errors import InputError
from tfxfer.data import catalog
from tfxfer.features.bank import Bank
from tfxfer.model import backbones
from tfxfer.recipes.shared import run_artifacts
from tfxfer.runs import loading

NASTY = [
    '<script>alert("x")</script>',
    "a' onload='alert(1)",
    '"><img src=x onerror=alert(1)>',
    "&lt;b&gt;",
    "$\\frac$",
]


class Page(html.parser.HTMLParser):
    """Tags, attributes and visible text."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.script, self.scripts = False, 0
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.script = tag == "script"
        self.scripts += self.script
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_endtag(self, tag):
        self.script = False

    def handle_data(self, text):
        self.text += "" if self.script else text


def test_names_of_classes_files_and_arguments_are_no_markup(tmp_path):
    splits = data.from_arrays(make_pictures(60, classes=5), make_pictures(30, classes=5, seed=1), tuple(NASTY))
    splits = dataclasses.replace(splits, name=f"folder:/pictures/{NASTY[0]}", origin=f"/pictures/{NASTY[2]}")
    net = model.build("cnn", splits, weights="none")
    arguments = {"weights": NASTY[0], "backbone": NASTY[2], "data_dir": NASTY[1], "epochs": 1}
    with runs.Run("trial", arguments, tmp_path) as run:
        run.describe(net, splits)
        run.facts["left_out"] = {NASTY[0]: f"{NASTY[2]} could not be read"}
        run.facts["best"] = NASTY[0]
        bank = features.extract(net, splits.test, ("logits",))
        points = {"pca": np.random.default_rng(0).normal(size=(len(bank), 2))}
        run.save_model(net, {"loss": [1.0], "val_loss": [1.0], "accuracy": [0.5], "val_accuracy": [0.5]})
        banks = {"before": Bank(points, bank.labels, bank.ids), NASTY[3]: bank}
        run.save(banks | {"test": bank, "pictures": run_artifacts.pictures(splits, bank["logits"])})
        report.write(run.dir)
    page = Page((run.final / "report.html").read_text())
    assert not page.tags & {"iframe", "object", "embed", "link", "b"}
    assert not {name for name in page.attributes if name.startswith("on")}
    assert page.scripts == 2 + 1 + 1 + 2  # plotly, the page's own, and data: images, a map, curves
    browser.check(run.final / "report.html")  # which fails if one of them opens a window
    for name in NASTY:
        assert name in page.text
    card = (run.final / "model_card.md").read_text()
    assert "<script>" not in card.replace("\\<", "")
    assert (run.final / "labels.txt").read_text().splitlines() == NASTY


@pytest.mark.parametrize("key", ["../" + "a" * 61, "/etc", "a" * 64 + "/../..", "", "A" * 64, 7, None])
def test_a_banks_manifest_names_nothing_outside_of_its_folder(tmp_path, key):
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank" / "bank.json").write_text(json.dumps({"shards": [key]}))
    with pytest.raises(InputError, match="names no shards"):
        Bank.load(tmp_path / "bank")


def test_a_network_with_code_in_it_is_not_run(tmp_path):
    image = keras.Input((2, 2, 1), dtype="uint8")
    keras.Model(image, keras.layers.Lambda(lambda x: x / 0)(image)).save(tmp_path / "model.keras")
    with pytest.raises(InputError, match=r"model\.keras cannot be loaded .*Lambda"):
        loading.network(tmp_path / "model.keras")


@pytest.mark.parametrize("name", ["../escaped", "{home}/escaped", "config.json/../../escaped"])
def test_an_archive_of_a_network_writes_nothing_outside(tmp_path, small_cnn, name, monkeypatch):
    """.keras files are archives: what else is in one stays there."""
    inside, unpacked = tmp_path / "inside", tmp_path / "unpacked"
    inside.mkdir()
    unpacked.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(unpacked))  # where Keras unpacks
    small_cnn.save(inside / "model.keras")
    with zipfile.ZipFile(inside / "model.keras", "a") as archive:
        archive.writestr(name.format(home=tmp_path), "escaped")
    before = sorted(tmp_path.rglob("*"))
    with pytest.warns(UserWarning, match="Skipping invalid path"):
        loading.network(inside / "model.keras")
    assert [path for path in tmp_path.rglob("*") if "escaped" in path.name] == []
    assert {path for path in tmp_path.rglob("*") if unpacked not in path.parents} == set(before)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04torn", b"\x89HDF\r\n\x1a\n"])
def test_a_torn_network_is_one_line(tmp_path, content):
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(InputError, match=r"model\.keras cannot be loaded"):
        loading.network(tmp_path / "model.keras")


def test_data_sets_are_downloaded_with_checksums(tmp_path):
    """By https, but for Fashion-MNIST, whose host has only http: a sha256 is what its files are taken by."""
    import tensorflow_datasets as tfds

    for name, known in catalog.KNOWN.items():
        infos = tfds.builder(name, data_dir=tmp_path).url_infos if known.download else {}
        assert all(len(info.checksum) == 64 for info in infos.values())
        assert name == "fashion_mnist" or all(url.startswith("https://") for url in infos)


def test_weights_are_downloaded_by_https(monkeypatch, keras_models, no_values):
    """With a checksum where Keras has one: it has none for MobileNetV2."""
    asked = {}

    def fetch(url, path, checksum=None):
        asked[path.name] = url, checksum
        raise download.DownloadError("no download in tests")

    monkeypatch.setattr(download, "fetch", fetch)
    for name, row in backbones.TABLE.items():
        if row.imagenet and not row.loads and name != "efficientnet_lite0":
            with pytest.raises(InputError):
                backbones.create(name, (224, 224, 3), "imagenet")
    assert len(asked) >= 3
    assert all(origin.startswith("https://") for origin, _ in asked.values())
    assert {name.split("_weights")[0] for name, (_, digest) in asked.items() if not digest} == {"mobilenet_v2"}


def test_a_run_of_someone_else_reads_no_other_files(tmp_path, pictures, small_cnn):
    """Banks are found by what is in the folder, not by names in run.json."""
    run = finish(tmp_path, pictures, small_cnn)
    facts = json.loads((run.final / "run.json").read_text()) | {"banks": ["../../secret"]}
    (run.final / "run.json").write_text(json.dumps(facts))
    assert list(loading.load(run.final).banks) == ["pictures", "test"]
