"""What a run keeps to be looked at."""

import keras
import numpy as np
import pytest
from conftest import noise

from tfxfer import analysis, data, features, model
from tfxfer.core.errors import InputError
from tfxfer.recipes.shared import run_artifacts


def test_pictures_are_the_first_ones_and_the_surest_mistakes(pictures, monkeypatch):
    monkeypatch.setattr(run_artifacts, "SHOWN", 10)
    monkeypatch.setattr(run_artifacts, "MISTAKES", 3)
    labels = pictures.rows["test"].labels
    scores = np.eye(10)[labels] * 9.0
    for sure, row in enumerate((90, 40, 5, 70, 80), start=1):
        scores[row] = np.eye(10)[(labels[row] + 1) % 10] * sure
    bank = run_artifacts.pictures(pictures, scores)
    rows = [*range(10), 70, 80]  # of the three surest mistakes 5 is among the first
    np.testing.assert_array_equal(bank.ids, pictures.ids["test"][rows])
    np.testing.assert_array_equal(bank["image"], pictures.rows["test"].images[rows])
    np.testing.assert_array_equal(bank.labels, labels[rows])


def test_no_mistakes_are_none(pictures):
    perfect = np.eye(10)[pictures.rows["test"].labels]
    assert len(run_artifacts.pictures(pictures, perfect)) == 100


def test_images_to_calibrate_on_are_a_choice_of_the_validation(pictures, monkeypatch):
    """All of a small validation; no more than the number, or the bytes, allow of a large one."""
    for limits, n in ((run_artifacts.CALIBRATED, pictures.size("validation")), ((7, 10**6), 7), ((50, 5 * 784), 5)):
        monkeypatch.setattr(run_artifacts, "CALIBRATED", limits)
        bank = run_artifacts.calibration_images(pictures).banks["calibration"]
        assert len(bank) == n
        rows = np.searchsorted(pictures.ids["validation"], bank.ids)
        np.testing.assert_array_equal(bank["image"], pictures.rows["validation"].images[rows])
        np.testing.assert_array_equal(bank.labels, pictures.rows["validation"].labels[rows])


@pytest.fixture(scope="module")
def small_resnet(pictures):
    """Untrained: it is right about some images and wrong about most."""
    keras.utils.set_random_seed(0)
    return model.build("small_resnet", pictures, weights="none")


@pytest.mark.parametrize("size", [None, 40])
def test_explanations_show_right_and_wrong_predictions(pictures, small_resnet, size):
    shown = run_artifacts.pictures(pictures, np.eye(10)[pictures.rows["test"].labels])
    artifacts = run_artifacts.explain(small_resnet, pictures, shown, size)
    bank = artifacts.banks["explained"]
    right = bank["predicted"] == bank.labels
    assert 0 < right.sum() <= run_artifacts.PANELS
    assert (~right).sum() == run_artifacts.PANELS
    assert (
        len(set(zip(bank.labels[~right], bank["predicted"][~right]))) == run_artifacts.PANELS
    )  # no pair of classes twice
    for method in analysis.attribution.METHODS:
        assert bank[method].shape == bank["image"].shape[:3]
        assert bank[method].min() >= 0
    facts = artifacts.facts["explained"]
    assert facts["size"] == (size or 28)
    assert set(facts["layers"]) == set(analysis.attribution.METHODS)
    assert all(each["side"] >= 6 for each in facts["layers"].values())
    assert facts["method"] == next(iter(facts["layers"]))
    net = small_resnet if size is None else analysis.attribution.enlarge(small_resnet, pictures, size)
    for method in analysis.attribution.METHODS:
        expected = analysis.attribution.explain(
            net, bank["image"], bank["predicted"], method, facts["layers"][method]["layer"]
        )
        np.testing.assert_allclose(bank[method], expected, atol=2e-3)
        assert artifacts.metrics[f"deletion/{method}/images"] == pictures.size("validation") // 2
    stages = [key for key in artifacts.metrics if key.startswith("sanity/")]
    assert stages[0] == "sanity/head"
    assert len(stages) == 1 + len(model.stages(small_resnet))


