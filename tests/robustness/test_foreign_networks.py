"""Networks that tfxfer does not know go through everything that it does: random weights, small images."""

import json
import subprocess
from pathlib import Path

import hub_files
import keras
import numpy as np
import pytest
import warm
from conftest import make_pictures
from keras import layers

from tfxfer import analysis, data, export, features, model, train
from tfxfer.train import checkpoints, loop

SIZE = 32


def make_photos() -> data.Splits:
    """44 training and 12 test images of 32 x 32 RGB, in two classes."""
    pairs = [make_pictures(n, 2, SIZE, seed) for n, seed in ((48, 0), (12, 1))]
    return data.from_arrays(*((np.repeat(images[..., None], 3, -1), labels) for images, labels in pairs))


def guide(dropout: float = 0.2) -> keras.Model:
    """As Keras's guide writes it: augmentation and a base model within a Sequential."""
    inner = [layers.Conv2D(8, 3, strides=2), layers.BatchNormalization(), layers.ReLU(), layers.Conv2D(8, 3, strides=2)]
    base = keras.Sequential([keras.Input((SIZE, SIZE, 3)), *inner], name="base")
    varied = keras.Sequential([keras.Input((SIZE, SIZE, 3)), layers.RandomFlip("horizontal")], name="varied")
    end = [layers.GlobalAveragePooling2D(), layers.Dropout(dropout), layers.Dense(1)]
    return keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), varied, layers.Rescaling(1 / 127.5, -1), base, *end], name="g"
    )


def branches() -> keras.Model:
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="stem")(x)
    left = layers.Conv2D(8, 3, strides=2, padding="same", name="left")(x)
    right = layers.Conv2D(4, 1, name="right")(layers.MaxPooling2D()(x))
    x = layers.ReLU(name="both")(layers.Concatenate()([left, right]))
    return keras.Model(image, layers.Conv2D(8, 3, name="end")(x), name="branches")


def preset(folder) -> str:
    import keras_hub

    net = keras_hub.models.ResNetBackbone(**hub_files.RESNET, image_shape=(SIZE, SIZE, 3))
    return hub_files.save(net, folder, scale=1 / 255)


@pytest.fixture(scope="module")
def photos() -> data.Splits:
    return make_photos()


NETWORKS = {
    "EfficientNetV2B0": lambda folder: "EfficientNetV2B0",
    "ConvNeXtTiny": lambda folder: "ConvNeXtTiny",
    "DenseNet121": lambda folder: keras.applications.DenseNet121,
    "keras-hub's ResNet": preset,
    "the guide's": lambda folder: guide(),
    "two branches": lambda folder: branches(),
}


@pytest.fixture(scope="module", params=NETWORKS)
def net(request, photos, tmp_path_factory) -> keras.Model:
    keras.utils.set_random_seed(0)
    return model.build(NETWORKS[request.param](tmp_path_factory.mktemp("presets")), photos, SIZE, "none")


class Stop(keras.callbacks.Callback):
    """Ends training in the middle of the second epoch, if it is to."""

    def __init__(self, stops: bool):
        super().__init__()
        self.stops = stops

    def on_train_batch_end(self, batch, logs=None):
        if self.stops and self.model.epochs_seen and batch:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        self.model.epochs_seen = epoch + 1


def test_every_step(net, photos, tmp_path, monkeypatch):
    assert not any(isinstance(layer, keras.Model) for layer in net.layers)
    random = any(layer.name.startswith("random") for layer in net.layers)

    # the frozen prefix is found, and cached for the head
    model.unfreeze_last(net, 0)
    history = train.fit(net, photos, 1, batch_size=16, views=int(random))
    assert history.facts["frozen_prefix_layers"] == len(model.backbone_layers(net))

    # features are the network's
    images = photos.rows["test"].images
    taps = ("embedding", "logits")
    bank = features.extract(net, photos.test, taps)
    expected = keras.Model(net.input, [net.get_layer(name).output for name in taps])(images, training=False)
    for name, value in zip(taps, expected):
        np.testing.assert_allclose(bank[name], value, rtol=1e-3, atol=1e-3 * np.abs(value).max())

    # its last stage trains, is interrupted, and goes on
    names = list(model.stages(net))
    assert len(names) >= 2
    chosen = model.unfreeze_last(net, names[-1])
    assert 0 < len(chosen) < len(model.backbone_layers(net))
    start = model.values(net)
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    monkeypatch.setattr(loop, "MOST_STEPS", 1)
    options = {"batch_size": 16, "learning_rate": 1e-3, "backbone_learning_rate": {names[-1]: 1e-4}, "optimizer": "sgd"}
    net.epochs_seen = 0
    train.fit(net, photos, 2, **options)
    whole = model.values(net)
    model.assign_values(net, start)
    with pytest.raises(KeyboardInterrupt):
        train.fit(net, photos, 2, **options, callbacks=[Stop(True)], checkpoint_dir=tmp_path / "state")
    model.assign_values(net, start)
    net.epochs_seen = 0
    train.fit(net, photos, 2, **options, callbacks=[Stop(False)], checkpoint_dir=tmp_path / "state")
    for mine, theirs in zip(model.values(net), whole, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)

    # class activation maps, and what is exported
    maps = analysis.attribution.explain(net, images[:2])
    assert maps.shape == (2, SIZE, SIZE)
    assert np.isfinite(maps).all()
    parity = export.saved_model(net, tmp_path, images[:4])
    assert parity["max_difference"] < 1e-4
    model.save(net, tmp_path / "net.keras")
    again = model.load(tmp_path / "net.keras")
    np.testing.assert_allclose(again(images, training=False), net(images, training=False), rtol=1e-4, atol=1e-4)


MIRRORED = """
import json, sys
from pathlib import Path
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tfxfer import model, train
sys.path.append("robustness")
from test_foreign_networks import NETWORKS, SIZE, guide, make_photos
from conftest import free
photos, found = make_photos(), {}
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
for number, (name, make) in enumerate(NETWORKS.items()):
    keras.utils.set_random_seed(0)
    own = guide(0.0) if name == "the guide's" else make(Path(sys.argv[1], str(number)))
    net = model.build(own, photos, SIZE, "none")
    random = any(layer.name.startswith("random") for layer in net.layers)
    model.unfreeze_last(net, 3)
    start, weights = model.values(net), []
    for how in (None, strategy):
        model.assign_values(net, start)
        train.fit(net, photos, 1, 1e-4, batch_size=16, optimizer="sgd", strategy=how, views=int(random))
        weights.append(np.concatenate([v.numpy().ravel() for v in net.trainable_variables]))
    found[name] = float(abs(weights[0] - weights[1]).max())
    del net, own, start, weights
    free()
print(json.dumps(found))
"""


def test_two_devices_do_as_one(tmp_path):
    """Weights after training on what both have computed of the frozen prefix, by two logical devices."""
    words = [*warm.python(), "-c", MIRRORED, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=Path(warm.__file__).parent)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert list(found) == list(NETWORKS)
    assert max(found.values()) < 1e-4, found
