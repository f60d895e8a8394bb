"""A network saved and loaded again, in this process and in others."""

import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxfer import data, export, model
from tfxfer.core.errors import InputError
from tfxfer.export import savedmodel

NAMES = ("zero", "one", "zwei", "trois", "四", "five\n5", '"six"', "7", "", "nine")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A network with awkward class names, and its file."""
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)
    labels = np.arange(40) % 10
    splits = data.from_arrays((images[:30], labels[:30]), (images[30:], labels[30:]), NAMES)
    net = model.build("cnn", splits, weights="none")
    path = tmp_path_factory.mktemp("saved") / "new" / "net.keras"
    model.save(net, path)
    return net, path, images


def run(program: str, *arguments: object) -> str:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


FRESH = """
import json, sys
import numpy as np
from tfxfer import export, model

net = model.load(sys.argv[1])
np.save(sys.argv[2] + "/logits.npy", net(np.load(sys.argv[2] + "/images.npy"), training=False))
export.saved_model(net, sys.argv[2])
print(json.dumps(net.classes))
"""


def test_class_names_are_there_in_a_fresh_process(saved, tmp_path):
    """And what it exports knows them."""
    net, path, images = saved
    np.save(tmp_path / "images.npy", images)
    classes = json.loads(run(FRESH, path, tmp_path).splitlines()[-1])
    assert tuple(classes) == NAMES
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), net(images, training=False), atol=1e-5)
    served = tf.saved_model.load(str(tmp_path / "saved_model")).signatures["serving_default"](image=images)
    expected = [NAMES[i] for i in np.argmax(net(images, training=False), 1)]
    assert [name.decode() for name in served["class_name"].numpy()] == expected


KERAS_ALONE = """
import sys
sys.modules["tfxfer"] = None
import keras
import numpy as np

net = keras.models.load_model(sys.argv[1])
np.save(sys.argv[2] + "/logits.npy", net(np.load(sys.argv[2] + "/images.npy"), training=False))
net.save(sys.argv[2] + "/again.keras")
"""


def test_keras_alone_reads_the_file(saved, tmp_path):
    """What it saves itself has no names, which is said where they are needed."""
    net, path, images = saved
    np.save(tmp_path / "images.npy", images)
    run(KERAS_ALONE, path, tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), net(images, training=False), atol=1e-5)
    again = model.load(tmp_path / "again.keras")
    assert again.classes is None
    with pytest.raises(InputError, match=r"cnn has no class names: load it with model\.load"):
        savedmodel.write(again, tmp_path / "saved_model")
    again.classes = list(NAMES)
    export.saved_model(again, tmp_path, images)


def test_the_exported_file_has_them(saved, tmp_path):
    net, _, images = saved
    export.keras(net, tmp_path, images)
    assert tuple(model.load(tmp_path / "model.keras").classes) == NAMES


def test_a_network_without_names(tmp_path):
    image = keras.Input((4,))
    model.save(keras.Model(image, keras.layers.Dense(2)(image)), tmp_path / "net.keras")
    assert model.load(tmp_path / "net.keras").classes is None


def test_saving_replaces_and_is_whole_or_absent(saved, tmp_path, monkeypatch):
    net, _, _ = saved
    model.save(net, tmp_path / "net.keras")
    before = (tmp_path / "net.keras").read_bytes()
    with zipfile.ZipFile(tmp_path / "net.keras") as archive:
        assert archive.namelist().count("classes.json") == 1
    with pytest.raises(OSError, match="full"), monkeypatch.context() as patch:
        patch.setattr(json, "dumps", lambda *args: (_ for _ in ()).throw(OSError("full")))
        model.save(net, tmp_path / "net.keras")
    assert (tmp_path / "net.keras").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["net.keras"]


def test_how_pictures_are_read_for_it(saved, tmp_path):
    """As the data that it was built for was; a file that does not say it means squashed, as those before it did."""
    net, path, _ = saved
    assert (net.aspect, model.load(path).aspect) == ("squash", "squash")
    with zipfile.ZipFile(path) as archive:
        assert "aspect.json" not in archive.namelist()
    splits = data.load("digits", limit=40, aspect="pad")
    other = model.build("cnn", splits, weights="none")
    model.save(other, tmp_path / "net.keras")
    assert other.aspect == model.load(tmp_path / "net.keras").aspect == "pad"
    assert keras.models.load_model(tmp_path / "net.keras").output_shape == (None, 10)
    export.saved_model(model.load(tmp_path / "net.keras"), tmp_path)
    assert savedmodel.aspect_of(tf.saved_model.load(str(tmp_path / "saved_model"))) == "pad"
    assert savedmodel.aspect_of(tf.Module()) == "squash"


@pytest.mark.parametrize("content", ["", "{}", '"stretch"', "null", "[" * 100_000])
def test_an_aspect_that_is_none(saved, tmp_path, content):
    net, _, _ = saved
    net.save(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras", "a") as archive:
        archive.writestr("aspect.json", content)
    with pytest.raises(InputError, match=r"net\.keras cannot be loaded"):
        model.load(tmp_path / "net.keras")


@pytest.mark.parametrize("content", ["", "{}", "[1, 2]", '"names"', "[" * 100_000])
def test_names_that_are_none(saved, tmp_path, content):
    net, _, _ = saved
    net.save(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras", "a") as archive:
        archive.writestr("classes.json", content)
    with pytest.raises(InputError, match=r"net\.keras cannot be loaded"):
        model.load(tmp_path / "net.keras")
