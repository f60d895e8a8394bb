import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import noise

from tfxfer import data, model, train
from tfxfer.core.errors import InputError
from tfxfer.features import activation_cache
from tfxfer.train import class_weights, optimizers


def fit(net, pictures, **options):
    return train.fit(net, pictures, **{"epochs": 1, "batch_size": 50, **options})


def test_learns_and_reports_every_epoch(pictures, small_cnn):
    model.unfreeze_last(small_cnn, "all")
    history = fit(small_cnn, pictures, epochs=6, learning_rate=3e-3)
    assert sorted(history) == ["accuracy", "loss", "seconds", "val_accuracy", "val_loss"]
    assert all(len(values) == 6 for values in history.values())
    assert history["val_accuracy"][-1] > 0.9
    assert all(seconds > 0 for seconds in history["seconds"])


@pytest.mark.parametrize("train_batch_norm", [False, True])
def test_only_the_unfrozen_layers_change(pictures, train_batch_norm):
    """Weights and moving statistics both: the audit's digests, checked here weight by weight."""
    net = model.build("small_resnet", pictures, weights="none")
    model.unfreeze_last(net, 6, train_batch_norm=train_batch_norm)
    before = {layer.name: layer.get_weights() for layer in net.layers}
    fit(net, pictures)
    changed = {
        layer.name
        for layer in net.layers
        if any(not np.array_equal(a, b) for a, b in zip(before[layer.name], layer.get_weights()))
    }
    expected = {layer.name for layer in model.backbone_layers(net)[-6:] if layer.weights} | {"logits"}
    if not train_batch_norm:
        expected = {name for name in expected if not name.endswith("_bn")}
    assert changed == expected
    assert "block5_2_conv" in changed