@pytest.mark.parametrize(("side", "most"), [(48, 200), (64, 200), (96, 88), (224, 60)])
def test_the_deletion_test_sees_validation_images_alone_and_fewer_large_ones(side, most):
    n = 2500
    images = np.zeros((n, 2, 2), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.arange(n) % 256, np.arange(n) // 256
    splits = data.from_arrays((images, np.arange(n) % 2), (images[:4] + 99, np.arange(4) % 2))
    np.testing.assert_array_equal(run_artifacts._judged(splits, side)[..., 0], images[splits.ids["validation"][:most]])


def test_a_larger_network_is_the_same_network(pictures, lite0):
    """At its own size it gives the same logits; at another, those of a network built so with the same weights."""
    images = pictures.rows["test"].images[:8]
    same = analysis.attribution.enlarge(lite0, pictures, 48)
    np.testing.assert_allclose(same(images), lite0(images), rtol=1e-5, atol=1e-5)
    other = model.build("efficientnet_lite0", pictures, image_size=64)
    other.get_layer("logits").set_weights(lite0.get_layer("logits").get_weights())
    np.testing.assert_allclose(
        analysis.attribution.enlarge(lite0, pictures, 64)(images), other(images), rtol=1e-5, atol=1e-5
    )


def test_what_cannot_be_enlarged(pictures, small_cnn):
    shown = run_artifacts.pictures(pictures, np.eye(10)[pictures.rows["test"].labels])
    with pytest.raises(InputError, match="cannot take images of"):
        run_artifacts.explain(small_cnn, pictures, shown, 64)


@pytest.mark.parametrize("scaling", ["unit", "caffe", "torch", "none", "dataset"])
def test_a_larger_network_scales_as_it_was_built(scaling):
    colour = data.from_arrays(*((noise(20, 28, 28, 3, seed=seed), np.arange(20) % 2) for seed in (0, 1)))
    net = model.build("small_resnet", colour, 32, "none", scaling=scaling)
    images = colour.rows["test"].images[:4]
    same = analysis.attribution.enlarge(net, colour, 32)
    np.testing.assert_allclose(same(images), net(images), rtol=1e-4, atol=1e-5)


def test_a_network_without_maps_is_not_explained(pictures):
    net = model.build("pixels", pictures)
    shown = run_artifacts.pictures(pictures, np.eye(10)[pictures.rows["test"].labels])
    artifacts = run_artifacts.explain(net, pictures, shown)
    assert artifacts.banks == {}
    assert "no feature map" in artifacts.facts["left_out"]["explanations"]


def test_collapse_by_depth_is_that_of_the_stages_features(pictures, small_cnn):
    found = run_artifacts.collapse_by_depth(small_cnn, pictures)
    stages = model.stages(small_cnn)
    assert list(found) == [f"{stage}/{figure}" for stage in stages for figure in ("nc1", "cdnv")]
    for stage, members in stages.items():
        bank = features.extract(small_cnn, pictures.train, (members[-1].name,))
        x = bank[members[-1].name]
        pooled = x.mean((1, 2)) if x.ndim == 4 else x
        expected = analysis.neural_collapse(pooled, bank.labels)
        assert found[f"{stage}/nc1"] == pytest.approx(expected["nc1"], rel=1e-3)
        assert found[f"{stage}/cdnv"] == pytest.approx(expected["cdnv"], rel=1e-3)


def test_the_study_finds_what_was_planted():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 100, (120, 6, 6)).astype(np.uint8)
    labels = np.arange(120) % 2
    images[labels == 1, :3] += 120
    test = images[:1].copy(), labels[:1]  # a training image in the test
    labels = labels.copy()
    labels[7] = 0  # a wrong label
    with pytest.warns(UserWarning, match="test images also in training or validation: 1,"):
        splits = data.from_arrays((images, labels), test, validation=0.1)
    known = features.Bank(
        {"embedding": splits.rows["train"].images.reshape(-1, 36) / 255.0},
        splits.rows["train"].labels,
        splits.ids["train"],
    )
    artifacts = run_artifacts.study(splits, known)
    banks = artifacts.banks
    learned = np.concatenate([splits.rows[split].images for split in ("train", "validation")])
    assert artifacts.metrics["data/mean"] == pytest.approx(learned.mean())
    assert artifacts.metrics["data/median"] == np.sort(learned, axis=None)[learned.size // 2 - 1]
    assert artifacts.metrics["data/std"] == pytest.approx(learned.std())
    assert artifacts.metrics["data/duplicate_groups"] == artifacts.metrics["data/leaking_groups"] == 1
    assert {member["split"] for member in artifacts.facts["dataset"]["duplicates"][0]} >= {"test"}
    assert len(banks["samples"]) == 2 * run_artifacts.SAMPLES
    planted = 7 in splits.ids["train"]
    assert (banks["suspicious"].ids[0] == 7) == planted
    worst = banks["suspicious"]
    rows = [list(splits.ids["train"]).index(number) for number in worst.ids]
    np.testing.assert_array_equal(worst["image"], splits.rows["train"].images[rows])


def test_the_study_without_features_doubts_no_labels(pictures):
    assert set(run_artifacts.study(pictures).banks) == {"samples"}
