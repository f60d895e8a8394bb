import functools
import subprocess

import keras
import numpy as np
import pytest
import warm

from tfxfer import model
from tfxfer.core.errors import InputError
from tfxfer.train import optimizers


@pytest.fixture
def net(pictures):
    """An untrained `cnn`, conv2 and all behind it unfrozen."""
    keras.utils.set_random_seed(0)
    net = model.build("cnn", pictures, weights="none")
    model.unfreeze_last(net, "conv2")
    return net


def create(net, optimizer="sgd", learning_rate=0.1, steps=10, **options):
    return optimizers.create(net, optimizer, learning_rate, steps=steps, **{"schedule": "constant", **options})


def rates(net, optimizer):
    """The rate that each trainable layer's variables have, asked of the optimizer."""
    optimizer.build(net.trainable_variables)
    parts = getattr(optimizer, "optimizers", [optimizer])
    found = {v.path: float(p.learning_rate) for p in parts for v in p._trainable_variables}
    assert sorted(found) == sorted(v.path for v in net.trainable_variables)
    layers = {path.split("/")[0]: rate for path, rate in found.items()}
    assert all(found[path] == layers[path.split("/")[0]] for path in found)
    return layers


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (0.1, 0.1, 0.1, 0.1)),
        ({"backbone_learning_rate": 0.1}, (0.1, 0.1, 0.1, 0.1)),
        ({"backbone_learning_rate": 0.01}, (0.01, 0.01, 0.01, 0.1)),
        ({"backbone_learning_rate": {}}, (0.1, 0.1, 0.1, 0.1)),
        ({"backbone_learning_rate": {"conv2": 0.01, "dense": 0.5}}, (0.01, 0.1, 0.5, 0.1)),
        ({"stage_decay": 0.5}, (0.025, 0.05, 0.1, 0.1)),
        ({"stage_decay": 0.5, "backbone_learning_rate": 0.2}, (0.05, 0.1, 0.2, 0.1)),
        ({"stage_decay": 1}, (0.1, 0.1, 0.1, 0.1)),
    ],
)
def test_rates_are_as_asked(net, options, expected):
    optimizer = create(net, **options)
    plain = len(set(expected)) == 1
    assert isinstance(optimizer, keras.optimizers.SGD if plain else keras.optimizers.MultiOptimizer)
    found = rates(net, optimizer)
    assert found == pytest.approx(dict(zip(("conv2", "conv3", "dense", "logits"), expected)))


def test_a_layers_own_name_goes_before_its_stages(pictures):
    net = model.build("small_resnet", pictures, weights="none")
    model.unfreeze_last(net, "block4")
    own = {"block5_2_conv": 0.3, "block5": 0.2}
    found = rates(net, create(net, backbone_learning_rate=own))
    assert found == pytest.approx(
        {"block4_1_conv": 0.1, "block4_2_conv": 0.1, "block5_1_conv": 0.2, "block5_2_conv": 0.3, "logits": 0.1}
    )
    groups = optimizers.groups(net, 0.1, own)
    assert groups == {
        "block5": (0.2, ["block5_1_conv"]),
        "block5_2_conv": (0.3, ["block5_2_conv"]),
        "logits": (0.1, ["block4_1_conv", "block4_2_conv", "logits"]),
    }


def test_a_frozen_last_stage_keeps_its_place_in_the_decay(pictures):
    net = model.build("cnn", pictures, weights="none")
    model.unfreeze_stage(net, "conv2", train_head=True)
    assert rates(net, create(net, stage_decay=0.5)) == pytest.approx({"conv2": 0.025, "logits": 0.1})
    model.unfreeze_stage(net, "conv2")
    assert rates(net, create(net, stage_decay=0.5)) == pytest.approx({"conv2": 0.025})


def test_layers_are_named_for_networks_that_are_none_of_the_table(pictures):
    image = keras.Input((28, 28, 1))
    x = keras.layers.Conv2D(2, 3, name="a.b")(image)
    x = keras.layers.Conv2D(2, 3, name="aXb")(x)
    net = model.build(keras.Model(image, x, name="mine"), pictures, scaling="unit")
    model.unfreeze_last(net, "all")
    found = rates(net, create(net, backbone_learning_rate={"a.b": 0.2}))
    assert found == pytest.approx({"a.b": 0.2, "aXb": 0.1, "logits": 0.1})
    same = {"a.b": 0.1, "aXb": 0.1, "logits": 0.1}  # they are one stage, the last, whose rate is not lowered
    assert rates(net, create(net, stage_decay=0.5)) == pytest.approx(same)


