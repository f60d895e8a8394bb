import fnmatch
import functools
import gc
import hashlib
import math
import re
import sys
import warnings

import keras
import numpy as np
import pytest
import requests
from conftest import noise, write_legacy
from keras.src.applications import resnet as keras_resnet
from sklearn.datasets import load_sample_image

from tfxfer import data, model
from tfxfer.core.errors import InputError
from tfxfer.model import architectures, backbones, hub, resnet18


def keras_hub_scaling(x):
    """ImageNet's mean and standard deviation, as the preset's own converter has them."""
    return (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]


PREPROCESS = {
    "mobilenet_v2": keras.applications.mobilenet_v2.preprocess_input,
    "vgg19": keras.applications.vgg19.preprocess_input,
    "resnet50": keras.applications.resnet50.preprocess_input,
    "efficientnet_lite0": lambda x: x / 127.5 - 1,
}
PREPROCESS |= {"vgg19_fc2": PREPROCESS["vgg19"], "resnet18": keras_hub_scaling}
CHANNELS = dict.fromkeys(PREPROCESS, 3)


@pytest.mark.parametrize("name", backbones.TABLE)
def test_table_against_the_built_graph(name, no_values):
    """Embedding, parameters, native size, channels, scaling and head dropout of every row."""
    row = backbones.get(name)
    channels = CHANNELS.get(name, 1)
    size = row.native_size or 28
    pixels = np.random.default_rng(0).integers(0, 256, (12, size, size, channels))
    splits = data.from_arrays(*((pixels.astype(np.uint8) ^ bit, np.arange(12) % 3) for bit in (0, 1)))
    net = model.build(name, splits, weights="none")
    assert net.input_shape[1:] == splits.image_shape  # the native size needs no resizing
    assert "resize" not in {layer.name for layer in net.layers}
    assert net.get_layer("embedding").output.shape == (None, row.embedding)
    assert sum(math.prod(w.shape) for layer in model.backbone_layers(net) for w in layer.weights) == row.parameters
    assert net.get_layer("scaled").output.shape == (None, size, size, channels)
    scaled = keras.Model(net.input, net.get_layer("scaled").output)(pixels[:2].astype(np.uint8)).numpy()
    reference = PREPROCESS.get(name, lambda x: x / 255)(pixels[:2].astype(np.float32))
    np.testing.assert_allclose(scaled, reference, atol=1e-4)
    assert row.rgb == (name in CHANNELS)
    rates = [layer.rate for layer in net.layers if layer.name == "head_dropout"]
    assert rates == ([row.dropout] if row.dropout else [])
    assert row.summary
    assert bool(row.weights_from) == (row.imagenet and name != backbones.BUNDLED)


@pytest.mark.parametrize("name", backbones.TABLE)
def test_stages_cut_the_built_graph(name, pictures, no_values):
    """Every layer is in one stage, and a stage sees of the others only the last layer of the one before it."""
    net = model.build(name, pictures, image_size=32 if name in CHANNELS else 28, weights="none")
    stages = model.stages(net)
    assert list(stages) == [stage for stage, _ in backbones.get(name).stages]
    assert [layer for some in stages.values() for layer in some] == model.backbone_layers(net)
    before = net.get_layer("scaled")
    for (stage, prefix), some in zip(backbones.get(name).stages, stages.values()):
        assert any(layer.weights for layer in some) or backbones.get(name).weightless, stage
        assert [layer.name for layer in net.layers if layer.name.startswith(prefix) and layer not in some] == []
        read = {tensor._keras_history.operation for layer in some for tensor in keras.tree.flatten(layer.input)}
        assert read - set(some) == {before}, stage
        before = some[-1]


@pytest.mark.parametrize(
    ("name", "stage", "channels"),
    [
        *(("mobilenet_v2", f"stage{i}", c) for i, c in enumerate((16, 24, 32, 64, 96, 160, 320), start=1)),
        *(("efficientnet_lite0", f"stage{i}", c) for i, c in enumerate((16, 24, 40, 80, 112, 192, 320), start=1)),
        *(("resnet50", f"conv{i}", c) for i, c in enumerate((64, 256, 512, 1024, 2048), start=1)),
        *(("resnet18", f"conv{i}", c) for i, c in enumerate((64, 64, 128, 256, 512), start=1)),
    ],
)
def test_stages_are_the_papers(name, stage, channels, built):
    """Output channels of every row of the tables in arXiv:1801.04381, 1905.11946 and 1512.03385."""
    some = model.stages(built(name))[stage]
    assert some[-1].output.shape[-1] == channels


