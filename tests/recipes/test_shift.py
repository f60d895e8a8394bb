"""The recipe on corrupted images runs for real on small pictures: both protocols, corrupted here and from files."""

import html
import json
import re
import shutil

import browser
import numpy as np
import pytest
import recipe_checks
from cifar_files import write_cifar10, write_folder
from conftest import write_idx_set
from PIL import Image
from test_recipes import newest

import tfxfer
from tfxfer import analysis, data, export, features, model, report
from tfxfer.core.errors import InputError
from tfxfer.data import corruptions
from tfxfer.features import inference
from tfxfer.recipes import cifar10c_shift
from tfxfer.recipes.shared import corruption_grid, recipe_run, shift_study
from tfxfer.runs.options import Options

SMALL = {"backbone": "cnn", "weights": "none", "image_size": 28, "epochs": 3, "tune_epochs": 2, "batch_size": 32}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    write_idx_set(folder, train=300, test=120)
    options = SMALL | {"corruption": "gaussian_noise", "severities": "5,4", "protocol": "as_published"}
    options |= {"grid_images": 6, "surgery": "fog", "surgery_images": 20, "out": str(folder)}
    metrics = cifar10c_shift.main(f"idx:{folder}", **options)
    return metrics, tfxfer.load(newest(folder, "cifar10c_shift"))


def test_both_protocols_stand_side_by_side(run):
    metrics, found = run
    for prefix in ("", "as_few/", "as_published/"):
        for when in ("before", "after"):
            for side in ("clean", "corrupted"):
                assert 0 <= metrics[f"{prefix}{when}/{side}_accuracy"] <= 1
    sizes = {name: side["sizes"] for name, side in found.facts["corrupted"].items()}
    assert sizes["tfxfer"] == {"train": 540, "validation": 60, "test": 240}
    assert sizes["as_few"] == {"train": 96, "validation": 24, "test": 120}
    assert sizes["as_published"] == {"train": 96, "validation": 24, "test": 240}
    assert found.facts["data"]["sizes"]["test"] == 120
    recipe_checks.check(found)
    browser.check(found.dir / "report.html")
    text = (found.dir / "report.html").read_text()
    assert "WARNING: as published, the network is tested on 240 corrupted images" in text
    assert "as published: LEAKS" in text
    assert "0.9425" in text  # the published figure


def test_what_was_trained_and_on_what_it_was_tested_is_said(run):
    """Last stage and head of six convolutions; two corrupted versions of each of 120 images."""
    _, found = run
    body = model.backbone_layers(found.model)
    unfrozen = sum(layer.trainable for layer in body)
    assert 0 < unfrozen < len(body)
    assert found.facts["model"]["unfrozen"] == unfrozen
    assert {name: facts["schedule"] for name, facts in found.facts["training"].items()} == dict.fromkeys(
        ("head", "as_published tuned", "as_few tuned", "tuned"), "constant"
    )
    card = (found.dir / "model_card.md").read_text()
    assert f"{unfrozen} of the backbone's {len(body)} layers and the head were trained" in card
    assert "on 240 test images under gaussian_noise of severity 5,4, made from 120." in card
    text = (found.dir / "report.html").read_text()
    assert "For test images under gaussian_noise of severity 5,4." in text
    assert f"The kept network is cnn: its head and {unfrozen} of the backbone" in text
    assert "published, CIFAR-10-C: leaks" in text
    with pytest.raises(InputError, match=r"the network, on test images under gaussian_noise .*, has test accuracy 0\."):
        export.bundle(found.dir, min_accuracy=1.01)


def test_where_the_head_starts_to_overfit_is_said(run):
    metrics, found = run
    losses = found.history["head/val_loss"][:3]
    assert metrics["head/overfits_after_epoch"] == np.argmin(losses) + 1


def test_what_is_tested_was_not_learned_from(run):
    metrics, found = run
    clean = data.load(found.facts["arguments"]["dataset"], image_size=28)
    corrupted = data.corrupt(clean, "gaussian_noise", (5, 4))
    bank = features.extract(found.model, corrupted.test, ("logits",))
    right = bank["logits"].argmax(1) == bank.labels
    assert right.mean() == pytest.approx(metrics["after/corrupted_accuracy"])
    ends = [metrics[f"after/corrupted_accuracy_{end}"] for end in ("low", "high")]
    assert ends == pytest.approx(analysis.intervals.accuracy(right, corrupted.rows["test"].facts["base"]))
    assert ends[0] < metrics["after/corrupted_accuracy"] < ends[1]
    assert f"{right.mean():.4f} ({ends[0]:.4f} to {ends[1]:.4f})" in (found.dir / "report.html").read_text()
    assert not set(corrupted.bases("train", "validation")) & set(found.banks["clean"].ids)
    assert set(found.banks["corrupted"].ids % 10**9) == set(found.banks["clean"].ids)


