import logging
import pickle

import numpy as np
import pytest
import sklearn.discriminant_analysis
import sklearn.ensemble
import sklearn.linear_model
import sklearn.neighbors
import sklearn.neural_network
import sklearn.svm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from tfxfer import analysis
from tfxfer.analysis import classifiers, fitted_probe, probes
from tfxfer.core.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")

PLAIN = {
    "lda": sklearn.discriminant_analysis.LinearDiscriminantAnalysis(solver="lsqr"),
    "logistic": sklearn.linear_model.LogisticRegression(max_iter=2000),
    "linear_svm": sklearn.svm.SVC(kernel="linear", C=0.01),
    "svm": sklearn.svm.SVC(C=10),
    "random_forest": sklearn.ensemble.RandomForestClassifier(n_jobs=-1, random_state=0),
    "knn": sklearn.neighbors.KNeighborsClassifier(5),
    "mlp": sklearn.neural_network.MLPClassifier(max_iter=500, random_state=0),
}


@pytest.fixture(scope="module")
def digits():
    """Training, validation and test pixels and labels of scikit-learn's digits, float32."""
    x, y = load_digits(return_X_y=True)
    x, test_x, y, test_y = train_test_split(x.astype(np.float32), y, test_size=500, random_state=0, stratify=y)
    x, other_x, y, other_y = train_test_split(x, y, test_size=300, random_state=0, stratify=y)
    return (x[:700], y[:700]), (other_x, other_y), (test_x, test_y)


def line(n: int = 60, classes: int = 2, seed: int = 0):
    """Classes that overlap a little, in 2 dimensions: float32 (n, 2) and labels."""
    y = np.arange(n) % classes
    return (np.random.default_rng(seed).normal(size=(n, 2)) + 2.5 * y[:, None]).astype(np.float32), y


@pytest.mark.parametrize(("method", "least"), [("lda", 0.93), ("logistic", 0.95), ("linear_svm", 0.95)])
def test_linear_probes_of_digits(digits, method, least):
    """scikit-learn's own examples give about 0.95 and 0.97 on these pixels."""
    check(digits, method, least)


@pytest.mark.parametrize(("method", "least"), [("svm", 0.98), ("random_forest", 0.95), ("knn", 0.96), ("mlp", 0.96)])
def test_probes_of_digits(digits, method, least):
    check(digits, method, least)


def check(digits, method, least):
    """Accuracy, and that of scikit-learn's own class with the same settings on features of the same scale."""
    train, _, test = digits
    found = analysis.probe(*train, *test, method)
    assert found["test_accuracy"] > least
    assert found["train_accuracy"] > found["test_accuracy"] - 0.01
    assert found["converged"] == 1
    assert all(type(value) is float and value >= 0 for value in found.values())
    plain = make_pipeline(classifiers.METHODS[method].scale(), sklearn.base.clone(PLAIN[method])).fit(*train)
    predicted = probes.fit(*train, method).predict(test[0])
    random = method == "random_forest"  # the same seed draws other trees there
    assert np.mean(predicted == plain.predict(test[0])) >= (0.95 if random else 0.99)


@pytest.mark.parametrize("method", classifiers.METHODS)
def test_probabilities(digits, method):
    """They sum to 1, the highest is the prediction's, classes without examples have columns, and pickling keeps all."""
    train, validation, test = ((x[y != 3][:300], y[y != 3][:300]) for x, y in digits)
    found = probes.fit(*train, method, validation=validation, sweep=False, classes=12)
    given = found.probabilities(test[0])
    assert given.shape == (300, 12)
    np.testing.assert_allclose(given.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(given.argmax(1), found.predict(test[0]))
    assert not given[:, [3, 10, 11]].any()
    assert np.mean(given.argmax(1) == test[1]) > 0.85
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)).probabilities(test[0]), given)