def test_a_step_moves_each_group_by_its_rate_times_the_gradient(pictures, net):
    """Closed form of SGD, and every schedule scaled alike: cosine's first step has the rate of its warm-up."""
    batch = pictures.rows["train"]
    images, labels = batch.images[:32], batch.labels[:32]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    given = {"conv2": 0.01, "conv3": 0.02}
    for schedule, share in (("constant", 1.0), ("cosine", 0.1)):
        plain = keras.models.clone_model(net)
        plain.set_weights(net.get_weights())
        plain.compile(keras.optimizers.SGD(1.0), loss)
        before = {v.path: v.numpy() for v in net.trainable_variables}
        plain.train_on_batch(images, labels)
        gradients = {v.path: before[v.path] - v.numpy() for v in plain.trainable_variables if v.path in before}
        net.compile(create(net, steps=100, backbone_learning_rate=given, schedule=schedule), loss)
        net.train_on_batch(images, labels)
        for v in net.trainable_variables:
            rate = share * given.get(v.path.split("/")[0], 0.1)
            assert np.abs(gradients[v.path]).max() > 1e-4
            np.testing.assert_allclose(before[v.path] - v.numpy(), rate * gradients[v.path], atol=2e-7, rtol=1e-4)


def test_decayed_stages_move_as_powers(pictures, net):
    """Same gradient everywhere: the moves are 1, d and d squared, the earlier the smaller."""
    optimizer = create(net, learning_rate=1.0, stage_decay=0.25)
    before = [v.numpy() for v in net.trainable_variables]
    optimizer.apply([np.ones(v.shape, np.float32) for v in net.trainable_variables], net.trainable_variables)
    moved = [float(np.mean(old - v.numpy())) for old, v in zip(before, net.trainable_variables)]
    assert moved[::2] == pytest.approx([0.0625, 0.25, 1.0, 1.0], abs=1e-6)


@pytest.mark.parametrize(
    ("optimizer", "kind"),
    [
        ("adam", keras.optimizers.Adam),
        ("AdamW", keras.optimizers.AdamW),
        ("lion", keras.optimizers.Lion),
        ("rmsprop", keras.optimizers.RMSprop),
        (keras.optimizers.Nadam, keras.optimizers.Nadam),
        (functools.partial(keras.optimizers.SGD, momentum=0.9), keras.optimizers.SGD),
        (lambda learning_rate: keras.optimizers.Adagrad(learning_rate), keras.optimizers.Adagrad),
    ],
)
def test_any_keras_optimizer(net, optimizer, kind):
    plain = create(net, optimizer)
    assert type(plain) is kind
    assert float(plain.learning_rate) == pytest.approx(0.1)
    several = create(net, optimizer, backbone_learning_rate=1)
    assert [type(part) for part in several.optimizers] == [kind, kind]
    assert [part.name for part in several.optimizers] == ["backbone", "logits"]
    if kind is keras.optimizers.SGD:
        assert [part.momentum for part in (plain, *several.optimizers)] == [0.9] * 3


def test_one_that_is_made_already_is_copied(net):
    """Its settings and its class; it stays as it is, even one that has trained, whose momenta are not taken over."""
    given = keras.optimizers.SGD(0.3, momentum=0.9, nesterov=True, clipnorm=1.0)
    given.apply([v.value for v in net.trainable_variables], net.trainable_variables)
    before = [v.numpy() for v in given.variables]
    plain = create(net, given)
    assert plain is not given
    assert type(plain) is keras.optimizers.SGD
    assert (plain.momentum, plain.nesterov, plain.clipnorm, plain.built) == (0.9, True, 1.0, False)
    assert rates(net, create(net, given, backbone_learning_rate=0.01)) == pytest.approx(
        {"conv2": 0.01, "conv3": 0.01, "dense": 0.01, "logits": 0.1}
    )
    plain.apply([2 * v.value for v in net.trainable_variables], net.trainable_variables)
    assert all(np.array_equal(v.numpy(), old) for v, old in zip(given.variables, before, strict=True))
    assert (given.iterations, plain.iterations) == (1, 1)


