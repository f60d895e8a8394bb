"""The page on a folder of pictures runs for real on a small one: from scratch, sweep, all layers."""

import inspect
import json
import shutil

import browser
import keras
import numpy as np
import pytest
import recipe_checks
from conftest import make_pictures, noise
from PIL import Image
from test_recipes import newest

import tfxfer
from tfxfer import data, features, model, report
from tfxfer.core.errors import InputError
from tfxfer.recipes import emotion_resnet18
from tfxfer.recipes.shared import feature_sets
from tfxfer.report import published
from tfxfer.train import depth_sweep

NAMES = ("happy", "neutral", "sad")
SMALL = {"backbone": "cnn", "image_size": 28, "depths": "0,dense", "epochs": 2, "sweep_epochs": 2, "tune_epochs": 2}
SMALL |= {"batch_size": 16}


def write_faces(root, n=24, seed=0):
    """Learnable grey PNGs, a folder for each class, one of them with a third of the others' images."""
    images, labels = make_pictures(3 * n, classes=3, seed=seed)
    for i, (image, label) in enumerate(zip(images, labels)):
        if label != 2 or i % 3 == 0:
            (root / NAMES[label]).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / NAMES[label] / f"{i:03}.png")


def _weights(folder) -> str:
    """Some that are not those a network starts with."""
    keras.utils.set_random_seed(9)
    splits = data.from_arrays(*((noise(6, 28, 28, 3, seed=seed), np.arange(6) % 3) for seed in (0, 1)))
    model.save_backbone(model.build("cnn", splits, weights="none"), folder / "w.weights.h5")
    return str(folder / "w.weights.h5")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("emotions")
    root = out / "faces"
    write_faces(root / "train", 30)
    write_faces(root / "test", 15, seed=1)
    (root / "train" / "sad" / "broken.png").write_bytes(b"text")
    options = SMALL | {"class_weights": "balanced", "skip_bad": True, "weights": _weights(out), "out": str(out)}
    passes = []
    compute = depth_sweep.activation_cache.compute
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(depth_sweep.activation_cache, "compute", lambda *a, **o: passes.append(a[1]) or compute(*a, **o))
        with pytest.warns(UserWarning, match="1 of .* files cannot be read"):
            metrics = emotion_resnet18.main(f"folder:{root}", **options)
    return metrics, tfxfer.load(newest(out, "emotion_resnet18")), root, passes


def test_both_ways_are_tested_on_the_same_images(run):
    metrics, found, root, _ = run
    test = found.banks["test"]
    for name in ("scratch", "frozen", "tuned"):
        bank = found.banks[name]
        np.testing.assert_array_equal(bank.ids, test.ids)
        assert metrics[f"{name}/accuracy"] == np.mean(bank["logits"].argmax(1) == test.labels)
    assert metrics["test/accuracy"] == metrics["tuned/accuracy"]
    difference = metrics["tuned_less_scratch/difference"]
    assert difference == pytest.approx(metrics["tuned/accuracy"] - metrics["scratch/accuracy"])
    assert metrics["tuned_less_scratch/low"] < difference < metrics["tuned_less_scratch/high"]
    bank = features.extract(found.model, _splits(root).test, ("logits",))
    np.testing.assert_allclose(bank["logits"], test["logits"], atol=1e-3)


def _splits(root):
    with pytest.warns(UserWarning, match="cannot be read"):
        return data.load(f"folder:{root}", image_size=28, skip_bad=True)


def test_the_sweep_is_one_pass_and_by_validation(run):
    metrics, found, _, passes = run
    assert len(passes) == 1
    assert len(passes[0]) == 2  # the frontiers of both depths
    best = max(("0", "dense"), key=lambda depth: metrics[f"sweep/{depth}/val_accuracy"])
    assert str(found.facts["best_depth"]) == best
    assert {"scratch/loss", "depth 0/val_loss", "depth dense/val_loss", "tuned/accuracy"} <= found.history.keys()


def test_pixels_are_scaled_by_the_training_images(run):
    metrics, found, root, _ = run
    learned = _splits(root).rows["train"].images[:].astype(float)
    assert metrics["scale/mean"] == pytest.approx(learned.mean() / 255)
    assert metrics["scale/std"] == pytest.approx(learned.std() / 255)
    assert found.facts["data"]["unreadable"].keys() == {str(root / "train" / "sad" / "broken.png")}


def test_one_starts_from_the_weights_given_the_other_does_not(run):
    _, found, root, _ = run
    networks = found.facts["networks"]
    given = model.build("cnn", _splits(root), 28, str(root.parent / "w.weights.h5"))
    assert networks["pretrained"]["backbone_sha256"] == model.describe(given)["backbone_sha256"]
    assert networks["scratch"]["backbone_sha256"] != networks["pretrained"]["backbone_sha256"]
    assert found.model.get_layer("scale").get_config()["scale"] == pytest.approx(1 / 255)  # as for any such weights


def test_the_run_is_whole(run):
    metrics, found, _, _ = run
    recipe_checks.check(found)
    assert json.loads((found.dir / "metrics.json").read_text()) == metrics
    assert all(isinstance(value, float) for value in metrics.values())
    assert (found.dir / "saved_model" / "saved_model.pb").exists()
    browser.check(found.dir / "report.html")
    text = (found.dir / "report.html").read_text()
    said = "The best by validation", "with 95% confidence", published.EMOTION_RESNET18.remark
    for part in ("0.6048", "0.6510", *said):
        assert part in text
    for figure in ("confusions", "sweep", "training-tuned", "explained", "samples"):
        assert (found.dir / "figures" / f"{figure}.png").exists()


