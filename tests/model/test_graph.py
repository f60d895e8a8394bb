import keras
import numpy as np
import pytest
from conftest import noise

from tfxfer import data, model
from tfxfer.core.errors import InputError
from tfxfer.model import freezing


def names(layers):
    return [layer.name for layer in layers]


def test_graph_is_flat_and_takes_raw_pixels(lite0, pictures):
    assert not any(isinstance(layer, keras.Model) for layer in lite0.layers)
    assert lite0.input.dtype == "uint8"
    assert lite0.input_shape == (None, 28, 28, 1)
    assert lite0.output.dtype == "float32"
    assert lite0.output_shape == (None, 10)
    assert lite0.classes == list(pictures.classes)
    landmarks = ["image", "to_float", "resize", "to_rgb", "scale", "scaled"]
    assert names(lite0.layers)[:6] == landmarks
    assert names(lite0.layers)[-2:] == ["embedding", "logits"]


def test_inner_layers_can_be_tapped(lite0, pictures):
    tap = keras.Model(lite0.input, lite0.get_layer("block5_project_bn").output)
    assert tap(pictures.rows["test"].images[:2]).shape == (2, 3, 3, 80)


def test_backbone_layers_are_the_applications_own(pictures):
    net = model.build("mobilenet_v2", pictures, image_size=48, weights="none")
    own = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(48, 48, 3))
    assert names(model.backbone_layers(net)) == names(own.layers[1:])
    last = ["block_16_expand_BN", "block_16_expand_relu", "block_16_depthwise", "block_16_depthwise_BN"]
    last += ["block_16_depthwise_relu", "block_16_project", "block_16_project_BN", "Conv_1", "Conv_1_bn", "out_relu"]
    assert names(model.backbone_layers(net)[-10:]) == last
    assert sorted({w.path.split("/")[0] for w in net.trainable_weights}) == ["logits"]
    model.unfreeze_last(net, 10, train_batch_norm=True)
    assert net.get_layer("Conv_1_bn").momentum == 0.9
    assert net.get_layer("block_15_project_BN").momentum == 0.999
    trained = {"block_16_expand_BN", "block_16_depthwise", "block_16_depthwise_BN", "block_16_project"}
    trained |= {"block_16_project_BN", "Conv_1", "Conv_1_bn", "logits"}
    assert {w.path.split("/")[0] for w in net.trainable_weights} == trained


def test_lite0s_last_ten_layers_mean_the_same():
    """Convolution, batch norm and activation are separate layers, as in MobileNetV2."""
    from tfxfer.model import architectures

    kinds = [type(layer).__name__ for layer in architectures.efficientnet_lite0().layers[-10:]]
    own = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(48, 48, 3))
    assert kinds == [type(layer).__name__ for layer in own.layers[-10:]]


