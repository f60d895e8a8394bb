import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxfer import model, train
from tfxfer.core.errors import InputError
from tfxfer.features import activation_cache
from tfxfer.train import losses

SGD = keras.optimizers.SGD


def focal(gamma):
    def focal_loss(y_true, y_pred):
        targets, probabilities = keras.ops.one_hot(y_true, 10), keras.ops.softmax(y_pred)
        powers = (1 - probabilities) ** gamma
        return -keras.ops.sum(targets * powers * keras.ops.log(probabilities + 1e-7), axis=-1)

    return focal_loss


def margin(y_true, y_pred):
    """One number for the batch."""
    return keras.ops.mean(keras.ops.square(keras.ops.one_hot(y_true, 10) * 4 - y_pred))


class Temperature(keras.losses.Loss):
    def __init__(self, temperature=2.0, **options):
        super().__init__(**options)
        self.temperature = temperature

    def call(self, y_true, y_pred):
        return keras.losses.sparse_categorical_crossentropy(y_true, y_pred / self.temperature, from_logits=True)


class Needy(Temperature):
    def __init__(self, temperature):
        super().__init__(temperature)


def plain_keras(net, splits, loss, targets="labels", outputs="logits", class_weight=None, **options):
    """What one would write without tfxfer: labels or one-hot rows, and a softmax layer where the loss wants one.

    It is not Keras's layer, whose output is marked with the logits: binary cross-entropy takes them for a sigmoid's.
    """
    if outputs == "probabilities":
        net = keras.Model(net.inputs, keras.layers.Lambda(tf.nn.softmax)(net.output))

    def pairs(example):
        label = example["label"]
        return example["image"], label if targets == "labels" else tf.one_hot(label, len(splits.classes))

    net.compile(optimizer=SGD(0.1), loss=loss, **options)
    return net.fit(
        splits.batches("train", 32, 7, 2).map(pairs),
        validation_data=splits.batches("validation", 32).map(pairs),
        steps_per_epoch=-(-splits.size("train") // 32),
        epochs=2,
        shuffle=False,
        verbose=0,
        class_weight=class_weight,
    ).history


def compare(net, splits, expected, loss, **options):
    """Trains by `fit` what `expected` has trained, from the weights before it."""
    history = train.fit(net, splits, 2, optimizer=SGD(0.1), seed=7, loss=loss, **options)
    for name in expected.keys() & {"loss", "val_loss"}:
        np.testing.assert_allclose(history[name], expected[name], rtol=2e-5, atol=1e-6, err_msg=name)
    return history


@pytest.mark.parametrize(
    ("loss", "targets", "outputs", "cache"),
    [
        (focal(2.0), "labels", "logits", "memory"),
        (focal(2.0), "labels", "logits", "off"),
        (margin, "labels", "logits", "memory"),
        (Temperature(3.0), "labels", "logits", "memory"),
        (keras.losses.CategoricalFocalCrossentropy(gamma=1.5), "one-hot", "probabilities", "memory"),
        (keras.losses.CategoricalFocalCrossentropy(from_logits=True), "one-hot", "logits", "off"),
        (keras.losses.BinaryCrossentropy(), "one-hot", "probabilities", "memory"),
        (keras.losses.MeanSquaredError(reduction="sum"), "one-hot", "probabilities", "memory"),
        (keras.losses.SparseCategoricalCrossentropy(), "labels", "probabilities", "off"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or getattr(value, "name", str(value)),
)
def test_trains_to_plain_keras_s_weights(pictures, loss, targets, outputs, cache):
    """In batches of 32, of which the last has fewer, and with a frozen prefix, cached or not."""
    keras.utils.set_random_seed(3)
    net = model.build("cnn", pictures, weights="none")
    model.unfreeze_last(net, "dense")
    start = model.values(net)
    expected = plain_keras(net, pictures, loss, targets, outputs)
    weights = net.get_weights()
    model.assign_values(net, start)
    assert max(np.abs(ours - before).max() for ours, before in zip(weights, net.get_weights())) > 1e-3
    history = compare(net, pictures, expected, loss, cache=cache)
    for ours, theirs in zip(net.get_weights(), weights):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)
    assert history.facts["cache"].startswith("off") == (cache == "off")
    assert history.facts["loss"].endswith(f"{outputs} (softmax of the logits)" if "pro" in outputs else "and logits")


@pytest.mark.parametrize(
    ("loss", "targets"),
    [(focal(1.0), "labels"), (keras.losses.CategoricalHinge(reduction="sum"), "one-hot")],
    ids=["function", "sum"],
)
def test_class_weights_are_keras_s(pictures, loss, targets):
    keras.utils.set_random_seed(3)
    net = model.build("cnn", pictures, weights="none")
    model.unfreeze_last(net, "dense")
    start, factors = model.values(net), np.linspace(0.2, 2, 10)
    expected = plain_keras(net, pictures, loss, targets, class_weight=dict(enumerate(factors)))
    weights = net.get_weights()
    model.assign_values(net, start)
    compare(net, pictures, expected, loss, class_weights=factors)
    for ours, theirs in zip(net.get_weights(), weights):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_cross_entropy_is_the_default_by_any_name(pictures, small_cnn, capsys):
    """To rounding: a loss of probabilities finds their logits again."""
    start = model.values(small_cnn)
    given = (None, "sparse_categorical_crossentropy", keras.losses.CategoricalCrossentropy(from_logits=True))
    weights = []
    for loss in given:
        model.assign_values(small_cnn, start)
        history = train.fit(small_cnn, pictures, 1, loss=loss)
        weights.append(small_cnn.get_weights())
        assert ("loss" in history.facts) == (loss is not None)
    for other in weights[1:]:
        for ours, theirs in zip(other, weights[0]):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)
    printed = capsys.readouterr().out
    said = "loss: sparse_categorical_crossentropy of labels and probabilities (softmax of the logits)\n"
    assert printed.count("\nloss: ") == 2
    assert said in printed


def test_the_network_can_be_saved_and_loaded(pictures, small_cnn, tmp_path):
    train.fit(small_cnn, pictures, 1, loss=focal(2.0), metrics=[focal(1.0)])
    model.save(small_cnn, tmp_path / "net.keras")
    loaded = model.load(tmp_path / "net.keras")
    np.testing.assert_array_equal(loaded.get_layer("logits").kernel, small_cnn.get_layer("logits").kernel)


def test_keep_and_fine_tune_go_by_the_given_loss(pictures):
    net = model.build("cnn", pictures, weights="none")
    history = train.fine_tune(net, pictures, 1, epochs=1, tune_epochs=2, loss="hinge", keep="best")
    assert [phase["loss"] for phase in history.facts["phases"]] == ["hinge of one-hot labels and logits"] * 2
    images, labels = pictures.pairs("validation")(tf.range(pictures.size("validation"), dtype=tf.int64))
    targets = 2 * np.eye(10)[labels] - 1  # Keras's hinge takes 0 for -1
    hinge = np.maximum(0, 1 - targets * net.predict(images, verbose=0)).mean()
    assert history.kept("val_loss") == pytest.approx(hinge, rel=1e-4)
    assert history.kept("val_loss") == min(history["val_loss"][1:])


@pytest.mark.parametrize("loss", [focal(2.0), Temperature(3.0)], ids=["function", "class"])
def test_another_loss_is_another_training(pictures, small_cnn, tmp_path, loss):
    train.fit(small_cnn, pictures, 1, loss=loss, checkpoint_dir=tmp_path)
    train.fit(small_cnn, pictures, 1, loss=loss, checkpoint_dir=tmp_path)  # finished, and the same
    for other in (None, focal(1.0), Temperature(2.0), keras.losses.Hinge()):
        with pytest.raises(InputError, match="contains checkpoints of another training"):
            train.fit(small_cnn, pictures, 1, loss=other, checkpoint_dir=tmp_path)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {"loss": 3},
            "loss: expected the name of a Keras loss, a Keras loss, or a function of labels and logits, got 3",
        ),
        ({"loss": ["hinge"]}, "loss: expected the name of a Keras loss, .* got an object of class list"),
        ({"loss": "hinges"}, "loss: 'hinges' is not a name that Keras knows, such as 'categorical_crossentropy'"),
        (
            {"loss": Needy},
            "loss: the class Needy is not a name that Keras knows, .*, nor a class that needs no arguments",
        ),
        ({"loss": "ctc"}, "loss: ctc of Keras is not defined on labels and logits of classes: write a function of"),
        ({"loss": keras.losses.Loss()}, "loss: Loss of Keras is not defined on labels and logits"),
        ({"loss": keras.losses.Hinge(reduction=None)}, "Hinge has reduction None, expected 'sum_over_batch_size' or '"),
        (
            {"loss": keras.losses.SparseCategoricalCrossentropy(ignore_class=3)},
            "loss: SparseCategoricalCrossentropy with ignore_class=3 is not supported here: leave ignore_class out",
        ),
        ({"loss": "hinge", "label_smoothing": 0.1}, r"label_smoothing 0\.1 belongs to the loss that trains unless"),
        (
            {"loss": margin, "class_weights": "balanced"},
            "loss: margin gives one number for a batch, class_weights need",
        ),
        (
            {"loss": keras.losses.Hinge("mean_with_sample_weight"), "class_weights": "balanced"},
            r"loss: Hinge divides by the class_weights \(reduction 'mean_with_sample_weight'\): use 'sum_over_batch_si",
        ),
        (
            {"loss": functools.partial(focal(2.0), gamma=1)},
            r"loss: focal_loss fails on labels \(11,\), logits \(11, 10\): TypeError: .*unexpected keyword",
        ),
        (
            {"loss": lambda y_true, y_pred: y_pred[:2, 0]},
            r"gives numbers of shape \(2,\) for 11 images, expected one f",
        ),
        (
            {"loss": lambda y_true, y_pred: tf.round(y_pred[:, 0]) * 0 + y_true},
            "has no gradient with respect to y_pred: c",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_cannot_train_is_said_before_anything_is_computed(pictures, small_cnn, options, complaint, monkeypatch):
    monkeypatch.setattr(activation_cache, "compute", lambda *given, **options: pytest.fail("computed"))
    with pytest.raises(InputError, match=complaint):
        train.fit(small_cnn, pictures, **options)


def test_one_number_for_a_batch_is_refused_where_it_is_divided():
    class Two:
        num_replicas_in_sync = 2

    with pytest.raises(InputError, match="loss: margin gives one number for a batch, several devices need one for"):
        losses.create(margin, 10, strategy=Two())
    assert losses.create(margin, 10) is not None


@pytest.mark.parametrize("name", sorted({n for n in dir(keras.losses) if n[0].isupper()} - {"Loss", "CTC", "Circle"}))
def test_every_loss_of_keras_that_fits_classes_is_lower_for_the_right_one(name):
    """CTC and Circle are defined on sequences and on similarities."""
    made = getattr(keras.losses, name)(**({"q": 0.5} if "Generalized" in name else {}))
    labels, weights = tf.constant([2, 0], tf.int64), tf.fill([2], 0.5)
    right, wrong = (2 * tf.one_hot(rows, 3) for rows in ([2, 0], [1, 1]))
    loss = losses.create(made, 3)
    values = [float(tf.reduce_sum(weights * loss(labels, logits, weights))) for logits in (right, wrong)]
    assert values[0] < values[1]
    assert loss.inputs.targets == ("labels" if name.startswith(("Sparse", "CategoricalGen")) else "one-hot labels")