@pytest.fixture(scope="module")
def built(pictures):
    return functools.cache(lambda name: model.build(name, pictures, image_size=32, weights="none"))


@pytest.mark.parametrize(("photo", "number", "name"), [("china.jpg", 698, "palace"), ("flower.jpg", 985, "daisy")])
def test_lite0_knows_the_sample_photographs(photo, number, name):
    """Centre crop, bicubic to 224, as the network was trained; classes of ILSVRC 2012."""
    image = load_sample_image(photo).astype(np.float32)
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    crop = keras.ops.image.resize(image[top : top + side, left : left + side], (224, 224), "bicubic", antialias=True)
    net = architectures.efficientnet_lite0(include_top=True, weights="imagenet")
    probabilities = net(keras.ops.clip(crop, 0, 255)[None] / 127.5 - 1).numpy()[0]
    assert probabilities.argmax() == number, name
    assert probabilities[number] > 0.2


def test_published_parameter_counts(no_values):
    """MobileNetV2, ResNet50 and VGG19 without top: as Keras documents; Lite0: 4.7 million with its top."""
    counts = {"mobilenet_v2": 2_257_984, "resnet50": 23_587_712, "vgg19": 20_024_384, "resnet18": 11_186_112}
    for name, count in counts.items():
        assert backbones.create(name, (32, 32, 3), "none").count_params() == count
    assert architectures.efficientnet_lite0(include_top=True).count_params() == pytest.approx(4.7e6, rel=0.02)


def test_scratch_architectures_are_the_reports():
    """Closed-form parameter counts of experiments D and E1 at 28 x 28 grey."""
    cnn = (9 + 1) * 32 + (9 * 32 + 1) * 64 + (9 * 64 + 1) * 128 + (1152 + 1) * 128
    resnet = 9 * 32 + 10 * 9 * 32 * 32 + 11 * 4 * 32
    dropout = (25 + 1) * 32 + (25 * 32 + 1) * 32 + (9 * 32 + 1) * 64 + (9 * 64 + 1) * 64 + 3136 * 512 + 4 * 512
    assert architectures.cnn().count_params() == cnn
    assert architectures.small_resnet().count_params() == resnet
    assert architectures.dropout_cnn().count_params() == dropout
    rates = [layer.rate for layer in architectures.dropout_cnn().layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.25, 0.25]


