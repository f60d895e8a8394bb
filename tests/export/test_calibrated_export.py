"""A calibrated network in its files: probabilities, abstention, the card, and temperatures of quantized formats."""

import io
import json
import shutil
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import warm
from finished_run import HISTORY
from PIL import Image
from scipy import special

import tfxfer
from tfxfer import analysis, data, export, features, model, runs, train
from tfxfer.analysis import calibration
from tfxfer.cli import main as cli
from tfxfer.core.errors import InputError
from tfxfer.export import converters, format_calibration, parity, prediction, reload_script, savedmodel
from tfxfer.recipes.shared import run_artifacts
from tfxfer.runs import card_text

PRECISION = 0.8


@pytest.fixture(scope="module")
def splits():
    """400 digits to train on, 100 to validate on."""
    return data.load("digits", limit=400)


@pytest.fixture(scope="module")
def run(tmp_path_factory, splits):
    """A run whose network has learned a little, is then five times too sure, and is calibrated."""
    keras.utils.set_random_seed(0)
    net = model.build("cnn", splits, weights="none")
    model.unfreeze_last(net, "all")
    train.fit(net, splits, epochs=4, batch_size=16)
    model.scale_logits(net, 0.2)
    logits = features.extract(net, splits.validation, ("logits",))
    before = features.extract(net, splits.test, ("logits",))["logits"]
    model.calibrate(net, calibration.fit(logits["logits"], logits.labels, PRECISION))
    with runs.Run("trial", {"epochs": 4}, tmp_path_factory.mktemp("runs")) as run:
        run.describe(net, splits)
        run.save_model(net, HISTORY)
        bank = features.extract(net, splits.test, ("logits",))
        banks = {"test": bank, "pictures": run_artifacts.pictures(splits, bank["logits"])}
        run.save(banks | run_artifacts.calibration_images(splits).banks)
        export.saved_model(net, run.dir)
    return tfxfer.load(run.final), before


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "PYTHON", warm.python())
        formats = ["saved_model", "litert", "litert_dynamic", "litert_int8", "keras"]
        return export.bundle(run[0].dir, formats, folder, serving=folder.parent / "served")


def outputs(folder, images):
    served = tf.saved_model.load(str(folder)).signatures["serving_default"](image=tf.constant(images))
    return {name: value.numpy() for name, value in served.items()}


def test_the_run_knows_what_its_network_knows(run, splits):
    known = run[0].facts["calibration"]
    assert run[0].model.calibration == known
    assert known["temperature"] > 1.5
    assert (known["precision"], known["images"]) == (PRECISION, splits.size("validation"))
    assert known["threshold"] is not None


def test_probabilities_are_those_of_the_divided_logits(run, splits):
    loaded, before = run
    known = loaded.facts["calibration"]
    found = outputs(loaded.dir / "saved_model", splits.rows["test"].images)
    expected = special.softmax(before.astype(float) / known["temperature"], 1)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
    np.testing.assert_array_equal(found["class_index"], before.argmax(1))  # as without calibration
    np.testing.assert_array_equal(found["abstained"], found["probabilities"].max(1) < np.float32(known["threshold"]))
    assert 0 < found["abstained"].sum() < len(before)


def test_the_files_agree_with_the_network(run, exported, splits):
    assert json.loads((exported / "parity.json").read_text())["formats"]["litert"]["max_difference"] < 1e-4
    assert model.load(exported / "model.keras").calibration == run[0].facts["calibration"]
    images = splits.rows["test"].images
    mine, served = (outputs(folder, images) for folder in (exported / "saved_model", exported.parent / "served" / "1"))
    np.testing.assert_array_equal(mine["abstained"], served["abstained"])
    for folder in (exported / "saved_model", exported.parent / "served" / "1"):
        assert savedmodel.calibration(folder) == run[0].facts["calibration"]


