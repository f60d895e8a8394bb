import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfxfer import export, model
from tfxfer.errors import InputError


@pytest.fixture(scope="module")
def exported(tmp_path_factory, pictures):
    folder = tmp_path_factory.mktemp("run")
    net = model.build("dropout_cnn", pictures, weights="none", augment=True)
    difference = export.saved_model(net, folder, pictures.rows["test"].images[:20])
    return net, folder, difference


def test_reload_agrees_with_the_network(exported, pictures):
    net, folder, difference = exported
    images = pictures.rows["test"].images[:10]
    signature = tf.saved_model.load(str(folder / "saved_model")).signatures["serving_default"]
    out = signature(image=tf.constant(images))
    assert difference <= export.TOLERANCE
    np.testing.assert_allclose(out["probabilities"], tf.nn.softmax(net(images, training=False)), atol=1e-6)
    np.testing.assert_allclose(tf.reduce_sum(out["probabilities"], -1), np.ones(10), atol=1e-6)
    index = out["probabilities"].numpy().argmax(-1)
    np.testing.assert_array_equal(out["class_index"], index)
    assert [name.decode() for name in out["class_name"].numpy()] == [net.classes[i] for i in index]


def test_augmentation_and_dropout_are_off(exported, pictures):
    _, folder, _ = exported
    embed = tf.saved_model.load(str(folder / "saved_model")).signatures["embed"]
    images = tf.constant(pictures.rows["test"].images[:4])
    first, second = embed(image=images)["embedding"], embed(image=images)["embedding"]
    assert first.shape == (4, 512)
    np.testing.assert_array_equal(first, second)


def test_needs_neither_tfxfer_nor_keras(exported):
    """Loaded in a fresh process in which both cannot be imported."""
    code = (
        "import sys; sys.modules['tfxfer'] = sys.modules['keras'] = None\n"
        "import tensorflow as tf\n"
        f"loaded = tf.saved_model.load({str(exported[1] / 'saved_model')!r})\n"
        "out = loaded.signatures['serving_default'](image=tf.zeros((3, 28, 28, 1), tf.uint8))\n"
        "print(sorted(out), out['probabilities'].shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['class_index', 'class_name', 'probabilities'] (3, 10)"


def test_an_export_that_differs_is_an_error_and_leaves_nothing(tmp_path, pictures, small_cnn, monkeypatch):
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(RuntimeError, match="SavedModel reloaded differs"):
        export.saved_model(small_cnn, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path, small_cnn):
    (tmp_path / "saved_model").mkdir()
    with pytest.raises(InputError, match="saved_model exists: export into another folder"):
        export.saved_model(small_cnn, tmp_path)