def test_unfreezing_spares_batch_norm_unless_asked(small_resnet):
    body = model.backbone_layers(small_resnet)
    chosen = model.unfreeze_last(small_resnet, "all")
    norms = [layer for layer in body if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms
    assert not any(layer.trainable for layer in norms)
    assert len(chosen) == len(body) - len(norms)
    assert all(layer.trainable for layer in model.unfreeze_last(small_resnet, "all", train_batch_norm=True))
    assert model.unfreeze_last(small_resnet, 0) == []
    assert {w.path.split("/")[0] for w in small_resnet.trainable_weights} == {"logits"}


@pytest.fixture
def small_resnet(pictures):
    return model.build("small_resnet", pictures, weights="none")


@pytest.mark.parametrize("n", [-1, 41, 2.5, None])
def test_unfreeze_refuses_what_it_cannot_do(small_resnet, n):
    with pytest.raises(InputError, match="small_resnet has 40; expected 0 to 40, or all"):
        model.unfreeze_last(small_resnet, n)


@pytest.mark.parametrize(("n", "first"), [("block5", "block5_1_conv"), ("stem", "stem_conv")])
def test_a_stages_name_unfreezes_it_and_all_behind(small_resnet, n, first):
    body = model.backbone_layers(small_resnet)
    count = len(body) - names(body).index(first)
    by_name = [names(model.unfreeze_last(small_resnet, n, train_batch_norm=yes)) for yes in (False, True)]
    assert by_name == [names(model.unfreeze_last(small_resnet, count, train_batch_norm=yes)) for yes in (False, True)]
    assert by_name[1][0] == first


def test_one_stage_trains_alone(small_resnet):
    """Surgical fine-tuning: neither what is before the stage nor what is behind it, and the head if asked."""
    model.unfreeze_last(small_resnet, "all", train_batch_norm=True)
    chosen = model.unfreeze_stage(small_resnet, "block2", train_batch_norm=True)
    assert chosen == model.stages(small_resnet)["block2"]
    assert [layer for layer in small_resnet.layers if layer.trainable_variables and layer not in chosen] == []
    assert {"logits", "stem_conv", "block5_2_bn"} <= set(model.frozen_digests(small_resnet))
    assert small_resnet.get_layer("block2_1_bn").momentum == 0.9
    model.unfreeze_stage(small_resnet, "block2", train_head=True)
    trained = {w.path.split("/")[0] for w in small_resnet.trainable_weights}
    assert trained == {"block2_1_conv", "block2_2_conv", "logits"}


def test_unfreezing_the_last_layers_thaws_the_head(small_resnet):
    model.unfreeze_stage(small_resnet, "stem")
    model.unfreeze_last(small_resnet, 0)
    assert {w.path.split("/")[0] for w in small_resnet.trainable_weights} == {"logits"}


def test_stages_that_are_none_are_said(small_resnet, pictures):
    for unfreeze in (model.unfreeze_last, model.unfreeze_stage):
        with pytest.raises(InputError, match="unknown stage 'block6': expected one of small_resnet's, stem, block1, "):
            unfreeze(small_resnet, "block6")
    own = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Conv2D(3, 3, name="conv1")], name="cnn")
    net = model.build(own, pictures, scaling="unit")
    with pytest.raises(InputError, match=r"unknown stage 'conv1': expected one of cnn_transfer's, stage1$"):
        model.unfreeze_last(net, "conv1")
    assert names(model.unfreeze_last(net, "all")) == ["conv1"]


def test_stages_of_any_network_are_found_by_size(pictures):
    """Squeezing to one place and back is none, nor is the loss of a border or what does not learn."""
    x = image = keras.Input((28, 28, 1))
    for number, layer in enumerate(
        (
            keras.layers.Conv2D(4, 3),  # 26
            keras.layers.Conv2D(4, 3, strides=2),  # 12
            None,  # squeeze and excitation
            keras.layers.Conv2D(4, 3),  # 10
            keras.layers.MaxPooling2D(),  # 5
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        )
    ):
        if layer is None:
            squeezed = keras.layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
            x = keras.layers.Multiply(name="excite")([x, squeezed])
        else:
            layer.name = f"layer{number}"
            x = layer(x)
    net = model.build(keras.Model(image, x, name="mine"), pictures, scaling="unit")
    assert {name: names(members) for name, members in model.stages(net).items()} == {
        "stage1": ["layer0"],
        "stage2": ["layer1", "squeeze", "excite", "layer3"],
        "stage3": ["layer4", "layer5", "layer6"],
    }
    assert names(model.unfreeze_last(net, "stage3")) == ["layer4", "layer5", "layer6"]
    assert names(model.unfreeze_last(net, "last")) == ["layer4", "layer5", "layer6"]