def test_each_quantized_format_has_a_calibration_of_its_own(run, exported, splits, tmp_path):
    """Fitted once more here, to the logits of another file: the written one divides by just this temperature."""
    loaded, net = run[0], run[0].model
    found = json.loads((exported / "calibration.json").read_text())
    assert list(found) == ["saved_model", "litert", "litert_dynamic", "litert_int8", "keras"]
    assert found["saved_model"] == found["litert"] == found["keras"] == loaded.facts["calibration"]
    bank = loaded.banks["calibration"]
    pictures = loaded.banks["pictures"]["image"]
    representative = pictures[len(pictures) // 2 :][: len(pictures) // 2]
    test = splits.rows["test"].images
    for name, kind, exact in (("litert_dynamic", "dynamic", 1e-5), ("litert_int8", "int8", 2 / 256)):
        path = tmp_path / f"{kind}.tflite"
        converters.litert(net, path, kind, representative, logits=True)
        logits = reload_script.outputs(name, str(path), bank["image"])["logits"]
        divisor = analysis.temperature(logits, bank.labels)
        own = found[name]
        assert own["temperature"] == pytest.approx(divisor * loaded.facts["calibration"]["temperature"])
        assert own["temperature"] != loaded.facts["calibration"]["temperature"]
        file = str(exported / export.FORMATS[name].file)
        probabilities = reload_script.outputs(name, file, bank["image"])["probabilities"]
        np.testing.assert_allclose(probabilities, special.softmax(logits / divisor, 1), atol=exact)
        answers = probabilities.max(1) >= own["threshold"]
        right = probabilities.argmax(1) == bank.labels
        assert (own["answered"], own["reached"]) == (answers.mean(), pytest.approx(right[answers].mean()))
        assert (own["precision"], own["images"]) == (PRECISION, len(bank))
        plain = reload_script.outputs(name, str(path), test)["logits"]
        scaled = reload_script.outputs(name, file, test)["probabilities"]
        rows = np.arange(len(test))
        # the same class as without a temperature; in 8 bits several can have the highest probability
        np.testing.assert_array_equal(scaled[rows, plain.argmax(1)], scaled.max(1))


def test_without_images_to_calibrate_on_a_file_has_the_networks(run, tmp_path, monkeypatch):
    monkeypatch.setattr(parity, "PYTHON", warm.python())
    shutil.copytree(run[0].dir, tmp_path / "run")
    (tmp_path / "run" / "banks" / "calibration.npz").unlink()
    folder = export.bundle(tmp_path / "run", ["litert_dynamic"])
    known = run[0].facts["calibration"]
    assert json.loads((folder / "calibration.json").read_text()) == {"litert_dynamic": known}
    run[0].banks["test"].save(tmp_path / "run" / "banks" / "calibration.npz")
    with pytest.raises(InputError, match=r"calibration\.npz holds no images to calibrate on"):
        format_calibration.images(tfxfer.load(tmp_path / "run"))


def test_the_card_says_it(run, exported):
    known = run[0].facts["calibration"]
    for folder in (run[0].dir, exported):
        text = (folder / "model_card.md").read_text()
        assert (
            f"divided by the temperature {known['temperature']:.4g}, which was fitted to {known['images']} images"
            in text
        )
        assert f"abstains where the highest probability is below {known['threshold']:.4f}" in text
        assert f"it answered {known['answered']:.1%}, and {known['reached']:.1%} of these answers were right" in text
        assert "not calibrated" not in text
    own = json.loads((exported / "calibration.json").read_text())["litert_int8"]
    (row,) = (line for line in text.splitlines() if line.startswith("| model_int8.tflite"))
    assert row.endswith(f"| {own['temperature']:.4g} | {own['threshold']:.4f} |")


def test_what_a_card_says_without_a_threshold():
    known = {"temperature": 2.0, "threshold": None, "images": 50}
    assert "threshold" not in card_text.probabilities(known)
    assert "precision 0.99 on these images: the network never abstains" in card_text.probabilities(
        known | {"precision": 0.99}
    )
    assert "not calibrated" in card_text.limits(None)


@pytest.fixture
def photo(tmp_path, splits):
    """The image files of a few test images, sure ones and others."""
    for number, image in enumerate(splits.rows["test"].images[:40]):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{number:02}.png")
    return tmp_path


def command(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["tfxfer", "predict", *map(str, words)])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with pytest.raises(SystemExit) as end:
        cli.main()
    captured = capsys.readouterr()
    return end.value.code, captured.out.splitlines(), captured.err


def test_predict_abstains_wherever_the_export_was_copied(run, exported, photo, tmp_path, splits, monkeypatch, capsys):
    shutil.copytree(exported, tmp_path / "elsewhere")
    least = run[0].facts["calibration"]["threshold"]
    expected = outputs(exported / "saved_model", splits.rows["test"].images[:40])["abstained"].tolist()
    count = sum(expected)
    assert 0 < count < 40
    for place in (tmp_path / "elsewhere", exported.parent / "served", run[0].dir):
        status, lines, stderr = command(monkeypatch, capsys, place, *sorted(photo.glob("*.png")))
        assert status == 0
        rows = [json.loads(line) for line in lines]
        assert [row["abstained"] for row in rows] == expected
        assert all("class_name" in row for row in rows)
        assert stderr == f"abstained from {count} of 40 images: probability below {least:.4f}\n"


def test_a_table_says_it_in_words_and_the_threshold_can_be_another(exported, photo, monkeypatch, capsys):
    files = sorted(photo.glob("*.png"))
    for given, words, said in (("1", "abstained, most likely ", "40 of 40 images"), ("0", "", "")):
        status, lines, stderr = command(
            monkeypatch, capsys, exported, *files, "--format", "table", "--threshold", given
        )
        rows = list(prediction.predict(exported, map(str, files), abstain_below=float(given)))
        assert status == 0
        for line, row in zip(lines, rows, strict=True):
            assert line == f"{row['probability']:.4f}  {row['file']}  {words}{row['class_name']}"
        assert said in stderr
        assert bool(stderr) == bool(said)
    assert command(monkeypatch, capsys, exported, files[0], "--threshold", "2")[0] == 2
    with pytest.raises(InputError, match="abstain_below 2: expected a probability from 0 to 1"):
        next(prediction.predict(exported, ["x.png"], abstain_below=2))


def test_a_damaged_calibration_is_one_line(run, tmp_path):
    shutil.copytree(run[0].dir / "saved_model", tmp_path / "copy")
    path = tmp_path / "copy" / "assets.extra" / "calibration.json"
    for content in ("", "[" * 100_000, '{"temperature": 2}'):
        path.write_text(content)
        with pytest.raises(InputError, match=r"calibration\.json cannot be read .*export the run again"):
            prediction.threshold(tmp_path / "copy")
    path.unlink()
    assert prediction.threshold(tmp_path / "copy") is None
