"""Networks that tfxfer does not know, and the check that takes one through all that it does: random weights, small
images. The large ones have a file of tests each, so that no process holds the graphs of two.
"""

from pathlib import Path

import hub_files
import keras
import numpy as np
import pytest
from conftest import make_pictures
from keras import layers
from keras.src.applications import convnext

from tfxfer import analysis, data, export, features, model, train
from tfxfer.train import checkpoints, loop

SIZE = 32
NARROW = [24, 48, 96, 192]  # channels of ConvNeXtTiny's stages, a quarter of its own: all of them would take 4.2 GB


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


NETWORKS = {
    "EfficientNetV2B0": lambda folder: "EfficientNetV2B0",
    "ConvNeXtTiny": lambda folder: "ConvNeXtTiny",
    "DenseNet121": lambda folder: keras.applications.DenseNet121,
    "keras-hub's ResNet": preset,
    "the guide's": lambda folder: guide(),
    "two branches": lambda folder: branches(),
}


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


def check_every_step(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds a network of `NETWORKS`, trains it, has its features, explains and exports it."""
    photos = make_photos()
    monkeypatch.setitem(convnext.MODEL_CONFIGS["tiny"], "projection_dims", NARROW)
    keras.utils.set_random_seed(0)
    net = model.build(NETWORKS[name](tmp_path / "presets"), photos, SIZE, "none")
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