def test_frozen_dropout_does_nothing(pictures):
    """That of the layers that train, and that before the head, do in training what they are for."""
    net = model.build("dropout_cnn", pictures, weights="none")
    model.unfreeze_last(net, "dense")
    drops = [layer.name for layer in model.backbone_layers(net) if isinstance(layer, keras.layers.Dropout)]
    tapped = keras.Model(net.input, {name: net.get_layer(name).output for name in (*drops, "head_dropout")})
    images = pictures.rows["test"].images[:8]
    with freezing.still(net):
        first, second = (tapped(images, training=True) for _ in range(2))
    trains = {layer.name for layer in net.layers if layer.trainable}
    for name in tapped.output:
        assert np.array_equal(first[name], second[name]) == (name not in trains and name != "head_dropout")
    assert "head_dropout" in trains
    assert set(drops) - trains
    again = tapped(images, training=True)  # outside of the block all do
    assert not np.array_equal(again[drops[0]], tapped(images, training=True)[drops[0]])


def test_frozen_digests_cover_moving_statistics(small_resnet):
    model.unfreeze_last(small_resnet, 1)
    before = model.frozen_digests(small_resnet)
    assert "logits" not in before
    norm = small_resnet.get_layer("block1_1_bn")
    norm.moving_mean.assign_add(np.full(32, 1e-7, np.float32))
    after = model.frozen_digests(small_resnet)
    assert [name for name in before if before[name] != after[name]] == ["block1_1_bn"]


def test_augmentation_is_for_training_only(pictures):
    net = model.build("cnn", pictures, weights="none", augment=True)
    images = pictures.rows["test"].images[:8]
    twice = [keras.Model(net.input, net.get_layer("scaled").output)(images, training=True) for _ in range(2)]
    assert np.abs(twice[0] - twice[1]).max() > 0.05
    still = keras.Model(net.input, net.get_layer("scaled").output)(images, training=False)
    np.testing.assert_allclose(still, images / 255, atol=1e-6)
    own = model.build("cnn", pictures, weights="none", augment=[keras.layers.RandomFlip("horizontal", name="mirror")])
    assert "mirror" in names(own.layers)


def test_any_keras_model_is_a_backbone(pictures):
    """A branching user model, copied layer by layer with its weights, gives what the model itself gives."""
    image = keras.Input((28, 28, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="left")(image)
    y = keras.layers.Conv2D(4, 3, padding="same", name="right")(image)
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Add(name="sum")([x, y]))
    own = keras.Model(image, keras.layers.Dense(5, name="vector")(keras.layers.Flatten(name="flat")(x)), name="mine")
    net = model.build(own, pictures, scaling="torch")
    images = pictures.rows["test"].images[:4]
    rgb = np.repeat(images, 3, -1) / 255
    reference = own((rgb - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225])
    embedding = keras.Model(net.input, net.get_layer("embedding").output)(images)
    np.testing.assert_allclose(embedding, reference, atol=1e-5)
    assert net.get_layer("left") is not own.get_layer("left")
    assert all(layer.trainable for layer in own.layers)


def test_a_sequential_model_is_a_backbone(pictures):
    own = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Conv2D(3, 3, name="first"), keras.layers.ReLU(name="second")]
    )
    net = model.build(own, pictures, scaling="unit")
    assert names(model.backbone_layers(net)) == ["first", "second"]
    np.testing.assert_array_equal(net.get_layer("first").get_weights()[0], own.layers[0].get_weights()[0])


def test_any_application_is_a_backbone(pictures):
    """Scaling comes from the application's own preprocess_input."""
    net = model.build(keras.applications.DenseNet121, pictures, image_size=32, weights="none")
    images = pictures.rows["test"].images[:2]
    scaled = keras.Model(net.input, net.get_layer("scaled").output)(images)
    resized = keras.Model(net.input, net.get_layer("to_rgb").output)(images).numpy()
    np.testing.assert_allclose(scaled, keras.applications.densenet.preprocess_input(resized), atol=1e-5)
    assert net.get_layer("embedding").output.shape == (None, 1024)
    own = keras.applications.DenseNet121(include_top=False, weights=None, input_shape=(32, 32, 3))
    assert [type(layer) for layer in model.backbone_layers(net)] == [type(layer) for layer in own.layers[1:]]