def test_the_grid_has_every_cell_and_its_means(run):
    metrics, found = run
    for when in ("before", "after"):
        row = {key: value for key, value in metrics.items() if key.startswith(f"{when}/grid/")}
        assert len(row) == 95 + 2 + (4 if when == "after" else 0)
        cells = [row[f"{when}/grid/{name}_{severity}"] for name in corruptions.BENCHMARK for severity in range(1, 6)]
        assert row[f"{when}/grid/mean_15"] == pytest.approx(np.mean(cells))
    for figure in ("planes", "grid", "surgery", "corruptions", "confusion", "training-head"):
        assert (found.dir / "figures" / f"{figure}.png").exists()
    contact = found.banks["contact"]
    assert contact["image"].shape == (95, 28, 28, 1)
    fog = corruption_grid.ALL.index(("fog", 5))
    whole = data.load(found.facts["arguments"]["dataset"], image_size=28)
    image, base = whole.rows["test"].images[:1], whole.ids["test"][:1]
    np.testing.assert_array_equal(contact["image"][fog], corruptions.corrupt(image, base, "fog", 5)[0])


def test_errors_are_relative_to_the_network_before_tuning(run):
    metrics, found = run
    errors = [
        [sum(1 - metrics[f"{when}/grid/{name}_{severity}"] for severity in range(1, 6)) for name in corruptions.NAMES]
        for when in ("after", "before")
    ]
    assert metrics["after/grid/mce_vs_before_19"] == pytest.approx(np.mean(np.divide(*errors)))
    text = html.unescape((found.dir / "report.html").read_text())
    assert f'<th scope="row">mCE over 19</th><td>1</td><td>{metrics["after/grid/mce_vs_before_19"]:.4f}</td>' in text
    assert "The reference is this run's network before tuning, not AlexNet" in text
    assert "Left out: batch-norm adaptation. cnn has no batch norm to adapt" in text


