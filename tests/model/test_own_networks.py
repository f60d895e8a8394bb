import keras
import numpy as np
import pytest
from conftest import make_pictures
from keras import layers

from tfxfer import data, model, train
from tfxfer.core.errors import InputError


@pytest.fixture(scope="module")
def five(pictures) -> data.Splits:
    """Other pictures, of five classes."""
    return data.from_arrays(make_pictures(60, 5, seed=3), make_pictures(20, 5, seed=4))


def maps(net: keras.Model, images: np.ndarray) -> np.ndarray:
    return keras.Model(net.input, net.get_layer("embedding").output)(images, training=False).numpy()


@pytest.mark.parametrize("scaling", [None, "caffe", "torch", "none", "dataset"])
def test_a_saved_network_goes_on_with_a_new_head(pictures, five, tmp_path, scaling):
    """The backbone that was trained, its scaling and its name; augmentation is as the new one is asked for."""
    first = model.build("mobilenet_v2", pictures, 32, "none", scaling=scaling, augment=True)
    path = tmp_path / "first.keras"
    model.save(first, path)
    net = model.build(str(path), five)
    assert net.name == "mobilenet_v2"
    assert net.output_shape == (None, 5)
    assert list(model.stages(net)) == list(model.stages(first))
    assert not any(layer.name.startswith("augment") for layer in net.layers)
    images = five.rows["test"].images
    np.testing.assert_allclose(maps(net, images), maps(first, images), rtol=1e-5, atol=1e-5)
    larger = model.build(path, five, image_size=64)
    assert larger.get_layer("scaled").output.shape == (None, 64, 64, 3)


def test_its_head_can_be_kept(trained_cnn, pictures, tmp_path):
    (tmp_path / "run").mkdir()
    model.save(trained_cnn, tmp_path / "run" / "model.keras")
    net = model.build(tmp_path / "run", pictures, head="keep")
    images = pictures.rows["test"].images
    np.testing.assert_allclose(net(images), trained_cnn(images), rtol=1e-5, atol=1e-5)
    again = model.build(tmp_path / "run", pictures)
    assert np.abs(again(images) - trained_cnn(images)).max() > 0.1
    history = train.fit(again, pictures, 2)
    assert history.facts["frozen_prefix_layers"] == len(model.backbone_layers(trained_cnn))


def test_a_saved_model_of_keras(pictures, tmp_path):
    own = keras.Sequential([keras.Input((28, 28, 1)), layers.Rescaling(1 / 255), layers.Conv2D(4, 3)], name="own")
    own.save(tmp_path / "own.keras")
    net = model.build(tmp_path / "own.keras", pictures)
    assert net.name == "own_transfer"
    assert [layer.name for layer in model.backbone_layers(net)] == [own.layers[1].name]


def test_what_is_no_saved_network(pictures, tmp_path):
    (tmp_path / "broken.keras").write_bytes(b"no archive")
    for backbone, reason in (
        (tmp_path / "missing.keras", r"missing.keras: no such file; expected a .keras file, or the folder of"),
        ("./nowhere", "nowhere: no such file"),
        (tmp_path / "broken.keras", "cannot be loaded"),
    ):
        with pytest.raises(InputError, match=reason):
            model.build(backbone, pictures)
    with pytest.raises(InputError, match=r"brings its weights: leave weights .*w.h5 out"):
        model.build(tmp_path / "broken.keras", pictures, weights="w.h5")