def test_models_that_are_no_backbones_are_refused(pictures):
    image = keras.Input((16, 16, 1))
    own = keras.Model(image, keras.layers.Flatten()(image), name="mine")
    with pytest.raises(InputError, match="mine does not say which pixel values it expects"):
        model.build(own, pictures)
    with pytest.raises(InputError, match=r"mine takes .*image_size 28"):
        model.build(own, pictures, image_size=28, scaling="unit")
    with pytest.raises(InputError, match="one image input and one output"):
        model.build(keras.Model(image, [image, image]), pictures, scaling="unit")
    tokens = keras.Model(image, keras.layers.Reshape((64, 4))(image))
    with pytest.raises(InputError, match="expected a feature map"):
        model.build(tokens, pictures, scaling="unit")
    wide = keras.Input((16, 32, 1))
    with pytest.raises(InputError, match=r"takes \(16, 32, 1\)"):
        model.build(keras.Model(wide, keras.layers.Flatten()(wide)), pictures, scaling="unit")
    for backbone in (dict, 3, None, ["cnn"]):
        with pytest.raises(InputError, match="expected a name, a Keras model or a function"):
            model.build(backbone, pictures)
    for splits in ("digits", None, 3, pictures.train):
        with pytest.raises(InputError, match=r"^splits .*: expected the result of data\.load"):
            model.build("cnn", splits)
    for options in (
        {"image_size": "28"},
        {"image_size": 28.5},
        {"weights": None},
        {"weights": 3},
        {"scaling": 255},
        {"scaling": [0.5, 0.5]},
        {"augment": "flip"},
        {"augment": [len]},
        {"augment": 3},
    ):
        with pytest.raises(InputError, match=f"^{next(iter(options))} .*: expected"):
            model.build("cnn", pictures, **{"weights": "none"} | options)
    with pytest.raises(InputError, match="scaling 'zscore': expected one of"):
        model.build("cnn", pictures, weights="none", scaling="zscore")
    with pytest.raises(InputError, match="for three channels"):
        model.build("cnn", pictures, weights="none", scaling="caffe")
    four = data.from_arrays(*((noise(20, 8, 8, 4, seed=seed), np.arange(20) % 2) for seed in (0, 1)))
    with pytest.raises(InputError, match="takes 3 channels, the data has 4"):
        model.build("mobilenet_v2", four, image_size=32, weights="none")


def test_survives_saving(lite0, pictures, tmp_path):
    lite0.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    images = pictures.rows["test"].images[:4]
    np.testing.assert_allclose(again(images), lite0(images), atol=1e-5)
    assert names(model.backbone_layers(again)) == names(model.backbone_layers(lite0))


def test_scaling_by_the_data_set_is_in_the_graph(tmp_path):
    """Mean 0 and deviation 1 of training images, by channel, and the same after saving; a constant channel is 0."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 8, 8, 3)) // [1, 2, 256] + [0, 90, 7]
    test = np.full((9, 8, 8, 3), 255, np.uint8)
    test[:, 0, 0, 0] -= np.arange(9, dtype=np.uint8)
    splits = data.from_arrays((images.astype(np.uint8), np.arange(60) % 3), (test, np.arange(9) % 3))
    net = model.build("pixels", splits, scaling="dataset")
    net.save(tmp_path / "net.keras")
    learned = splits.rows["train"].images
    expected = (learned - learned.mean((0, 1, 2))) / [*learned.std((0, 1, 2))[:2], 1]
    for one in (net, keras.models.load_model(tmp_path / "net.keras")):
        found = keras.Model(one.input, one.get_layer("scaled").output)(learned).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)
        np.testing.assert_allclose(found.std((0, 1, 2)), [1, 1, 0], atol=1e-5)


def test_scaling_by_a_grey_data_set(pictures):
    net = model.build("resnet18", pictures, 32, "none", scaling="dataset")
    learned = pictures.rows["train"].images.astype(float)
    scale = net.get_layer("scale").get_config()
    np.testing.assert_allclose(np.ravel(scale["mean"]), [learned.mean()] * 3, rtol=1e-6)
    np.testing.assert_allclose(np.ravel(scale["variance"]), [learned.var()] * 3, rtol=1e-6)