@pytest.mark.parametrize("size", [48, 96])
def test_keras_weights_of_the_real_name_are_loaded(keras_models, size):
    """A no-top file of the name and layout Keras downloads (224 unless the images are 96, 128, ...)."""
    source = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(size, size, 3))
    file_size = 96 if size == 96 else 224
    write_legacy(source, keras_models / f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{file_size}_no_top.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = backbones.create("mobilenet_v2", (size, size, 3), "imagenet")
    for ours, theirs in zip(loaded.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [loaded.weights_file] == [path.name for path in keras_models.iterdir()]
    assert fnmatch.fnmatch(loaded.weights_file, backbones.get("mobilenet_v2").weights_from)


def test_keras_weights_with_a_checksum(keras_models, monkeypatch):
    """ResNet50's file is checked by Keras and by us: the made file passes under its own md5, not under another."""
    source = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(32, 32, 3))
    path = keras_models / "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    write_legacy(source, path)
    content = path.read_bytes()
    with pytest.raises(InputError, match=r"notop.h5 is not the file Keras expects, its checksum differs"):
        backbones.create("resnet50", (32, 32, 3), "imagenet")
    assert path.read_bytes() == content  # named, neither deleted nor replaced
    digest = hashlib.md5(content).hexdigest()
    monkeypatch.setitem(keras_resnet.WEIGHTS_HASHES, "resnet50", ("", digest))
    loaded = backbones.create("resnet50", (32, 32, 3), "imagenet")
    np.testing.assert_array_equal(loaded.get_weights()[0], source.get_weights()[0])


@pytest.mark.parametrize("build", [keras.applications.VGG19, keras.applications.DenseNet121])
def test_no_application_deletes_a_users_file(keras_models, pictures, build, no_values):
    """Keras would: a file in its cache with another checksum is downloaded anew, and on failure removed."""
    name = {"VGG19": "vgg19", "DenseNet121": "densenet121"}[build.__name__]
    path = keras_models / f"{name}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    path.write_bytes(b"the user's")
    with pytest.raises(InputError, match="its checksum differs: move it away"):
        model.build(build, pictures, image_size=32)
    assert path.read_bytes() == b"the user's"


@pytest.mark.parametrize("name", ["mobilenet_v2", "vgg19", "resnet50", "vgg19_fc2"])
def test_offline_is_one_line_that_names_file_folder_and_alternative(keras_models, monkeypatch, name, no_values):
    def offline(*args, **options):
        raise requests.exceptions.ConnectionError("Name or service not known")

    monkeypatch.setattr(requests, "get", offline)
    with pytest.raises(InputError, match="could not be downloaded") as caught:
        backbones.create(name, (224, 224, 3) if name == "vgg19_fc2" else (64, 64, 3), "imagenet")
    file = backbones.get(name).weights_from.replace("*", "224")
    for part in (str(keras_models), file, "_weights_tf_dim_ordering_tf_kernels", "--backbone efficientnet_lite0"):
        assert part in str(caught.value)
    assert not list(keras_models.iterdir())


def test_a_broken_file_in_the_cache_is_named_and_kept(keras_models):
    path = keras_models / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    path.write_bytes(b"half a download")
    with pytest.raises(InputError, match="does not contain mobilenet_v2's weights"):
        backbones.create("mobilenet_v2", (48, 48, 3), "imagenet")
    assert path.read_bytes() == b"half a download"


@pytest.mark.parametrize("name", ["cnn", "dropout_cnn"])
def test_weights_from_a_file_fit_or_are_refused(tmp_path, pictures, name):
    net = model.build(name, pictures, weights="none")
    model.save_backbone(net, tmp_path / "w.weights.h5")
    again = model.build(name, pictures, weights=str(tmp_path / "w.weights.h5"))
    for old, new in zip(model.backbone_layers(net), model.backbone_layers(again), strict=True):
        for a, b in zip(old.get_weights(), new.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(InputError, match="do not fit small_resnet: it contains"):
        model.build("small_resnet", pictures, weights=str(tmp_path / "w.weights.h5"))


def test_weights_move_between_image_sizes_and_channels(tmp_path, pictures):
    net = model.build("mobilenet_v2", pictures, image_size=32, weights="none")
    model.save_backbone(net, tmp_path / "w.weights.h5")
    colour = data.from_arrays(*((noise(20, 40, 40, 3, seed=seed), np.arange(20) % 2) for seed in (0, 1)))
    again = model.build("mobilenet_v2", colour, image_size=64, weights=str(tmp_path / "w.weights.h5"))
    assert model.describe(net)["backbone_sha256"] == model.describe(again)["backbone_sha256"]


def test_keras_own_files_are_taken_as_paths(tmp_path, pictures):
    source = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    write_legacy(source, tmp_path / "notop.h5")
    net = backbones.create("mobilenet_v2", (32, 32, 3), str(tmp_path / "notop.h5"))
    np.testing.assert_array_equal(net.get_weights()[0], source.get_weights()[0])


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "no such file; expected imagenet, none"), (b"not HDF5", "do not fit cnn")]
)
def test_weights_that_are_no_weights(tmp_path, pictures, content, complaint):
    path = tmp_path / "w.weights.h5"
    if content:
        path.write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        model.build("cnn", pictures, weights=str(path))


def test_names_and_sizes_are_checked(pictures):
    with pytest.raises(InputError, match="unknown backbone 'alexnet': expected one of mobilenet_v2, vgg19"):
        model.build("alexnet", pictures)
    with pytest.raises(InputError, match="cnn has no ImageNet weights"):
        model.build("cnn", pictures)
    with pytest.raises(InputError, match="vgg19 cannot be built for these images"):
        model.build("vgg19", pictures, image_size=16, weights="none")