def test_audit_catches_a_frozen_layer_that_moves(pictures, small_cnn):
    class Thief(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kernel = self.model.get_layer("conv1").kernel
            kernel.assign(kernel + 1e-8)

    with pytest.raises(RuntimeError, match="frozen layers changed while training, results are void: conv1"):
        fit(small_cnn, pictures, callbacks=[Thief()])


def test_same_seed_same_weights(pictures):
    def weights(seed):
        keras.utils.set_random_seed(0)
        net = model.build("cnn", pictures, weights="none")
        model.unfreeze_last(net, "all")
        fit(net, pictures, seed=seed)
        return np.concatenate([w.ravel() for w in net.get_weights()])

    first, again, other = weights(1), weights(1), weights(2)
    np.testing.assert_allclose(first, again, atol=1e-6)
    assert np.abs(first - other).max() > 1e-4


def test_divergence_is_said(pictures, small_cnn):
    model.unfreeze_last(small_cnn, "all")
    with pytest.raises(InputError, match="training diverged"):
        fit(small_cnn, pictures, learning_rate=1e30, epochs=2)


def test_test_images_are_not_touched(pictures, small_cnn, monkeypatch):
    asked = set()
    reader = data.Splits.reader
    monkeypatch.setattr(data.Splits, "reader", lambda self, split: (asked.add(split), reader(self, split))[1])
    fit(small_cnn, pictures)
    fit(small_cnn, pictures, cache="off")
    assert asked == {"train", "validation"}


@pytest.mark.parametrize(
    "options", [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": -1.0}, {"learning_rate": np.inf}]
)
def test_arguments_out_of_range(pictures, small_cnn, options):
    with pytest.raises(InputError, match="expected finite, above zero"):
        fit(small_cnn, pictures, **options)
    with pytest.raises(InputError, match="schedule 'step': expected one of cosine, constant"):
        fit(small_cnn, pictures, schedule="step")
    with pytest.raises(InputError, match=r"label_smoothing 1\.0, early_stopping None"):
        fit(small_cnn, pictures, label_smoothing=1.0)
    small_cnn.get_layer("logits").trainable = False
    with pytest.raises(InputError, match="nothing trains in cnn"):
        fit(small_cnn, pictures)


def plain_keras(net, splits, epochs, batch_size, seed, label_smoothing=0.0, class_weight=None, optimizer=None):
    """What one would write without tfxfer: the same order, Keras's own loop and loss over the whole network; Adam, if
    no optimizer is given. Frozen dropout does nothing, as in the guide's `base_model(x, training=False)`."""
    frozen = [
        x for x in net.layers if isinstance(x, keras.layers.Dropout) and not x.trainable and x.name != "head_dropout"
    ]
    rates = [layer.rate for layer in frozen]
    for layer in frozen:
        layer.rate = 0.0
    classes = len(splits.classes)

    def pairs(example):
        return example["image"], tf.one_hot(example["label"], classes)

    steps = -(-splits.size("train") // batch_size)
    rate = optimizers.schedule("cosine", 1e-3, steps * epochs)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)
    net.compile(optimizer=optimizer or keras.optimizers.Adam(rate), loss=loss, metrics=["accuracy"])
    history = net.fit(
        splits.batches("train", batch_size, seed, epochs).map(pairs),
        validation_data=splits.batches("validation", batch_size).map(pairs),
        steps_per_epoch=steps,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        class_weight=class_weight,
    ).history
    for layer, before in zip(frozen, rates):
        layer.rate = before
    return history


@pytest.mark.parametrize("cache", ["memory", "disk", "off"])
@pytest.mark.parametrize(
    ("name", "unfrozen", "train_batch_norm", "label_smoothing"),
    [("cnn", 0, False, 0.0), ("dropout_cnn", "dense", True, 0.1), ("small_resnet", "block5", True, 0.0)],
)
def test_is_what_plain_keras_does(pictures, name, unfrozen, train_batch_norm, label_smoothing, cache):
    """Losses, accuracies and final weights, with dropout, an uneven last batch, and several tensors at the cut.

    Where batch norm is folded in the frozen part, its outputs differ in the last bits. Adam makes whole steps, of 1e-3,
    of gradients that are next to nothing and so of rounding, too: a tenth of one step is allowed there.
    """
    keras.utils.set_random_seed(3)
    net = model.build(name, pictures, weights="none")
    model.unfreeze_last(net, unfrozen, train_batch_norm)
    start = model.values(net)
    expected = plain_keras(net, pictures, 3, 32, 7, label_smoothing)
    weights = net.get_weights()
    model.assign_values(net, start)
    history = train.fit(net, pictures, 3, seed=7, label_smoothing=label_smoothing, cache=cache)
    assert history.facts["cache"].startswith("off") == (cache == "off")
    for key, values in expected.items():
        np.testing.assert_allclose(history[key], values, rtol=2e-5, atol=1e-5, err_msg=key)
    for ours, theirs in zip(net.get_weights(), weights):
        np.testing.assert_allclose(ours, theirs, atol=1e-4 if name == "small_resnet" else 2e-5)


@pytest.fixture(scope="module")
def unbalanced(pictures):
    """A fifth of the images of labels above 2."""
    labels = pictures.rows["train"].labels
    return pictures.only(train=np.flatnonzero((labels < 3) | (np.arange(len(labels)) % 5 == 0)))


def test_class_weights_are_keras_s(unbalanced):
    """Losses of training and validation, and final weights; "balanced" is scikit-learn's formula. By SGD: Adam makes
    whole steps of gradients that are next to nothing, and so of rounding, of which oneDNN has its own."""
    keras.utils.set_random_seed(3)
    net = model.build("cnn", unbalanced, weights="none")
    model.unfreeze_last(net, "all")
    start, counts = model.values(net), np.bincount(unbalanced.rows["train"].labels)
    weights = dict(enumerate(counts.sum() / (10 * counts)))
    expected = plain_keras(net, unbalanced, 2, 32, 7, class_weight=weights, optimizer=keras.optimizers.SGD(0.1))
    weights = net.get_weights()
    model.assign_values(net, start)
    assert max(np.abs(ours - before).max() for ours, before in zip(weights, net.get_weights())) > 0.01
    sgd = keras.optimizers.SGD(0.1)
    history = train.fit(net, unbalanced, 2, seed=7, class_weights="balanced", optimizer=sgd)
    assert not sgd.built
    for key, values in expected.items():
        np.testing.assert_allclose(history[key], values, rtol=2e-5, atol=1e-5, err_msg=key)
    for ours, theirs in zip(net.get_weights(), weights):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_class_weights_given_and_refused(unbalanced, small_cnn):
    labels = unbalanced.rows["train"].labels
    balanced = class_weights.class_weights("balanced", labels, 10)
    assert np.mean(balanced[labels]) == pytest.approx(1)
    assert np.bincount(labels, balanced[labels]) == pytest.approx(len(labels) / 10)
    assert class_weights.class_weights("none", labels, 10) is class_weights.class_weights(None, labels, 10) is None
    assert class_weights.class_weights([1, 2], labels, 2).tolist() == [1, 2]
    for given in ("equal", 5, {0: 1.0}, [1.0] * 9, [1.0] * 9 + [0.0], [1.0] * 9 + [np.inf]):
        with pytest.raises(InputError, match="class_weights"):
            fit(small_cnn, unbalanced, class_weights=given)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"net": "cnn"}, "net: expected a Keras model from model.build, got 'cnn'"),
        ({"net": keras.Sequential(name="own")}, r"net: own has no layer scaled, .*model\.build\(net, splits, scaling"),
        ({"splits": "mnist"}, r"splits: expected tfxfer's splits, got 'mnist': data\.load\('mnist'\) gives them"),
        ({"splits": np.zeros(3)}, "splits: expected tfxfer's splits, got an object of class ndarray: data.load and"),
        ({"epochs": "5"}, "epochs: expected a whole number, got '5'"),
        ({"epochs": 2.5}, r"epochs: expected a whole number, got 2\.5"),
        ({"epochs": True}, "epochs: expected a whole number, got True"),
        ({"batch_size": None}, "batch_size: expected a whole number, got None"),
        ({"learning_rate": "fast"}, r"learning_rate: expected a number .*, got 'fast'"),
        ({"backbone_learning_rate": {"dense": "slow"}}, "backbone_learning_rate of dense: expected a number, got 'sl"),
        ({"optimizer": 3}, "optimizer: expected a name, a Keras optimizer, its class or a function, got 3"),
        ({"optimizer": "adamm"}, "unknown optimizer 'adamm'"),
        ({"early_stopping": "3"}, "early_stopping: expected a whole number of epochs, or None, got '3'"),
        ({"keep": "first"}, "keep 'first': expected one of best, last"),
        ({"callbacks": keras.callbacks.EarlyStopping()}, "list of Keras callbacks, got an object of class EarlyStopp"),
        ({"callbacks": [keras.callbacks.EarlyStopping]}, "list of Keras callbacks, got the class EarlyStopping in it"),
        ({"cache": 5}, "cache: expected auto, memory, disk, off, or activations, got 5"),
        ({"cache_dtype": "int3"}, "cache_dtype 'int3': expected bfloat16, or None"),
        ({"strategy": 5}, "strategy: expected a name, .*, got 5"),
        ({"precision": 3}, "precision 3: expected one of"),
        ({"checkpoint_dir": __file__}, r"test_fitting\.py is a file, expected a folder"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, dict) else given,
)
def test_wrong_objects_are_refused_before_anything_is_computed(pictures, small_cnn, given, complaint, monkeypatch):
    monkeypatch.setattr(activation_cache, "compute", lambda *given, **options: pytest.fail("computed"))
    with pytest.raises(InputError, match=complaint):
        train.fit(**{"net": small_cnn, "splits": pictures} | given)


