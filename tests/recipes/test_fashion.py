"""The two pages on Fashion-MNIST run for real on small made pictures, and leave whole runs with their comparisons."""

import inspect
import json

import browser
import numpy as np
import pytest
import recipe_checks
from conftest import write_idx_set
from test_recipes import newest

import tfxfer
from tfxfer import features, report
from tfxfer.core import memory
from tfxfer.core.errors import InputError
from tfxfer.data import to_folder
from tfxfer.recipes import fashion_features, fashion_models
from tfxfer.recipes.shared import model_evaluation
from tfxfer.report import published

COLLAPSE = {"nc1", "equal_norms", "equal_angle", "maximal_angle", "cdnv"}
HEAD = {"classifier_equal_norms", "classifier_equal_angle", "classifier_maximal_angle", "nc3", "nc4"}


@pytest.fixture(scope="module")
def pictures_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    write_idx_set(folder, train=300, test=80)
    return f"idx:{folder}"


@pytest.fixture(scope="module")
def feature_run(pictures_dir, tmp_path_factory):
    out = tmp_path_factory.mktemp("features")
    options = {"backbones": "pixels,resnet18,efficientnet_lite0", "classifiers": "lda,knn", "image_size": 32}
    options |= {"head2toe_images": 100}
    metrics = fashion_features.main(pictures_dir, **options, epochs=2, tune_epochs=2, out=str(out))
    return metrics, tfxfer.load(newest(out, "fashion_features"))


def test_feature_sets_are_compared(feature_run):
    metrics, run = feature_run
    recipe_checks.check(run)
    names = {key.split("/")[0] for key in metrics} - {"seconds", "sanity", "deletion", "test"}
    assert names == {"pixels", "efficientnet_lite0", "efficientnet_lite0_tuned"}
    for name in names:
        assert {f"{name}/{figure}" for figure in COLLAPSE} <= metrics.keys()
    for name in ("efficientnet_lite0", "efficientnet_lite0_tuned"):
        assert {f"{name}/{figure}" for figure in HEAD} <= metrics.keys()
    assert metrics["pixels/lda/test_accuracy"] > 0.5
    assert 0.5 < metrics["efficientnet_lite0/head2toe/accuracy"] <= 1
    assert not any(key.startswith("pixels/head2toe") for key in metrics)  # one layer
    assert "What the stages before the last layer know" in (run.dir / "report.html").read_text()
    assert all(isinstance(value, float) for value in metrics.values())
    assert json.loads((run.dir / "metrics.json").read_text()) == pytest.approx(metrics, nan_ok=True)
    assert set(run.banks) == {*names, "test", "pictures", "explained", "final", "neighbours", "references"}
    assert set(run.history) >= {f"efficientnet_lite0 {part}/val_accuracy" for part in ("last_layer", "tuned")}


def test_a_set_that_cannot_be_had_is_left_out_with_its_reason(feature_run):
    metrics, run = feature_run
    assert list(run.facts["left_out"]) == ["resnet18"]
    assert "resnet_18_imagenet is not available" in run.facts["left_out"]["resnet18"]
    assert not any(key.startswith("resnet18") for key in metrics)
    assert "Left out: resnet18." in (run.dir / "report.html").read_text()


def test_the_exported_network_is_the_tuned_one(feature_run, pictures_dir):
    metrics, run = feature_run
    bank = features.extract(run.model, tfxfer.data.load(pictures_dir).test, ("logits",))
    assert metrics["efficientnet_lite0/tuned/test_accuracy"] == np.mean(bank["logits"].argmax(1) == bank.labels)
    np.testing.assert_allclose(bank["logits"], run.banks["test"]["logits"], atol=1e-3)
    assert (run.dir / "saved_model" / "saved_model.pb").exists()
    assert (run.dir / "model_card.md").read_text().startswith("# efficientnet_lite0 on ")
    trained = run.facts["training"]
    assert set(trained) == {"efficientnet_lite0 last_layer", "efficientnet_lite0 tuned"}
    assert all(facts["precision"] == "float32" for facts in trained.values())


def test_published_figures_stand_beside_ours(feature_run):
    _, run = feature_run
    text = (run.dir / "report.html").read_text()
    for figure in ("0.8151", "-1.46e+09", "1.05e+09"):
        assert (figure in text) == (figure != "-1.46e+09")  # of pixels, not of the network that is not here
    assert published.FASHION_FEATURES.remark.split(".")[0] in text
    assert "published, Fashion-MNIST" in text  # the data here are others
    for name in ("projections", "training-efficientnet_lite0-tuned", "confusion", "explained", "sanity"):
        assert (run.dir / "figures" / f"{name}.png").exists()
    browser.check(run.dir / "report.html")