def test_published_figures_of_faces_stand_beside_no_clothes(run, tmp_path):
    """The same run as if its folder had held other classes."""
    _, found, _, _ = run
    copy = shutil.copytree(found.dir, tmp_path / "run")
    facts = json.loads((copy / "run.json").read_text()) | {"classes": ["bag", "coat", "happy"]}
    (copy / "run.json").write_text(json.dumps(facts))
    report.write(copy)
    text = (copy / "report.html").read_text()
    assert "published" not in text.split("From scratch, or pretrained?")[1].split("How it was made")[0].lower()
    assert "0.6048" not in text.split("From scratch, or pretrained?")[1].split("<figure")[0]


@pytest.mark.parametrize(
    ("recipe", "classes", "fits"),
    [
        ("emotion_resnet18", "angry disgusted fearful happy neutral sad surprised", True),
        ("emotion_resnet18", "Anger Disgust Fear Happiness Neutral Sadness Surprise", True),
        ("emotion_resnet18", "0 1 2 3 4 5 6", True),  # as FER-2013's own table has them
        ("emotion_resnet18", "bag coat dress pullover sandal shirt sneaker", False),
        ("fashion_models", "cat dog", False),
        ("fashion_models", "Shirt Bag", True),
        ("cifar10c_shift", "cat dog", True),  # what corruption costs, of any classes
        ("quickstart", "0 1", False),
    ],
)
def test_published_figures_are_for_data_of_their_kind(recipe, classes, fits):
    assert bool(published.known(recipe, classes.split()).figures) == fits


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"dataset": "folder:nowhere"}, "nowhere is not a folder: expected one with a folder of images per class"),
        ({}, "1 of 49 files cannot be read: .*broken.png: not a JPEG, PNG, .*--skip-bad"),
        ({"skip_bad": True, "depths": "0,stage99"}, "unknown stage 'stage99'"),
        ({"skip_bad": True, "depths": "0,0"}, "depths '0,0': expected numbers of layers or stages, each once"),
        ({"skip_bad": True, "depths": "0,,5"}, "depths '0,,5'"),
        ({"skip_bad": True, "class_weights": "equal"}, "class_weights 'equal'"),
        ({"skip_bad": True, "protocol": "mine"}, "protocol 'mine'"),
    ],
)
@pytest.mark.filterwarnings("ignore:1 of 49 files")
def test_bad_arguments_leave_nothing(tmp_path, options, complaint):
    write_faces(tmp_path / "faces", 20)
    (tmp_path / "faces" / "sad" / "broken.png").write_bytes(b"text")
    given = SMALL | {"dataset": f"folder:{tmp_path / 'faces'}", "weights": "none", "out": str(tmp_path / "out")}
    with pytest.raises(InputError, match=complaint):
        emotion_resnet18.main(**given | options)
    assert not (tmp_path / "out").exists()


def test_default_depths_are_cut_to_the_network(tmp_path, capsys):
    """0,10,20,40 where a network has fewer layers: those it has; depths that are asked for must be there."""
    write_faces(tmp_path / "faces", 10)
    options = {"backbone": "cnn", "image_size": 28, "weights": "none", "batch_size": 16, "limit": 12}
    options |= {"epochs": 1, "sweep_epochs": 1, "tune_epochs": 1, "out": str(tmp_path)}
    with pytest.raises(InputError, match="cannot unfreeze 10 layers: cnn has 7"):
        emotion_resnet18.main(str(tmp_path / "faces"), **options, depths="0,10,20,40")
    metrics = emotion_resnet18.main(str(tmp_path / "faces"), **options)
    assert {key.split("/")[1] for key in metrics if key.startswith("sweep/")} == {"0", "7"}
    assert "cnn has 7 layers: depths 0,7 are tried, instead of 0,10,20,40\n" in capsys.readouterr().out


def test_default_depths_of_a_network_that_has_them(pictures, capsys):
    net = model.build("small_resnet", pictures, weights="none")
    assert feature_sets.depths(None, net) == list(feature_sets.DEPTHS) == [0, 10, 20, 40]
    assert capsys.readouterr().out == ""


def test_as_published(tmp_path):
    """The report's way: both networks see pixels scaled by the data set. All layers are tuned but batch norm."""
    write_faces(tmp_path / "faces", 10)
    options = SMALL | {"backbone": "small_resnet", "depths": "0", "weights": "none", "protocol": "as_published"}
    emotion_resnet18.main(f"folder:{tmp_path / 'faces'}", **options | {"epochs": 1, "out": str(tmp_path)})
    found = tfxfer.load(newest(tmp_path, "emotion_resnet18"))
    scale = found.model.get_layer("scale").get_config()
    learned = data.load(f"folder:{tmp_path / 'faces'}", image_size=28).rows["train"].images[:].astype(float)
    np.testing.assert_allclose(np.ravel(scale["mean"]), learned.mean((0, 1, 2)), rtol=1e-5)
    assert all(layer.trainable != layer.name.endswith("_bn") for layer in model.backbone_layers(found.model))


def test_defaults_are_the_experiments():
    """E2: 224 pixels, ResNet18, 15 epochs from scratch, 10 with all layers."""
    defaults = {p.name: p.default for p in inspect.signature(emotion_resnet18.main).parameters.values()}
    published = {"backbone": "resnet18", "image_size": 224, "epochs": 15, "tune_epochs": 10, "weights": "imagenet"}
    assert {name: defaults[name] for name in published} == published