def test_what_does_not_belong_together_is_refused(pictures, small_cnn):
    other = data.from_arrays(*[(noise(20, 28, 28, 3, seed=seed), np.arange(20) % 2) for seed in (0, 1)])
    with pytest.raises(InputError, match="net: cnn takes images of 28 x 28 x 1, arrays has 28 x 28 x 3: build it with"):
        train.fit(small_cnn, other)
    many = data.from_arrays(*[(noise(40, 28, 28, seed=seed), np.arange(40) % 20) for seed in (0, 1)])
    for call in (train.fit, train.fine_tune, train.sweep, train.find_learning_rate):
        with pytest.raises(InputError, match="net: cnn knows 10 classes, arrays has 20: build it with these splits"):
            call(small_cnn, many)
    with pytest.raises(InputError, match="tune_epochs: expected a whole number, got '3'"):
        train.fine_tune(small_cnn, pictures, tune_epochs="3")
    with pytest.raises(InputError, match=r"optimizer SGD has one rate, and two are needed: give the class keras\.o"):
        train.fine_tune(small_cnn, pictures, optimizer=keras.optimizers.SGD(0.1))


def test_an_optimizer_that_scales_the_loss_itself_takes_the_same_steps(pictures, small_cnn):
    """By a power of two, which rounds nothing."""
    start = model.values(small_cnn)
    fit(small_cnn, pictures, optimizer=keras.optimizers.SGD(0.1))
    plain = model.values(small_cnn)
    model.assign_values(small_cnn, start)
    fit(small_cnn, pictures, optimizer=keras.optimizers.SGD(0.1, loss_scale_factor=1024.0))
    for a, b in zip(plain, model.values(small_cnn)):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(plain, start))


