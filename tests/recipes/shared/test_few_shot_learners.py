"""Each way to learn does what its name says: compared with the library's own functions on the same few images."""

import keras
import numpy as np
import pytest

from tfxfer import analysis, features, model, train
from tfxfer.core.errors import InputError
from tfxfer.recipes.shared import Run, few_shot_learners, few_shot_methods
from tfxfer.recipes.shared.few_shot_learners import Learners
from tfxfer.recipes.shared.few_shot_methods import METHODS
from tfxfer.recipes.shared.label_subsets import Subset, nested
from tfxfer.runs.options import Options

STEPS, RATE, SEED = 20, 3e-3, 5


@pytest.fixture(scope="module")
def few(pictures):
    """All subsets of a few pictures, of which a fifth of the classes' images is set aside where there are five."""
    splits = pictures.only(train=np.arange(100), validation=np.arange(1), test=np.arange(40))
    return splits, nested(splits.rows["train"].labels, ["2", "5", "all"], SEED)


@pytest.fixture(scope="module")
def learners(few, tmp_path_factory):
    """Of an untrained network; whatever it is used for, it starts from the same weights again."""
    keras.utils.set_random_seed(0)
    net = model.build("cnn", few[0], weights="none")
    out = str(tmp_path_factory.mktemp("runs"))
    options = Options(dataset="digits", batch_size=8, learning_rate=RATE, cache="memory", out=out)
    with Run("few_shot", {}, options) as run:
        yield Learners(run, net, few[0], list(METHODS), "conv3", STEPS)


@pytest.fixture(scope="module")
def two_of_each(few, learners):
    """What the trainings on two images of each class leave, by method."""
    return dict(learners._trainings(few[1]["2"], SEED))


def accuracy(net, splits):
    bank = features.extract(net, splits.test, ("logits",))
    return analysis.metrics.accuracy(bank.labels, bank["logits"].argmax(1))


def test_all_methods_learn_from_the_same_start_and_repeat_themselves(few, learners):
    _, subsets = few
    first = learners(subsets["2"], SEED)
    again = learners(subsets["2"], SEED)
    assert list(first) == list(METHODS)
    for name, row in first.items():
        assert row["seconds"] > 0
        assert row["accuracy"] == again[name]["accuracy"]
    assert first["wise_ft"]["weight"] == 0.5
    assert first["head"]["seconds"] < first["lp_ft"]["seconds"] < first["wise_ft"]["seconds"]


def test_probes_are_those_of_analysis(few, learners):
    splits, subsets = few
    rows = subsets["5"].rows
    banks = {
        split: features.extract(learners.net, getattr(splits, split), features.taps(learners.net))
        for split in ("train", "test")
    }
    known, test = banks["train"], banks["test"]
    found = learners(subsets["5"], SEED)
    probe = analysis.probe(known["embedding"][rows], known.labels[rows], test["embedding"], test.labels, "logistic")
    assert found["logistic"]["accuracy"] == probe["test_accuracy"]
    layers = {name: value[rows] for name, value in known.values.items()}
    size = few_shot_learners.TARGET_SIZE
    probe = analysis.head2toe(layers, known.labels[rows], test.values, test.labels, target_size=size)
    assert found["head2toe"]["accuracy"] == probe["test_accuracy"]