@pytest.mark.parametrize("method", classifiers.METHODS)
def test_two_classes_and_float64(method):
    x, y = line()
    found = probes.fit(x.astype(float), y, method, validation=(x, y), sweep=False)
    given = found.probabilities(x)
    assert given.shape == (60, 2)
    np.testing.assert_allclose(given.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(given.argmax(1), found.predict(x))
    assert np.mean(given.argmax(1) == y) > 0.85


def test_temperature_is_scikit_learns(digits):
    train, validation, test = digits
    found = probes.fit(*train, "svm", validation=validation, sweep=False)
    alone = probes.fit(*train, "svm")
    theirs = CalibratedClassifierCV(FrozenEstimator(alone.pipeline), method="temperature").fit(*validation)
    beta = theirs.calibrated_classifiers_[0].calibrators[0].beta_
    assert found.inverse_temperature == pytest.approx(beta, rel=0.01)
    ours = fitted_probe.Fitted(alone.pipeline, {}, 10, found.inverse_temperature).probabilities(test[0])
    np.testing.assert_allclose(ours, theirs.predict_proba(test[0]), atol=0.01)


def test_temperature_of_a_known_answer():
    """One example in five on the wrong side, all at distance 1: sure by 0.8, so twice the score is log 4."""
    x = np.array([[-1.0], [1.0]] * 10)
    machine = sklearn.svm.SVC(kernel="linear").fit(x[:2], [0, 1])
    y = (x[:, 0] > 0).astype(int)
    y[[0, 1, 2, 3]] = 1 - y[[0, 1, 2, 3]]
    assert fitted_probe.inverse_temperature(machine, x, y) == pytest.approx(np.log(4) / 2, rel=1e-4)


def test_svm_without_validation_has_no_probabilities():
    with pytest.raises(InputError, match="give fit validation"):
        probes.fit(*line(), "svm").probabilities(line()[0])


def test_sweep_chooses_by_validation_and_learns_from_both(monkeypatch):
    """Test labels are noise that one neighbour would predict best, validation labels follow the many."""
    rng = np.random.default_rng(0)
    x, clean = rng.normal(size=(400, 2)).astype(np.float32), np.arange(400) % 2
    x[:, 0] += 4 * clean
    noisy = np.where(rng.random(400) < 0.3, 1 - clean, clean)
    near = (x + 1e-4).astype(np.float32)  # each beside a training example
    seen = []
    original = probes._fitted
    monkeypatch.setattr(probes, "_fitted", lambda *given: seen.append(given) or original(*given))
    found = analysis.probe(x, noisy, near, noisy, "knn", validation=(near, clean))
    assert found["k"] >= 10
    assert found["validation_accuracy"] > 0.95
    by_test = {k: analysis.probe(x, noisy, near, noisy, "knn", n_neighbors=k)["test_accuracy"] for k in (1, 20)}
    assert by_test[1] == 1 > by_test[20]
    assert [len(given[3]) for given in seen[:8]] == [400] * 7 + [800]
    np.testing.assert_array_equal(seen[7][3], np.concatenate([noisy, clean]))
    assert found["parameters"] == 800 * 3
    once = analysis.probe(x, noisy, near, noisy, "knn", validation=(near, clean), n_neighbors=1)
    assert once["k"] == 1
    assert "sweep_rows" not in once


def test_smallest_of_equals_is_chosen():
    """Far classes: every C and every k is right."""
    x, y = line()
    x = x + 100 * y[:, None]
    assert probes.fit(x, y, "svm", validation=(x, y)).facts["C"] == classifiers.METHODS["svm"].grid[0]
    assert probes.fit(x, y, "knn", validation=(x, y)).facts["k"] == 1


def test_svm_is_swept_on_a_stratified_subset(monkeypatch):
    monkeypatch.setattr(probes, "SWEEP_LIMIT", 40)
    x, y = line(200, classes=4)
    sizes = []
    original = probes._fitted
    monkeypatch.setattr(probes, "_fitted", lambda *given: sizes.append(np.bincount(given[3])) or original(*given))
    found = probes.fit(x, y, "svm", validation=(x[:20], y[:20])).facts
    assert found["sweep_rows"] == 40
    assert [list(size) for size in sizes] == [[10] * 4] * 7 + [[50] * 4, [55] * 4]
    assert probes.fit(x, y, "logistic", validation=(x[:20], y[:20])).facts["sweep_rows"] == 200


def test_training_accuracy_of_some_rows():
    x, y = line(400)
    every, some = (analysis.probe(x, y, x, y, "knn", train_limit=limit)["train_accuracy"] for limit in (400, 50))
    assert every == analysis.probe(x, y, x, y, "knn")["test_accuracy"]
    assert some * 50 == pytest.approx(round(some * 50))
    assert some == pytest.approx(every, abs=0.15)


def test_parameters_by_hand():
    """3 classes in 2 dimensions. LDA, logistic: 3 x (2 + 1). Pairs of linear machines: 3 x (2 + 1). MLP: 2 x 4 + 4 +
    4 x 3 + 3. A tree of 2 cuts: 2 x 2 + 3 leaves x 3 classes. Neighbours: 9 x (2 + 1)."""
    corner = np.array([[0, 0], [0, 1], [1, 0]])
    x, y = np.concatenate([corner + place for place in ([0, 0], [10, 0], [0, 20])]), np.repeat([0, 1, 2], 3)

    def count(method, **settings):
        return probes.fit(x, y, method, **settings).facts["parameters"]

    assert count("lda") == count("logistic") == count("linear_svm") == 9
    assert count("mlp", hidden_layer_sizes=(4,), max_iter=1) == 27
    assert count("random_forest", n_estimators=1, bootstrap=False, max_features=None) == 4 + 9
    assert count("knn") == 27
    machine = probes.fit(x, y, "svm").pipeline[-1]
    assert count("svm") == len(machine.support_) * (2 + 2) + 3


def test_model_bytes_and_convergence():
    found = probes.fit(*line(), "logistic")
    assert found.facts["model_bytes"] == len(pickle.dumps(found.pipeline))
    assert found.facts["converged"] == 1
    assert probes.fit(*line(), "logistic", max_iter=1).facts["converged"] == 0
    assert probes.fit(*line(), "mlp", max_iter=1, early_stopping=False).facts["converged"] == 0


def test_repeats(digits):
    train, _, test = digits
    for method in ("random_forest", "mlp"):
        first, again, other = (probes.fit(*train, method, seed).probabilities(test[0]) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert np.abs(first - other).max() > 0.01


def test_units_do_not_matter():
    """Features are standardised: a column in other units changes nothing."""
    x, y = np.random.default_rng(0).normal(size=(200, 4)), np.arange(200) % 2
    x += y[:, None]
    scaled = x * [1, 1e4, 1e-4, 1]
    for method in ("logistic", "lda", "mlp"):
        first, second = (analysis.probe(z[:100], y[:100], z[100:], y[100:], method) for z in (x, scaled))
        assert first["test_accuracy"] == second["test_accuracy"]
        assert first["train_accuracy"] == second["train_accuracy"]
        assert 0.7 < first["test_accuracy"] < 1


def test_common_scale_keeps_directions():
    x = np.array([[1, 0], [3, 4]], np.float32)
    scaled = classifiers.CommonScale().fit_transform(x)
    np.testing.assert_allclose(scaled, np.array([[-1, -2], [1, 2]]) / np.sqrt(2.5), rtol=1e-6)
    assert scaled.dtype == np.float32
    assert not classifiers.CommonScale().fit_transform(np.ones((3, 2))).any()


def test_few_examples():
    """Fewer than 5 neighbours, and too few to stop early by."""
    x, y = np.array([[0.0], [1.0], [2.0]]), np.array([0, 0, 1])
    assert probes.fit(x, y, "knn").facts["k"] == 3
    assert not probes.fit(x, y, "mlp").pipeline[-1].early_stopping
    settings = classifiers.METHODS["mlp"].settings
    assert classifiers.adapt(settings, np.arange(10_000) % 10)["early_stopping"]
    assert not classifiers.adapt(settings, np.r_[0, np.ones(10_000, int)])["early_stopping"]


def test_pixels_as_they_are(digits):
    """uint8 becomes float32, not a copy of the accuracy of anything else."""
    train, _, test = digits
    pixels = [(np.round(x * 255 / 16).astype(np.uint8), y) for x, y in (train, test)]
    assert analysis.probe(*pixels[0], *pixels[1], "svm")["test_accuracy"] > 0.98


def test_intel_extension_runs_and_patches_nothing(digits, caplog):
    pytest.importorskip("sklearnex", reason="the Intel extension is a package of x86-64 alone")
    (x, y), _, _ = digits
    with caplog.at_level(logging.INFO, "sklearnex"):
        for method in ("svm", "linear_svm", "random_forest", "knn"):
            probes.fit(x[:200], y[:200], method, validation=(x[200:250], y[200:250]), sweep=False).probabilities(x[:5])
    lines = [record.getMessage() for record in caplog.records if "sklearn." in record.getMessage()]
    assert lines
    assert all("running accelerated version" in line for line in lines)
    for each in PLAIN.values():
        assert type(each).__module__.startswith("sklearn.")
    assert sklearn.svm.SVC is sklearn.svm._classes.SVC


def test_bad_input():
    x, y = line()
    with pytest.raises(InputError, match="probe 'tree': expected one of lda, logistic"):
        analysis.probe(np.zeros((2, 2)), np.arange(2), np.zeros((2, 2)), np.arange(2), "tree")
    with pytest.raises(InputError, match="probe 'tree'"):
        probes.classifier("tree")
    with pytest.raises(InputError, match=r"training labels \(59,\) for features \(60, 2\)"):
        probes.fit(x, y[1:])
    with pytest.raises(InputError, match="test features contain NaN"):
        analysis.probe(x, y, x * np.nan, y)
    with pytest.raises(InputError, match=r"training features \(60, 2, 1\): expected \(n, d\)"):
        analysis.probe(x[..., None], y, x, y)
    with pytest.raises(InputError, match=r"test features \(60, 1\): expected \(n, 2\)"):
        analysis.probe(x, y, x[:, :1], y)
    with pytest.raises(InputError, match=r"validation features \(60, 1\): expected \(n, 2\)"):
        probes.fit(x, y, validation=(x[:, :1], y))
    with pytest.raises(InputError, match="training labels of 1 class"):
        probes.fit(x, np.zeros(60, int))
    with pytest.raises(InputError, match="labels float64"):
        probes.fit(x, y / 2)
    with pytest.raises(InputError, match="from -1: expected integers from 0"):
        probes.fit(x, y - 1)
    with pytest.raises(InputError, match="labels up to 1: expected less than classes=1"):
        probes.fit(x, y, classes=1)
    with pytest.raises(InputError, match=r"x features \(60, 1\): expected \(n, 2\)"):
        probes.fit(x, y).predict(x[:, :1])
    with pytest.raises(InputError, match="without training examples"):
        probes.fit(x, y, "svm", validation=(x, y + 2), sweep=False)