def test_regularisation_counts_as_in_keras(pictures):
    image = keras.Input((28, 28, 1))
    x = keras.layers.Conv2D(4, 3, strides=2, name="conv")(image)
    x = keras.layers.Conv2D(4, 3, strides=2, kernel_regularizer="l2", name="regular")(x)
    backbone = keras.Model(image, x, name="regular")
    net = model.build(backbone, pictures, scaling="unit")
    model.unfreeze_last(net, 1)
    start = model.values(net)
    expected = plain_keras(net, pictures, 2, 32, 0)
    model.assign_values(net, start)
    history = train.fit(net, pictures, 2)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(history[name], expected[name], rtol=1e-5)


def test_callbacks_are_called_as_in_keras(pictures, small_cnn):
    class Spy(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen = []

        def __getattribute__(self, name):
            if name.startswith("on_") and "batch" not in name:
                self.seen.append(name)
            return super().__getattribute__(name)

    spies = Spy(), Spy()
    fit(small_cnn, pictures, epochs=2, callbacks=[spies[0]])
    small_cnn.fit(
        *pictures.pairs("train")(tf.range(50, dtype=tf.int64)),
        validation_data=pictures.pairs("validation")(tf.range(5, dtype=tf.int64)),
        epochs=2,
        verbose=0,
        callbacks=[spies[1]],
    )
    assert spies[0].seen == spies[1].seen


def test_early_stopping_restores_the_best_epoch(pictures):
    net = model.build("cnn", pictures, weights="none")
    model.unfreeze_last(net, "all")
    history = fit(net, pictures, epochs=30, learning_rate=2e-2, schedule="constant", early_stopping=2)
    best = int(np.argmin(history["val_loss"]))
    assert history.facts["weights_of_epoch"] == best == len(history["loss"]) - 3
    images, labels = pictures.pairs("validation")(tf.range(30, dtype=tf.int64))
    loss, accuracy = net.evaluate(images, labels, verbose=0)
    assert loss == pytest.approx(history["val_loss"][best], rel=1e-4)
    assert accuracy == pytest.approx(history["val_accuracy"][best])


def test_averaged_weights_are_written_back(pictures, small_cnn):
    average = functools.partial(keras.optimizers.SGD, use_ema=True, ema_momentum=0.5)
    fit(small_cnn, pictures, optimizer=average, learning_rate=0.1)
    averaged = small_cnn.optimizer._model_variables_moving_average
    np.testing.assert_array_equal(small_cnn.get_layer("logits").kernel, averaged[0])


def test_views_train_on_what_is_cached(pictures, capsys):
    net = model.build("cnn", pictures, weights="none", augment=True)
    history = fit(net, pictures, epochs=2, views=2)
    assert history.facts["cache"].endswith("in memory at embedding")
    plain = fit(net, pictures)
    reason = "off: augment_shift is random in training, and no backbone layer is frozen before it; views=K would cache"
    assert plain.facts["cache"].startswith(reason)
    assert reason in capsys.readouterr().out
    with pytest.raises(InputError, match="views 2: no random layer"):
        fit(model.build("cnn", pictures, weights="none"), pictures, views=2)
