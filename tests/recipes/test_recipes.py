"""Each recipe runs for real, small, and leaves a whole run."""

import inspect
import json

import browser
import keras
import numpy as np
import pytest
import recipe_checks
import tensorflow as tf
from conftest import write_idx_set

import tfxfer
from tfxfer.recipes import mobilenet_mnist, pretrain, quickstart

KEYS = {f"{when}/{what}" for when in ("before", "after") for what in ("probe_accuracy", "silhouette", "knn_purity")}
KEYS |= {"test/accuracy", "test/accuracy_low", "test/accuracy_high"}
SECONDS = {"data_and_model", "features_before", "study_before", "training", "features_after", "study_after", "export"}
SECONDS |= {"study_data", "explanations", "neighbours"}
FILES = {
    "run.json",
    "dataset.json",
    "requirements.txt",
    "metrics.json",
    "history.csv",
    "predictions.csv",
    "report.html",
    "figures",
    "banks",
}
FILES |= {"model.keras", "saved_model", "model_card.md", "labels.txt"}


def newest(out, recipe):
    runs = sorted((out / recipe).iterdir())
    assert not any(run.name.startswith(".") for run in runs)
    return runs[-1]


def test_quickstart(tmp_path):
    metrics = quickstart.main(limit=400, epochs=5, out=str(tmp_path))
    assert {key for key in metrics if key.split("/")[0] in ("before", "after", "test", "seconds")} == KEYS | {
        f"seconds/{phase}" for phase in SECONDS
    }
    assert {key.split("/")[0] for key in metrics} == {
        *("before", "after", "test", "seconds", "layers", "sanity", "deletion", "data")
    }
    assert all(isinstance(value, float) for value in metrics.values())
    assert metrics["before/probe_accuracy"] > 0.7  # ImageNet features of digits it has never seen
    assert metrics["test/accuracy"] > 0.6
    folder = newest(tmp_path, "quickstart")
    assert {path.name for path in folder.iterdir()} == FILES | {"logs"}
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert list((folder / "logs" / "train").glob("events*"))
    run = tfxfer.load(folder)
    recipe_checks.check(run)
    assert run.facts["recipe"] == "quickstart"
    assert run.facts["data"]["sizes"] == {"train": 400, "validation": 100, "test": 100}
    assert len(run.history["val_loss"]) == 5
    assert len(run.banks["stages"]) == 100
    assert "<h2>How alike layers are</h2>" in (folder / "report.html").read_text()
    test = run.banks["test"]
    right = test["logits"].argmax(1) == test.labels
    assert metrics["test/accuracy"] == pytest.approx(right.mean())
    served = tf.saved_model.load(str(folder / "saved_model")).signatures["serving_default"]
    np.testing.assert_array_equal(run.banks["pictures"].ids, test.ids)
    probabilities = served(image=tf.constant(run.banks["pictures"]["image"]))["probabilities"]
    np.testing.assert_allclose(probabilities, tf.nn.softmax(test["logits"]), atol=1e-4)
    browser.check(folder / "report.html")
    frozen = keras.models.load_model(folder / "model.keras").get_layer("stem_conv").get_weights()[0]
    bundled = tfxfer.model.backbones.create("efficientnet_lite0", (48, 48, 3), "imagenet").get_layer("stem_conv")
    np.testing.assert_array_equal(frozen, bundled.get_weights()[0])


def test_pretrained_weights_go_into_mobilenet_mnist(tmp_path):
    """pretrain saves what --weights takes; the page then starts from exactly these weights."""
    write_idx_set(tmp_path / "data", train=200, test=80)
    options = {"dataset": f"idx:{tmp_path / 'data'}", "image_size": 32, "epochs": 1, "out": str(tmp_path)}
    pretrain.main(**options, backbone="mobilenet_v2")
    source = newest(tmp_path, "pretrain")
    weights = source / "backbone.weights.h5"
    metrics = mobilenet_mnist.main(
        **options, weights=str(weights), protocol="as_published", augment=True, head2toe_images=0
    )
    run = tfxfer.load(newest(tmp_path, "mobilenet_mnist"))
    assert set(metrics) >= KEYS
    trained, net = tfxfer.load(source).model, run.model
    for ours, theirs in zip(_body(net)[:-10], _body(trained)[:-10], strict=True):
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    scale = net.get_layer("scale").get_config()
    assert (scale["scale"], scale["offset"]) == (1 / 255, 0.0)
    assert any(layer.name == "augment_shift" for layer in net.layers)
    assert net.get_layer("Conv_1_bn").momentum == 0.999  # as Keras has it, like the report
    assert run.facts["arguments"]["protocol"] == "as_published"
    assert run.facts["arguments"]["keep"] == run.facts["training"]["keep"] == "last"
    assert tfxfer.load(source).facts["training"]["keep"] == "best"
    assert run.banks["explained"]["gradcam"].shape[0] > 0
    for folder in (source, run.dir):
        recipe_checks.check(tfxfer.load(folder))
        browser.check(folder / "report.html")


def _body(net):
    return tfxfer.model.backbone_layers(net)


def test_defaults_are_the_experiments():
    """Experiment C, and the quickstart the README promises."""

    def defaults(main):
        return {p.name: p.default for p in inspect.signature(main).parameters.values()}

    page, first = defaults(mobilenet_mnist.main), defaults(quickstart.main)
    published = {"dataset": "mnist", "backbone": "mobilenet_v2", "image_size": 48, "unfreeze": 10, "epochs": 5}
    assert {name: page[name] for name in published} == published
    assert mobilenet_mnist.FEATURE_IMAGES == 2000
    quick = {"dataset": "digits", "backbone": "efficientnet_lite0", "image_size": 48, "unfreeze": 40, "epochs": 10}
    assert {name: first[name] for name in quick} == quick