def test_batch_norm_adaptation_is_a_row_of_every_table(run, tmp_path):
    """As if the network had batch norm: each table of the report has what adaptation gave, and gained or lost."""
    metrics, found = run
    folder = shutil.copytree(found.dir, tmp_path / "run")
    cells = {f"{name}_{severity}": 0.25 for name, severity in corruption_grid.ALL} | {"mean_15": 0.25, "mean_19": 0.25}
    figures = {f"adapted/grid/{key}": value for key, value in cells.items()}
    figures |= {f"adapted/{side}_accuracy": value for side, value in (("clean", 0.75), ("corrupted", 0.375))}
    figures |= {f"adapted/grid/{kind}mce_vs_before_{n}": 0.875 for kind in ("", "relative_") for n in (15, 19)}
    (folder / "metrics.json").write_text(json.dumps(metrics | figures))
    facts = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(facts | {"adaptation": {"images": 500, "prior": 16.0}}))
    text = html.unescape(report.write(folder).read_text())
    rows = [re.findall("<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall("<tr>(.*?)</tr>", text)]
    rows = [row for row in rows if not any("<" in cell for cell in row)]  # those of figures, not of pictures
    by_name = {row[0]: row[1:] for row in rows if row}
    assert by_name["batch norm adapted without labels, nothing tuned"][2:] == ["0.7500", "0.3750"]
    assert by_name["mean over 19"][1] == "0.2500"
    assert by_name["relative mCE over 15"][:2] == ["1", "0.8750"]
    before = metrics["before/grid/fog_5"]
    assert by_name["severity 5"] == ["before", "adapted", "after", "adapted less before", "after less before"]
    gains = {row[0]: row[1:] for row in rows if len(row) == 6 and row[0].replace(" ", "_") in corruptions.NAMES}
    assert len(gains) == 19
    assert gains["fog"][:2] == [f"{before:.4f}", "0.2500"]
    assert gains["fog"][3] == f"{0.25 - before:+.4f}"
    assert "mixed with those of the first 500 test images" in text
    assert "Left out" not in text


def test_a_point_between_the_weights_is_chosen_by_validation(run):
    metrics, found = run
    weights = [f"{step / 10:g}" for step in range(11)]
    curve = {
        name: [metrics[f"interpolation/{weight}/{name}_accuracy"] for weight in weights]
        for name in ("val_clean", "val_corrupted", "clean", "corrupted")
    }
    for side in ("clean", "corrupted"):  # its ends are what was measured before and after tuning
        assert [curve[side][0], curve[side][-1]] == [metrics[f"{when}/{side}_accuracy"] for when in ("before", "after")]
    mixed = np.mean([curve["val_clean"], curve["val_corrupted"]], axis=0)
    place = weights.index(f"{metrics['interpolated/weight']:g}")
    assert mixed[place] == pytest.approx(mixed.max())
    for side in ("clean", "corrupted"):
        assert metrics[f"interpolated/{side}_accuracy"] == curve[side][place]
    kept = metrics["interpolated/corrupted_accuracy"] / metrics["after/corrupted_accuracy"]
    assert metrics["interpolated/corrupted_kept"] == pytest.approx(kept)
    lost = metrics["before/clean_accuracy"] - metrics["after/clean_accuracy"]
    regained = metrics["interpolated/clean_accuracy"] - metrics["after/clean_accuracy"]
    expected = regained / lost if lost > 0 else np.nan
    assert metrics["interpolated/clean_won_back"] == pytest.approx(expected, nan_ok=True)
    text = html.unescape((found.dir / "report.html").read_text())
    assert "Between the weights before and after tuning" in text
    assert f">chosen</th><td>{metrics['interpolated/weight']:.1f}</td>" in text


def test_both_networks_are_kept(run):
    """The tuned one as the run's model, as before, and the one at the chosen weight in a file of its own."""
    metrics, found = run
    clean = data.load(found.facts["arguments"]["dataset"], image_size=28)
    for net, state in ((found.model, "after"), (model.load(found.dir / "interpolated.keras"), "interpolated")):
        bank = features.extract(net, clean.test, ("logits",))
        assert np.mean(bank["logits"].argmax(1) == bank.labels) == pytest.approx(metrics[f"{state}/clean_accuracy"])


def test_beside_the_means_it_says_what_frost_was_made_with(run):
    """Frost is in both means, over 15 and over 19; as run.json has it, so does the report, twice."""
    _, found = run
    about = found.facts["corruptions"]
    assert about["photographs"] is None
    assert f"Corrupted images: {about['remark']}." in (found.dir / "model_card.md").read_text()
    assert about["remark"].startswith("frost uses generated textures, as bright and as coarse as the benchmark's")
    text = html.unescape((found.dir / "report.html").read_text())
    assert f"The means over 15, over 19 and of weather include frost: {about['remark']}." in text
    assert f"The corruptions of one test image: {about['remark']}." in text


def test_photographs_of_ice_are_used_in_all_that_has_frost(pictures, monkeypatch, tmp_path):
    (tmp_path / "ice").mkdir()
    Image.fromarray(np.full((200, 200, 3), 255, np.uint8)).save(tmp_path / "ice" / "white.png")
    monkeypatch.setattr(data, "load", lambda *_, **__: pictures)
    cells = (("frost", 1),)
    options = Options(dataset="arrays", image_size=32, out=str(tmp_path))
    with recipe_run.Run("trial", {}, options) as run:
        clean, copy = shift_study.load(run, cells, str(tmp_path / "ice"))
        run.save({})
    about = shift_study.describe(copy, {})["corruptions"]
    assert about["photographs"]["names"] == ["white.png"]
    assert about["remark"] == f"frost uses the photographs in {tmp_path / 'ice'}, which are not the benchmark's"
    sides = shift_study.corrupted_splits(clean, copy, cells, True, 0)
    for splits in (*sides.values(), copy.grid(cells, np.arange(3))):
        example = next(iter(splits.test))
        plain = clean.rows["test"].images[clean.ids["test"] == int(example["base"])][0]
        np.testing.assert_allclose(example["image"], np.minimum(plain + 51.0, 255), atol=1)  # white, to a fifth


def test_an_interrupted_grid_goes_on_from_the_cache(pictures, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path))
    for name in ("NAMES", "BENCHMARK"):
        monkeypatch.setattr(corruption_grid.corruptions, name, ("fog", "contrast"))
    net = model.build("cnn", pictures, weights="none")
    model.unfreeze_last(net, "dense")
    grid, calls = corruption_grid.Grid(data.CorruptedCopy.of(pictures), pictures.ids["test"][:5]), []
    over = inference.Forward.over

    def counted(self, batches, what):
        calls.append(what)
        if len(calls) == 4 or len(calls) > 11:
            raise KeyboardInterrupt
        return over(self, batches, what)

    monkeypatch.setattr(inference.Forward, "over", counted)
    with pytest.raises(KeyboardInterrupt):
        grid(corruption_grid.CachedFeatures(net, 50, "auto", strategy=None, engine="auto"))
    first = grid(corruption_grid.CachedFeatures(net, 50, "auto", strategy=None, engine="auto"))
    assert len(calls) == 4 + 7  # three of the ten cells were done
    assert (
        grid(corruption_grid.CachedFeatures(net, 50, "auto", strategy=None, engine="auto")) == first
    )  # and now all are
    mean = f"mean accuracy: {first['mean_15']:.4f} over the benchmark's 15, {first['mean_19']:.4f} over all 19"
    assert f"{mean} (frost uses generated textures" in capsys.readouterr().out
    assert set(first) == {f"{name}_{s}" for name in ("fog", "contrast") for s in range(1, 6)} | {"mean_15", "mean_19"}


def test_a_prefix_that_does_not_fit_is_computed_each_time(pictures, monkeypatch, tmp_path):
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path))
    net = model.build("cnn", pictures, weights="none")
    model.unfreeze_last(net, "dense")
    kept = corruption_grid.CachedFeatures(net, 10**9, "auto", strategy=None, engine="auto")
    assert kept.cut is None
    given = kept(pictures.test)
    other = corruption_grid.CachedFeatures(net, 100, "auto", strategy=None, engine="auto")(pictures.test)
    np.testing.assert_allclose(given["logits"][:], other["logits"], atol=1e-5)
    net.get_layer("logits").kernel.assign_add(np.ones((128, 10)) * np.arange(10))
    expected = features.extract(net, pictures.test, ("logits",))["logits"]
    for look in (kept, corruption_grid.CachedFeatures(net, 100, "off", strategy=None, engine="auto")):
        np.testing.assert_allclose(look(pictures.test)["logits"][:], expected, rtol=1e-4, atol=1e-4)