def test_resnet18_offline_names_the_preset(monkeypatch):
    import keras_hub

    def offline(*args, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(keras_hub.models.ResNetBackbone, "from_preset", offline)
    with pytest.raises(
        InputError, match=r"resnet_18_imagenet is not available \(OSError: no route to host\): give --weights"
    ):
        backbones.create("resnet18", (64, 64, 3), "imagenet")


def test_resnet18_offline_ends_with_status_url_page_and_what_works(monkeypatch):
    import keras_hub

    refused = requests.Response()
    refused.status_code, refused.reason, refused.url = 403, "Forbidden", "https://api.kaggle.com/v1/models"

    def from_preset(*args, **options):
        try:
            refused.raise_for_status()
        except requests.HTTPError as error:
            raise ValueError("of keras-hub's own") from error

    monkeypatch.setattr(keras_hub.models.ResNetBackbone, "from_preset", from_preset)
    with pytest.raises(InputError) as caught:
        backbones.create("resnet18", (64, 64, 3), "imagenet")
    said = r"\(ValueError: HTTP status 403 Forbidden, https://api.kaggle.com/v1/models\): give --weights FOLDER"
    page = "https://www.kaggle.com/models/keras/resnetv1/keras/resnet_18_imagenet/[0-9]+"
    end = r'this works offline: model.build\("efficientnet_lite0", splits\)$'
    assert re.search(f"{said} .*; the preset comes from {page}; {end}", str(caught.value))


def test_resnet18_from_a_presets_folder(tmp_path, pictures):
    """What keras-hub saves, at another image size; another architecture's is refused."""
    from keras_hub.models import ResNetBackbone

    settings = {**hub.RESNET18, "image_shape": (48, 48, 3)}
    preset = ResNetBackbone(**settings)
    preset.save_to_preset(str(tmp_path / "preset"))
    net = model.build("resnet18", pictures, image_size=64, weights=str(tmp_path / "preset"))
    ours = [w for layer in model.backbone_layers(net) for w in layer.get_weights()]
    for a, b in zip(ours, preset.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    ResNetBackbone(**settings | {"stackwise_num_blocks": [1, 1, 1, 1]}).save_to_preset(str(tmp_path / "ten"))
    with pytest.raises(InputError, match="ten is not a ResNet18: its stackwise_num_blocks"):
        backbones.create("resnet18", (48, 48, 3), str(tmp_path / "ten"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty is not available"):
        backbones.create("resnet18", (48, 48, 3), str(tmp_path / "empty"))


@pytest.mark.parametrize("size", [33, 48])
def test_resnet18_is_keras_hubs(size):
    """The same layers in the same order with the same settings, and the same output from the same weights."""
    from keras_hub.models import ResNetBackbone

    theirs = ResNetBackbone(**hub.RESNET18, image_shape=(size, size, 3))
    ours = resnet18.resnet18(input_shape=(size, size, 3))
    for a, b in zip(ours.layers[1:], theirs.layers[1:], strict=True):
        assert type(a) is type(b)
        assert a.get_config() == b.get_config()
    rng = np.random.default_rng(0)
    values = [w if w.ndim == 4 else np.abs(w + rng.normal(0, 0.1, w.shape)) for w in theirs.get_weights()]
    ours.set_weights(values)
    theirs.set_weights(values)
    images = rng.normal(size=(2, size, size, 3)).astype(np.float32)
    expected = theirs(images).numpy()
    assert np.isfinite(expected).all()
    assert expected.std() > 0.1
    np.testing.assert_array_equal(ours(images), expected)


def test_resnet18s_weights_need_keras_hub(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub.models", None)
    with pytest.raises(InputError, match=r"resnet18's weights need keras-hub .*: pip install 'tfxfer\[hub\]'"):
        backbones.create("resnet18", (48, 48, 3), "imagenet")
    assert backbones.create("resnet18", (48, 48, 3), "none").count_params() == 11_186_112


def test_vgg19_fc2_takes_vgg19s_own_file(tmp_path, pictures):
    """The file with the top, as Keras publishes it, and one of `pretrain`; at 32 x 32, where fc1 is small."""
    source = keras.applications.VGG19(include_top=True, weights=None, input_shape=(32, 32, 3))
    write_legacy(source, tmp_path / "vgg19.h5")
    expected = source.get_layer("fc2").get_weights()[0]
    del source  # 170 MB
    gc.collect()
    net = model.build("vgg19_fc2", pictures, image_size=32, weights=str(tmp_path / "vgg19.h5"))
    np.testing.assert_array_equal(net.get_layer("fc2").get_weights()[0], expected)
    assert net.get_layer("embedding").output.shape == (None, 4096)
    with pytest.raises(InputError, match=r"vgg19.h5 do not fit vgg19_fc2"):
        backbones.create("vgg19_fc2", (64, 64, 3), str(tmp_path / "vgg19.h5"))


@pytest.mark.parametrize("name", ["pixels", "scattering"])
def test_nothing_to_load(tmp_path, name):
    assert not backbones.create(name, (12, 12, 1), "imagenet").weights
    with pytest.raises(InputError, match=f"{name} has nothing to load weights"):
        backbones.create(name, (12, 12, 1), str(tmp_path))