def test_a_page_that_broke_off_is_resumed(tmp_path, pictures_dir, monkeypatch):
    """Cut off before the report, it goes on with its own options, from its checkpoints, to the same figures."""
    options = {"backbones": "pixels,cnn", "weights": "none", "classifiers": "lda", "image_size": 28, "tune_epochs": 1}
    with monkeypatch.context() as patch:
        patch.setattr(report, "write", lambda folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fashion_features.main(pictures_dir, **options, epochs=1, tune="cnn", out=str(tmp_path))
    (partial,) = (tmp_path / "fashion_features").iterdir()
    before = json.loads((partial / "metrics.json").read_text())
    metrics = fashion_features.main(resume="last", out=str(tmp_path))
    same = {key: value for key, value in metrics.items() if "seconds" not in key}
    assert same == pytest.approx({key: before[key] for key in same}, nan_ok=True)
    assert tfxfer.load(newest(tmp_path, "fashion_features")).facts["arguments"]["image_size"] == 28


def test_pixels_alone_and_nothing_tuned(tmp_path, pictures_dir):
    metrics = fashion_features.main(pictures_dir, backbones="pixels", tune="", classifiers="lda", out=str(tmp_path))
    run = tfxfer.load(newest(tmp_path, "fashion_features"))
    assert metrics["pixels/lda/test_accuracy"] > 0.5
    assert not (run.dir / "saved_model").exists()
    browser.check(run.dir / "report.html")


def test_more_pixels_than_images(tmp_path):
    """The matrices of 12,288 pixels would be 1.2 GB each; those of the images are small."""
    folder = tmp_path / "pictures"
    to_folder.write(tfxfer.data.load("digits", limit=200), folder, classes=3, images=20)
    options = {"backbones": "pixels", "tune": "", "classifiers": "lda,logistic", "image_size": 64}
    metrics = fashion_features.main(f"folder:{folder}", **options, out=str(tmp_path))
    assert metrics["pixels/logistic/test_accuracy"] > 0.8
    assert metrics["pixels/lda/test_accuracy"] > 0.6  # of three classes; without shrinkage it overfits
    assert np.isfinite(metrics["pixels/nc1"])


def test_too_large_for_the_memory_is_one_line_before_any_features(tmp_path, pictures_dir, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 20e6)
    monkeypatch.setattr(features, "extract", None)
    said = "scattering: .* of 300 images of 3,969 features needs .* GB of memory, and 0.0 GB are free: use fewer"
    with pytest.raises(InputError, match=said):
        fashion_features.main(pictures_dir, backbones="scattering", tune="", out=str(tmp_path))


def test_digits_are_not_told_from_digits():
    """Without other pictures there are no figures of them."""
    bank = features.Bank({"image": np.zeros((4, 8, 8, 1), np.uint8)}, np.arange(4) % 2, np.arange(4))
    figures, probabilities = model_evaluation.judge(lambda images: np.eye(2)[[0, 1, 0, 0]], bank, {}, None)
    assert figures["test_accuracy"] == 0.75
    assert figures["ece"] == pytest.approx(0.25)
    assert not any(key.startswith("digits") for key in figures)
    assert probabilities.dtype == np.float32


def test_nothing_to_compare(tmp_path, pictures_dir):
    with pytest.raises(InputError, match="resnet18's preset"):
        fashion_features.main(pictures_dir, backbones="resnet18", out=str(tmp_path))
    with pytest.raises(InputError, match="pixels has nothing to fine-tune"):
        fashion_features.main(pictures_dir, backbones="pixels", tune="pixels", out=str(tmp_path))
    with pytest.raises(InputError, match="unknown backbone 'pixel'"):
        fashion_features.main(pictures_dir, backbones="pixel", out=str(tmp_path))
    with pytest.raises(InputError, match="probe 'tree'"):
        fashion_features.main(pictures_dir, backbones="pixels", classifiers="tree", out=str(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def model_run(pictures_dir, tmp_path_factory):
    out = tmp_path_factory.mktemp("models")
    options = {"backbones": "cnn", "classifiers": "logistic,svm", "epochs": 3}
    metrics = fashion_models.main(pictures_dir, **options, out=str(out))
    return metrics, tfxfer.load(newest(out, "fashion_models"))


def test_models_are_compared(model_run):
    metrics, run = model_run
    recipe_checks.check(run)
    for name in ("cnn", "logistic", "svm"):
        for figure in ("test_accuracy", "train_accuracy", "ece", "parameters", "model_bytes", "fit_seconds"):
            assert np.isfinite(metrics[f"{name}/{figure}"])
        for kind in ("test", "inverted", "tinted", "textured"):
            assert 0 <= metrics[f"{name}/{kind}/accuracy"] <= 1
            assert 0.1 <= metrics[f"{name}/{kind}/confidence"] <= 1
        assert 0 <= metrics[f"{name}/digits/auroc"] <= 1
        probabilities = run.banks[name]["probabilities"]
        assert np.mean(probabilities.argmax(1) == run.banks["test"].labels) == metrics[f"{name}/test_accuracy"]
    assert metrics["logistic/test_accuracy"] > 0.9
    assert metrics["cnn/parameters"] == run.model.count_params()


def test_the_report_of_models(model_run):
    _, run = model_run
    text = (run.dir / "report.html").read_text()
    for part in (
        "0.8300",
        "Recall of each class",
        "taken for",
        "Calibration",
        "AUROC",
        published.FASHION_MODELS.remark,
    ):
        assert part in text
    figures = ("complexity", "reliability", "shifts", "confusion", "training-cnn", "dataset", "samples", "explained")
    for name in figures:
        assert (run.dir / "figures" / f"{name}.png").exists()
    browser.check(run.dir / "report.html")


def test_defaults_are_the_experiments():
    """Experiment A: five feature sets, three classifiers; experiment D: two networks, five classical models."""

    def default(main, name):
        return inspect.signature(main).parameters[name].default

    assert default(fashion_features.main, "classifiers") == "lda,logistic,random_forest"
    assert default(fashion_features.main, "backbones").count(",") == 4
    assert default(fashion_models.main, "backbones") == "cnn,small_resnet"
    assert default(fashion_models.main, "classifiers").count(",") == 4