def test_each_stage_is_tuned_alone(run):
    metrics, found = run
    stages = tfxfer.model.stages(found.model)
    assert {key for key in metrics if key.startswith("surgery/")} == {
        f"surgery/fog/{name}" for name in (*stages, "none")
    }


@pytest.mark.filterwarnings("ignore:.*images that occur more than once")  # 170 different ones, and zeros
def test_cifar10c_in_its_own_layout(tmp_path, monkeypatch):
    """The official folder beside CIFAR-10's: 50,000 rows, of which those of a subset of the test images are used."""
    images = write_cifar10(tmp_path)
    blurred = {("gaussian_blur", 0): images, ("gaussian_blur", 40_000): 255 - images}
    write_folder(tmp_path / "CIFAR-10-C", blurred)
    options = SMALL | {"limit": 200, "severities": "1,5", "grid_images": 0, "surgery": "", "interpolation_images": 0}
    options["out"] = str(tmp_path / "out")
    metrics = cifar10c_shift.main(data_dir=str(tmp_path), **options)
    found = tfxfer.load(newest(tmp_path / "out", "cifar10c_shift"))
    assert found.facts["corrupted"]["tfxfer"]["sizes"] == {"train": 40, "validation": 10, "test": 50}
    assert found.facts["data"]["name"] == "cifar10"
    recipe_checks.check(found)
    assert not any("grid" in key or "surgery" in key or "interpol" in key for key in metrics)
    test = found.banks["test"]
    assert len(test) == 50
    pictures = found.banks["pictures"]
    shown = np.isin(pictures.ids, test.ids)
    assert shown.sum() == 50
    for number, image in zip(pictures.ids[shown], pictures["image"][shown]):
        base = number % 10**9 - 50_000
        severity = (number // 10**9 - 1) % 5 + 1
        np.testing.assert_array_equal(image, images[base] if severity == 1 else 255 - images[base])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"corruption": "rain"}, "corruption 'rain'"),
        ({"severities": "1,six"}, "severities '1,six'"),
        ({"severities": "0"}, "severity 0"),
        ({"surgery": "fog,rain"}, "corruption 'rain'"),
        ({"protocol": "mine"}, "protocol 'mine'"),
        ({"dataset": "digits", "limit": 50}, "images of 8 x 8 x 1"),
        ({"dataset": "cifar10_corrupted", "frost_textures": "ice"}, "with its own frost: leave frost_textures out"),
        ({"clean_share": 1.5}, r"clean_share 1\.5: expected a share from 0 to 1"),
        ({"adapt_images": -1}, "adapt_images -1: expected at least 0"),
        ({"frost_textures": "/nowhere/ice"}, "frost_textures /nowhere/ice is not a folder"),
    ],
)
def test_bad_arguments_leave_nothing(tmp_path, options, complaint):
    with pytest.raises(InputError, match=complaint):
        cifar10c_shift.main(
            **({"dataset": "digits", "surgery": "", "grid_images": 0} | options), out=str(tmp_path / "out")
        )
    assert not list(tmp_path.rglob("*.json"))