def test_what_has_a_rate_keeps_it(net):
    """The rules of `learning_rate` and `schedule` beside it."""
    sgd = keras.optimizers.SGD(0.25)
    assert optimizers.course("adam", None, None) == (1e-3, "cosine")
    assert optimizers.course("adam", 0.1, "constant") == (0.1, "constant")
    assert optimizers.course(sgd, None, None) == (0.25, "constant")
    assert optimizers.course(sgd, None, "cosine") == (0.25, "cosine")
    decay = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.5)
    rate, name = optimizers.course(keras.optimizers.Adam(decay), None, None)
    assert name == "ExponentialDecay"
    assert rate.get_config() == decay.get_config()
    made = create(net, keras.optimizers.Adam(decay), rate, schedule=name)
    made.build(net.trainable_variables)
    made.iterations.assign(10)
    assert float(made.learning_rate) == 0.25
    with pytest.raises(InputError, match="the optimizer has a schedule of its own, so all layers share its rate"):
        create(net, made, rate, backbone_learning_rate=0.1)
    for optimizer, given, complaint in (
        (
            sgd,
            (0.1, None),
            r"learning_rate 0\.1: the optimizer SGD has its own; leave learning_rate out, or give the cl",
        ),
        (keras.optimizers.Adam(decay), (None, "cosine"), "schedule 'cosine': the optimizer Adam has its own; leave"),
        (keras.optimizers.LossScaleOptimizer(sgd), (None, None), "plain optimizers, got LossScaleOptimizer"),
    ):
        with pytest.raises(InputError, match=complaint):
            optimizers.course(optimizer, *given)
    sgd.exclude_from_weight_decay(var_names=["bias"])
    with pytest.raises(InputError, match="excludes variables from weight decay, which a copy would lose"):
        create(net, sgd)


def test_what_an_optimizer_is_called_does_not_depend_on_the_process():
    first, second = (optimizers.identity(keras.optimizers.SGD(0.25)) for _ in range(2))
    assert first == second != optimizers.identity(keras.optimizers.SGD(0.5))


def test_graphs_of_the_same_layers_and_files_keep_the_rates(net, tmp_path):
    given = {"conv2": 0.01}
    twin = keras.models.clone_model(net)
    for layer in twin.layers:
        layer.trainable = net.get_layer(layer.name).trainable
    expected = {"conv2": 0.01, "conv3": 0.1, "dense": 0.1, "logits": 0.1}
    assert rates(twin, create(net, backbone_learning_rate=given)) == pytest.approx(expected)
    net.compile(create(net, "adam", backbone_learning_rate=given), "mse")
    net.optimizer.apply([v.value for v in net.trainable_variables], net.trainable_variables)
    net.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    assert rates(again, again.optimizer) == pytest.approx(expected)
    for old, new in zip(net.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(old.numpy(), new.numpy())


def test_keras_callbacks_read_and_set_every_group(pictures, net, tmp_path):
    net.compile(create(net, backbone_learning_rate=0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    reduce = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=1e9)
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    batch = pictures.rows["train"]
    history = net.fit(batch.images[:20], batch.labels[:20], epochs=3, verbose=0, callbacks=[reduce, board]).history
    assert history["learning_rate_logits"] == pytest.approx([0.1, 0.1, 0.05])
    assert history["learning_rate_backbone"] == pytest.approx([0.01, 0.01, 0.005])


MIRRORED = """
import keras, numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
from tfxfer import data, model
from tfxfer.train import optimizers
from tfxfer.train.steps import Steps
pixels = np.random.default_rng(0).integers(0, 256, (80, 12, 12, 1)).astype(np.uint8)
splits = data.from_arrays((pixels[:40], np.arange(40) % 2), (pixels[40:], np.arange(40) % 2))
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    net = model.build("small_resnet", splits, weights="none", image_size=12)
    model.unfreeze_last(net, "block4")
    optimizer = optimizers.create(net, "sgd", 1.0, stage_decay=0.5, schedule="constant", steps=9)
    optimizer.build(net.trainable_variables)
before = [v.numpy() for v in net.trainable_variables]
@tf.function
def step():
    strategy.run(lambda: optimizer.apply([tf.ones(v.shape) for v in net.trainable_variables], net.trainable_variables))
step()
with strategy.scope():
    small = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, use_bias=False)])
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=8.0)
    scaled.build(small.trainable_variables)
start, scales = small.get_weights()[0], []
for weights in ((np.inf, 1.0), (1.0, np.inf), (1.0, 1.0)):  # of the first replica's example and the second's
    examples = (np.ones((2, 1), "float32"), np.zeros(2, "int64")), np.array(weights, "float32")
    parts = strategy.distribute_datasets_from_function(lambda _: tf.data.Dataset.from_tensor_slices(examples).batch(1))
    Steps(small, scaled, strategy).train(iter(parts), 1)
    scales.append((float(scaled.dynamic_scale.numpy()), bool(np.array_equal(start, small.get_weights()[0]))))
print(scales)
moved = {v.path: round(float(np.mean(b - v.numpy())), 4) for b, v in zip(before, net.trainable_variables)}
print(strategy.num_replicas_in_sync, moved)
"""


def test_two_devices():
    """The two replicas' gradients, all ones, are added: each group moves by twice its rate."""
    done = subprocess.run([*warm.python(), "-c", MIRRORED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = {"block4_1_conv/kernel": 1.0, "block4_2_conv/kernel": 1.0, "block5_1_conv/kernel": 2.0}
    expected |= {"block5_2_conv/kernel": 2.0, "logits/kernel": 2.0, "logits/bias": 2.0}
    assert done.stdout.splitlines()[-1] == f"2 {expected}"
    # loss scaling halves its factor and skips the step whichever replica's gradients overflow
    assert done.stdout.splitlines()[-2] == "[(4.0, True), (2.0, True), (2.0, False)]"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"optimizer": "adamm"}, r"unknown optimizer 'adamm': expected one of adadelta, .*adam, .*sgd"),
        ({"optimizer": "multioptimizer"}, "unknown optimizer 'multioptimizer'"),
        ({"optimizer": functools.partial(keras.optimizers.SGD, learning_rate=1.0)}, "has a rate"),
        ({"optimizer": functools.partial(keras.optimizers.SGD, 1.0)}, "expected a name, a class"),
        ({"optimizer": functools.partial(keras.optimizers.SGD, speed=1.0)}, "speed.*expected a name, a class"),
        ({"optimizer": dict}, "expected a name, a class or a functools.partial"),
        ({"optimizer": 3}, "expected a name, a class or a functools.partial"),
        ({"learning_rate": 0.0}, "learning rate 0.0 of logits: expected finite, above zero"),
        ({"backbone_learning_rate": np.inf}, "learning rate inf of backbone: expected finite, above zero"),
        ({"backbone_learning_rate": {"conv3": -1.0}}, "learning rate -1.0 of conv3: expected finite, above zero"),
        ({"backbone_learning_rate": {"conv1": 0.1}}, "for 'conv1', where nothing trains; .*: conv2, conv3, dense$"),
        ({"backbone_learning_rate": {"pool2": 0.1}}, "for 'pool2', where nothing trains"),
        ({"backbone_learning_rate": {"logits": 0.1}}, "for 'logits', where nothing trains"),
        ({"backbone_learning_rate": {"conv3": 0.1}, "stage_decay": 0.5}, "and no rates by name with it"),
        ({"stage_decay": 0.0}, "stage_decay 0.0: expected a number above 0 and at most 1"),
        ({"stage_decay": 1.5}, "stage_decay 1.5: expected a number above 0 and at most 1"),
        ({"schedule": "step"}, "schedule 'step': expected one of cosine, constant"),
    ],
)
def test_what_cannot_be_is_said(net, options, complaint):
    with pytest.raises(InputError, match=complaint):
        create(net, **options)