def test_lp_ft_is_fine_tune_and_the_head_its_first_phase(few, learners):
    """`train.fine_tune` of the same images, repeated as often, gives the same weights to rounding."""
    splits, subsets = few
    rows, net = subsets["all"].rows, learners.net  # 100 images: an epoch is a pass over each once
    part = splits.only(train=rows)
    options = {"batch_size": 8, "seed": SEED, "train_batch_norm": False, "cache": "memory", "keep": "last"}
    epochs = round(STEPS / 13)
    model.assign_values(net, learners.start.values)
    rates = {"learning_rate": RATE, "tune_learning_rate": RATE / 10}
    train.fine_tune(net, part, "conv3", epochs=epochs, tune_epochs=epochs, **rates, **options)
    expected, expected_accuracy = model.values(net), accuracy(net, splits)
    found = dict(learners._trainings(subsets["all"], SEED))
    for ours, theirs in zip(found["lp_ft"].values, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert learners(subsets["all"], SEED)["lp_ft"]["accuracy"] == expected_accuracy
    model.assign_values(net, learners.start.values)
    model.unfreeze_last(net, 0)
    train.fit(net, part, epochs, RATE, batch_size=8, seed=SEED, cache="memory")
    for ours, theirs in zip(found["head"].values, model.values(net), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_only_the_tail_and_the_head_move(learners, two_of_each):
    """By the last stage here: everything before it is as it was, bit for bit; the head alone leaves that as well."""
    names = [variable.path.split("/")[0] for layer in learners.net.layers for variable in layer.weights]
    for method, moved in (("head", {"logits"}), ("lp_ft", {"conv3", "dense"}), ("last_layers", {"conv3", "dense"})):
        changed = {
            name
            for name, before, after in zip(names, learners.start.values, two_of_each[method].values, strict=True)
            if not np.array_equal(before, after)
        }
        assert "logits" in changed
        assert changed - {"logits"} == (moved - {"logits"}) & {*names}


def test_wise_ft_lies_between_head_and_lp_ft(two_of_each):
    """Halfway, where nothing is set aside to choose by."""
    found = two_of_each
    assert found["wise_ft"].facts == {"weight": 0.5}
    ends = zip(found["head"].values, found["lp_ft"].values, strict=True)
    for ours, (before, after) in zip(found["wise_ft"].values, ends, strict=True):
        np.testing.assert_allclose(ours, (before + after) / 2, rtol=1e-6, atol=1e-7)


def test_the_weight_is_chosen_by_images_that_are_not_trained_on(few, learners, monkeypatch):
    splits, subsets = few
    seen = []

    def curve(net, part, before, after, *, cache):
        seen.append({split: {*part.ids[split]} for split in ("train", "validation", "test")})
        assert not part.leaky
        for split in ("train", "validation"):
            np.testing.assert_array_equal(cache.labels[split], part.rows[split].labels)
        return train.Curve([], {"weight": 0.3}, [], "")

    monkeypatch.setattr(train, "interpolation_curve", curve)
    found = learners(subsets["5"], SEED)
    assert found["wise_ft"]["weight"] == 0.3
    (ids,) = seen
    taken = {*splits.ids["train"][subsets["5"].rows]}
    assert len(ids["validation"]) == 10
    assert ids["train"] | ids["validation"] == taken
    assert not ids["train"] & ids["validation"]


def test_only_what_is_asked_for_is_trained(few, learners, monkeypatch):
    fits = []
    monkeypatch.setattr(train, "fit", lambda *_, **options: fits.append(options["keep"]))
    monkeypatch.setattr(train, "interpolation_curve", lambda *_, **options: train.Curve([], {"weight": 0.3}, [], ""))
    for methods, trainings in ((["logistic"], 0), (["head"], 1), (["lp_ft"], 2), (["wise_ft", "head"], 4)):
        fits.clear()
        monkeypatch.setattr(learners, "methods", methods)
        assert list(learners(few[1]["5"], SEED)) == methods
        assert fits == ["last"] * trainings


def test_the_number_of_steps_is_the_same_for_any_number_of_images(few, learners, monkeypatch):
    """Twenty steps of eight images, in whole epochs; with more images than that, one pass."""
    _, subsets = few
    steps = []

    def fit(net, part, epochs, rate, **options):
        steps.append(epochs * -(-part.size("train") // options["batch_size"]))

    monkeypatch.setattr(train, "fit", fit)
    for shots in ("2", "5", "all"):
        learners._fit(learners._part(subsets[shots].rows), learners.start, 0, SEED)
    monkeypatch.setattr(learners, "steps", 2)
    learners._fit(learners._part(subsets["all"].rows), learners.start, 0, SEED)
    assert steps == [21, 21, 26, 13]


def test_bad_arguments(few, learners):
    with pytest.raises(InputError, match="unfreeze 0: expected at least one layer to tune"):
        Learners(learners.run, learners.net, few[0], ["head"], 0, STEPS)
    for text in ("head,forest", "head,head", ""):
        with pytest.raises(InputError, match=f"methods '{text}': expected some of logistic, .*, each once"):
            few_shot_methods.parse(text)
    one_class = few[0].rows["train"].labels == 0
    with pytest.raises(InputError, match="of 1 class"):
        learners(Subset(np.flatnonzero(one_class), np.zeros(one_class.sum(), bool)), SEED)
