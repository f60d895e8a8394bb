"""Head2Toe: the layer that knows is found, and where there is one layer and all is kept, it is the plain probe."""

import numpy as np
import pytest

from tfxfer import analysis, features
from tfxfer.analysis import multilayer_probe, probes
from tfxfer.core.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")


def layers(n, seed, informative="early", classes=3):
    """Outputs of three layers, of which one has four channels, of 8 or more, that follow the class; and labels."""
    rng, means = np.random.default_rng(seed), np.random.default_rng(0).normal(size=(classes, 4))
    labels = rng.permutation(np.arange(n) % classes)
    found = {
        "early": rng.normal(size=(n, 6, 6, 8)),
        "middle": rng.normal(size=(n, 3, 3, 16)),
        "late": rng.normal(size=(n, 64)),
    }
    shift = means[labels] if informative == "late" else means[labels][:, None, None]
    found[informative][..., :4] += shift
    return {name: values.astype(np.float32) for name, values in found.items()}, labels


@pytest.fixture(scope="module")
def parts():
    return layers(240, 1), layers(150, 2), layers(300, 3)


def test_the_informative_layer_is_found_and_beats_the_last(parts):
    train, validation, test = parts
    found = analysis.head2toe(*train, *test, validation=validation, target_size=128)
    assert found["kept/early"] > 0.8
    assert found["kept/early"] + found["kept/middle"] + found["kept/late"] == pytest.approx(1)
    last = analysis.probe(train[0]["late"], train[1], test[0]["late"], test[1], "logistic")
    assert last["test_accuracy"] < 0.45
    assert found["test_accuracy"] > 0.9
    assert found["candidates"] == 9 * 8 + 4 * 16 + 64  # cells of 2 x 2 or less
    assert found["features"] == max(1, round(found["fraction"] * found["candidates"]))
    assert all(type(value) is float for value in found.values())


@pytest.mark.parametrize("informative", ["early", "middle", "late"])
def test_whichever_layer_it_is(informative):
    train, test = layers(240, 1, informative), layers(150, 2, informative)
    found = analysis.head2toe(*train, *test, fractions=0.01)
    shares = {name: found[f"kept/{name}"] for name in train[0]}
    assert max(shares, key=shares.get) == informative


def test_all_of_one_layer_is_the_plain_probe(parts):
    (train, train_y), (held_out, held_out_y), (test, test_y) = ((x["late"], y) for x, y in parts)
    plain = analysis.probe(train, train_y, test, test_y, "logistic", validation=(held_out, held_out_y))
    found = analysis.head2toe(
        {"late": train}, train_y, {"late": test}, test_y, validation=({"late": held_out}, held_out_y), fractions=1
    )
    same = ("C", "test_accuracy", "train_accuracy", "validation_accuracy", "parameters", "converged")
    assert [found[name] for name in same] == [plain[name] for name in same]
    assert (found["kept/late"], found["fraction"], found["features"], found["strength"]) == (1, 1, 64, 0)
    alone = analysis.head2toe({"late": train}, train_y, {"late": test}, test_y, fractions=1.0, C=0.1)
    assert alone["test_accuracy"] == analysis.probe(train, train_y, test, test_y, "logistic", C=0.1)["test_accuracy"]


def test_the_fraction_is_that_of_the_highest_validation_accuracy(parts):
    train, validation, test = parts
    each = [
        analysis.head2toe(*train, *test, validation=validation, fractions=fraction) for fraction in (0.01, 0.02, 0.3)
    ]
    found = analysis.head2toe(*train, *test, validation=validation, fractions=(0.3, 0.01, 0.02))
    best = max(each, key=lambda scores: scores["validation_accuracy"])
    for name in ("fraction", "C", "validation_accuracy", "test_accuracy", "kept/early"):
        assert found[name] == best[name]


def test_a_fitted_probe_predicts(parts):
    train, validation, (test, labels) = parts
    fitted = multilayer_probe.fit(*train, validation=validation, fractions=(0.05,))
    scores = analysis.head2toe(*train, test, labels, validation=validation, fractions=(0.05,))
    assert np.mean(fitted.predict(test) == labels) == scores["test_accuracy"]
    given = fitted.probabilities(dict(reversed(test.items())))  # in any order
    np.testing.assert_array_equal(given.argmax(1), fitted.predict(test))
    np.testing.assert_allclose(given.sum(1), 1, atol=1e-5)
    assert fitted.features(test).shape == (300, len(fitted.kept))
    whole = probes.fit(fitted.features(train[0]), train[1], "logistic")
    assert whole.pipeline.n_features_in_ == len(fitted.kept)


def test_features_of_a_network(pictures, trained_cnn):
    names = features.taps(trained_cnn)
    splits = (pictures.train, pictures.validation, pictures.test)
    banks = [features.extract(trained_cnn, split, names) for split in splits]
    train, validation, test = ((bank.values, bank.labels) for bank in banks)
    found = analysis.head2toe(*train, *test, validation=validation, target_size=512)
    assert found["test_accuracy"] > 0.9
    assert {name for name in found if name.startswith("kept/")} == {f"kept/{name}" for name in names}
    # maps of 13 x 13 x 32, 5 x 5 x 64 and 3 x 3 x 128, in cells of 4, 2 and 2; and the embedding
    assert found["candidates"] == 16 * 32 + 9 * 64 * 0 + 4 * 64 + 4 * 128 + 128


def test_what_does_not_fit_is_refused(parts):
    (train, labels), validation, (test, test_labels) = parts
    without = {name: values for name, values in test.items() if name != "late"}
    cases = (
        ({"train": {}}, "training features: expected a dict of arrays by layer, such as the values of a bank"),
        (
            {"train": train["late"]},
            "training features: expected a dict of arrays by layer, .* got an object of class nd",
        ),
        ({"train": {"late": [1, 2]}}, "training features: expected a dict of arrays"),
        ({"train": {"late": np.ones(5)}}, r"training features of late \(5,\): expected \(n, d\)"),
        (
            {"train": train | {"late": train["late"][1:]}},
            "training features of .*'late': 239} images: expected as many",
        ),
        ({"test": without}, r"test features of early \(6, 6, 8\), middle \(3, 3, 16\): expected for each image early"),
        ({"test": test | {"late": test["late"][:, 1:]}}, r"late \(63,\): expected for each image .* late \(64,\)"),
        ({"train_labels": labels[1:]}, r"training labels \(239,\) for features"),
        ({"train_labels": np.zeros(240, int)}, "training labels of 1 class: expected examples of at least 2"),
        ({"train": train | {"late": train["late"] * np.nan}}, "training features contain NaN or infinity"),
        ({"test_labels": test_labels[1:]}, r"test labels \(299,\) for features"),
        ({"validation": (without, validation[1])}, "validation features of early .*: expected for each image"),
        ({"validation": (validation[0], validation[1][1:])}, r"validation labels \(149,\) for features"),
        ({"fractions": (0.1, 0.2)}, "2 fractions and no validation data to choose by: give validation="),
        ({"fractions": 0}, "fractions 0: expected shares of the features, above 0 and at most 1"),
        ({"fractions": (0.5, 1.5)}, "fractions an object of class tuple: expected shares"),
        ({"fractions": "all"}, "fractions 'all': expected shares"),
        ({"target_size": 0}, "target_size 0: expected a whole number of features, at least 1"),
        ({"target_size": 0.5}, "target_size 0.5: expected a whole number"),
    )
    for wrong, complaint in cases:
        given = {"train": train, "train_labels": labels, "test": test, "test_labels": test_labels} | wrong
        with pytest.raises(InputError, match=complaint):
            analysis.head2toe(**given)
