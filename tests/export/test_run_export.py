"""`tfxfer export`: a real run's network in every form, each reloaded in a fresh process."""

import dataclasses
import io
import json
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from PIL import Image
from scipy import stats

import tfxfer
from tfxfer import export
from tfxfer.cli import main
from tfxfer.core.errors import InputError
from tfxfer.export import parity
from tfxfer.recipes import pretrain
from tfxfer.runs import model_card

FILES = {"litert_dynamic": "model_dynamic.tflite", "litert_int8": "model_int8.tflite", "onnx": "model.onnx"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A network that has learned scikit-learn's digits, real images, so that its classes are no toss."""
    out = tmp_path_factory.mktemp("runs")
    pretrain.main(dataset="digits", backbone="cnn", image_size=28, epochs=4, batch_size=32, out=str(out))
    return tfxfer.load(next((out / "pretrain").iterdir()))


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """All formats by the command line."""
    home = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        words = ["--formats", ",".join(export.FORMATS), "--out", f"{home}/out", "--serving", f"{home}/digits"]
        patch.setattr(sys, "argv", ["tfxfer", "export", str(run.dir), *words, "--min-accuracy", "0.5"])
        patch.setattr(warnings, "showwarning", warnings.showwarning)
        main.main()
    assert end.value.code == 0
    return home


def facts(exported):
    return json.loads((exported / "out" / "parity.json").read_text())


def test_everything_is_there_and_nothing_else(exported):
    names = {row.file for row in export.FORMATS.values()} | {"parity.json", "model_card.md", "labels.txt"}
    assert {path.name for path in (exported / "out").iterdir()} == names
    assert {path.name for path in exported.iterdir()} == {"out", "digits"}


@pytest.mark.parametrize("name", export.FORMATS)
def test_each_agrees_with_the_network_on_200_real_images(exported, name):
    row = facts(exported)["formats"][name]
    assert row["images"] == 200
    assert row["bytes"] > 10_000
    if export.FORMATS[name].exact:
        assert row["max_difference"] <= export.TOLERANCE
        assert row["agreement"] == 1
        assert row["accuracy"] == row["network_accuracy"]
    else:
        assert 0 < row["max_difference"] < 0.3
        assert row["agreement"] >= 0.97
        assert abs(row["accuracy"] - row["network_accuracy"]) <= 0.03


def test_the_accuracy_is_the_runs(run, exported):
    assert facts(exported)["test_accuracy"] == pytest.approx(run.metrics["test/accuracy"])
    assert facts(exported)["test_images"] == 450


def test_int8_computes_in_int8(exported):
    """Every convolution and dense layer; the input alone is uint8, and what leaves is float."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(str(exported / "out" / "model_int8.tflite"))
        single = tf.lite.Interpreter(str(exported / "out" / "model.tflite"))
    kinds = [tensor["dtype"] for tensor in interpreter.get_tensor_details() if len(tensor["shape"]) == 4]
    assert kinds.count(np.int8) >= 8  # three kernels, what goes into them and what comes out
    assert not any(tensor["dtype"] == np.int8 for tensor in single.get_tensor_details())
    assert interpreter.get_input_details()[0]["dtype"] == np.uint8


def test_quantized_files_are_smaller(exported):
    rows = facts(exported)["formats"]
    assert rows["litert_int8"]["bytes"] < 0.35 * rows["litert"]["bytes"]
    assert rows["litert_dynamic"]["bytes"] < 0.35 * rows["litert"]["bytes"]


def test_served_as_tensorflow_serving_wants_it(run, exported):
    """Numbered folder, signatures of its own; the answer is the run's SavedModel's."""
    version = exported / "digits" / "1"
    assert [path.name for path in (exported / "digits").iterdir()] == ["1"]
    images = tf.constant(run.banks["pictures"]["image"][:20])
    ours, theirs = (tf.saved_model.load(str(folder)) for folder in (version, run.dir / "saved_model"))
    for name in ("serving_default", "embed"):
        got, expected = ours.signatures[name](image=images), theirs.signatures[name](image=images)
        for key in expected:
            np.testing.assert_array_equal(got[key], expected[key])
    assert (version / "assets.extra" / "labels.txt").read_text() == (exported / "out" / "labels.txt").read_text()


def test_labels_are_the_classes_in_order(exported):
    assert (exported / "out" / "labels.txt").read_text().splitlines() == list("0123456789")


def test_the_card_says_what_it_is(run, exported):
    text = (exported / "out" / "model_card.md").read_text()
    accuracy = run.metrics["test/accuracy"]
    assert text.startswith("# cnn on digits\n")
    low, high = stats.binomtest(round(450 * accuracy), 450).proportion_ci(method="wilson")
    assert f"Accuracy {accuracy:.4f} (95% interval {low:.4f} to {high:.4f}, Wilson) on 450 test images." in text
    assert "| model_int8.tflite | " in text
    assert "(bilinear, antialiased): height and width are resized by a factor each.\n" in text
    assert run.facts["data"]["sha256"] in text
    assert str(run.dir.parent.parent) not in text  # no folders of the machine where it was made


def test_the_card_shows_how_to_run_what_is_there(run):
    """Its lines are run, as whoever got the files would."""
    text = model_card._card(run.facts, list("0123456789"), None, {"images": 1, "formats": {}}, {})
    assert "```" not in text.split("## Test scores")[0]
    rows = {name: {"file": file, "bytes": 1, "max_difference": 0, "agreement": 1} for name, file in FILES.items()}
    text = model_card._card(run.facts, list("0123456789"), None, {"images": 1, "formats": rows}, {})
    assert "saved_model" not in text.split("## Test scores")[0]
    assert text.count('tf.lite.Interpreter("model_dynamic.tflite")') == 1
    assert 'tf.lite.Interpreter("model_int8.tflite")' not in text


def test_the_cards_lines_run(exported, run, monkeypatch):
    monkeypatch.chdir(exported / "out")
    blocks = re.findall(r"```python\n(.*?)```", Path("model_card.md").read_text(), re.S)
    assert len(blocks) == 4
    images = run.banks["pictures"]["image"][:1]
    picture = io.BytesIO()
    Image.fromarray(images[0, ..., 0]).save(picture, "PNG")
    file = type("File", (), {"read_bytes": lambda self: picture.getvalue()})()
    names = {"tf": tf, "onnxruntime": onnxruntime, "tfxfer": tfxfer, "images": images, "file": file}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # LiteRT's interpreter will be a package of its own
        for block in blocks:
            exec(block, names)  # what the card tells its reader to type


def test_a_run_leaves_card_and_labels(run):
    assert (run.dir / "labels.txt").read_text().splitlines() == list("0123456789")
    text = (run.dir / "model_card.md").read_text()
    assert f"Accuracy {run.metrics['test/accuracy']:.4f} (95% interval " in text
    assert "## Files" not in text
    trained = run.facts["training"]
    epoch = int(np.argmin(run.history["val_loss"])) + 1
    assert f"The weights are those of epoch {epoch} of {trained['epochs']}: the lowest validation loss." in text
    assert model_card.kept({"head": trained | {"keep": "last"}, "left": {}}).endswith(" (head): the last.")
    assert model_card.kept({"schedule": "cosine"}) == ""  # a run of the first version


def test_names_cannot_change_the_card(run, tmp_path):
    names = ["<script>alert(1)</script>", "a|b", "two\nlines", *"3456789"]
    data = run.facts["data"] | {"name": "folder:/home/someone/cats"}
    arguments = run.facts["arguments"] | {"weights": "/home/someone/net.h5", "dataset": data["name"], "out": "/home/x"}
    own = run.facts | {"classes": names, "data": data, "arguments": arguments}
    model_card.write(tmp_path, own, run.banks["test"])
    text = (tmp_path / "model_card.md").read_text()
    assert "<script>" not in text.replace("\\<", "")
    assert "| a\\|b |" in text
    assert "/home" not in text
    assert "folder:cats" in text
    assert "net.h5" in text
    assert (tmp_path / "labels.txt").read_text().splitlines()[2] == "two lines"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"formats": ["litert", "pickle"]}, "unknown format 'pickle': expected some of saved_model, litert"),
        ({"formats": ["keras"], "serving": "s"}, "serving s needs the format saved_model, formats are keras: add it"),
        ({"min_accuracy": 1.0}, r"the network has test accuracy 0\.\d+, expected at least 1: train longer"),
        ({"out": ""}, "exists: name another folder with --out"),
    ],
)
def test_what_is_refused_leaves_nothing(run, tmp_path, options, complaint, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=complaint):
        export.bundle(run.dir, **{"out": tmp_path / "out"} | options)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_loses_too_much_is_refused_with_all(run, tmp_path, monkeypatch):
    """The network's own accuracy is enough, that of one file would not be."""
    compare = parity.compare

    def worse(net, format, *options):
        found = compare(net, format, *options)
        return found | ({"accuracy": found["network_accuracy"] - 0.25} if format == "litert_dynamic" else {})

    monkeypatch.setattr(parity, "compare", worse)
    least = run.metrics["test/accuracy"] - 0.2
    places = {"out": tmp_path / "new" / "out", "serving": tmp_path / "models" / "digits"}
    with pytest.raises(InputError, match=rf"litert_dynamic has test accuracy .* expected at least {least:g}"):
        export.bundle(run.dir, ["saved_model", "litert_dynamic"], **places, min_accuracy=least)
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_network_is_named(run, tmp_path):
    for name in ("run.json", "metrics.json", "history.csv"):
        (tmp_path / name).write_bytes((run.dir / name).read_bytes())
    with pytest.raises(InputError, match=r"has no model.keras: give a run that trained a network"):
        export.bundle(tmp_path)
    (tmp_path / "model.keras").write_text("")
    (tmp_path / "banks").mkdir()
    bank = run.banks["test"]
    run.banks["pictures"].save(tmp_path / "banks" / "pictures.npz")
    dataclasses.replace(bank, values={"embedding": bank["logits"]}).save(tmp_path / "banks" / "test.npz")
    with pytest.raises(InputError, match="no test images with the network's outputs"):
        export.bundle(tmp_path)