def test_rates_for_nothing_are_refused(net):
    model.unfreeze_last(net, 0)
    for options in ({"backbone_learning_rate": 0.1}, {"stage_decay": 0.5}):
        with pytest.raises(InputError, match="none of the layers that a rate was given for are trained"):
            create(net, **options)
    assert rates(net, create(net)) == pytest.approx({"logits": 0.1})
    net.trainable = False
    with pytest.raises(InputError, match="none of the layers that a rate was given for are trained"):
        create(net)


def test_variables_that_hide_their_layer_are_refused(pictures):
    class Hidden(keras.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.inner = keras.layers.Dense(3, name="elsewhere")
            self.inner.build((None, 1))

        def call(self, x):
            return self.inner(x)

        def get_config(self):
            return super().get_config() | {"name": self.name}

    image = keras.Input((28, 28, 1))
    net = model.build(keras.Model(image, Hidden(name="outer")(image), name="mine"), pictures, scaling="unit")
    model.unfreeze_last(net, "all")
    assert rates(net, create(net))["elsewhere"] == pytest.approx(0.1)
    with pytest.raises(InputError, match="elsewhere/kernel is not named after its layer outer"):
        create(net, backbone_learning_rate=0.01)


def test_cosine_schedule_warms_up_and_decays():
    schedule = optimizers.schedule("cosine", 1e-3, 100)
    rates = np.array([float(schedule(step)) for step in range(101)])
    assert rates.argmax() == 10
    assert rates[10] == pytest.approx(1e-3)
    np.testing.assert_allclose(np.diff(rates[:11]), np.diff(rates[:11])[0], rtol=1e-4)
    expected = 1e-3 * 0.5 * (1 + np.cos(np.pi * np.arange(91) / 90))
    np.testing.assert_allclose(rates[10:], expected, atol=1e-9)
    assert optimizers.schedule("constant", 0.5, 100) == 0.5
