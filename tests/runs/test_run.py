import importlib
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import write_idx_set
from finished_run import HISTORY, finish
from scipy import stats

import tfxfer
from tfxfer import data, runs
from tfxfer.core.errors import InputError
from tfxfer.recipes import RECIPES, cifar10c_shift
from tfxfer.recipes.shared import Run, recipe
from tfxfer.runs import environment, loading, option
from tfxfer.runs.options import SHARED, Options

JSON = ("metrics.json", "run.json")


def test_a_run_is_named_when_it_is_whole_and_can_be_loaded(tmp_path, pictures, small_cnn, capsys):
    run = finish(tmp_path, pictures, small_cnn)
    assert capsys.readouterr().out.splitlines()[-1] == str(run.final)
    assert [path.name for path in (tmp_path / "trial").iterdir()] == [run.final.name]
    loaded = tfxfer.load(run.final)
    assert loaded.metrics["test/accuracy"] == 0.5
    right = loaded.banks["test"]["logits"].argmax(1) == pictures.rows["test"].labels
    ends = stats.binomtest(int(right.sum()), 100).proportion_ci(method="wilson")
    assert [loaded.metrics[f"test/accuracy_{end}"] for end in ("low", "high")] == pytest.approx([ends.low, ends.high])
    assert loaded.metrics["seconds/work"] >= 0
    assert loaded.facts["timings"] == {"seconds/work": loaded.metrics["seconds/work"]}
    assert loaded.history == HISTORY
    assert loaded.facts["data"]["sizes"] == {"train": 270, "validation": 30, "test": 100}
    assert loaded.facts["data"]["sha256"] == pictures.fingerprint
    assert loaded.facts["versions"]["tfxfer"] == tfxfer.__version__
    assert loaded.facts["arguments"]["epochs"] == 2
    images = pictures.rows["test"].images
    np.testing.assert_allclose(loaded.model(images), loaded.banks["test"]["logits"], atol=1e-5)
    assert loaded.model.classes == list(pictures.classes)


def test_what_is_not_finite_is_null_and_nan_again(tmp_path, pictures, small_cnn):
    with runs.Run("trial", {}, tmp_path) as run:
        run.metrics = {"before/silhouette": math.nan, "after/silhouette": 0.25}
        run.facts["by_seed"] = {"0": [math.inf, np.float64("nan"), 1]}
        run.save({})
    written = {name: json.loads((run.final / name).read_text(), parse_constant=pytest.fail) for name in JSON}
    assert written["metrics.json"] == {"before/silhouette": None, "after/silhouette": 0.25}
    assert written["run.json"]["by_seed"] == {"0": [None, None, 1]}
    assert math.isnan(tfxfer.load(run.final).metrics["before/silhouette"])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"keep": None, "protocol": "tfxfer"}, "best"),
        ({"keep": None, "protocol": "as_published"}, "last"),
        ({"keep": "best", "protocol": "as_published"}, "best"),
        ({"keep": "last"}, "last"),
    ],
)
def test_which_epoch_is_kept_follows_from_the_protocol_unless_it_is_said(tmp_path, given, kept):
    @recipe(dataset="digits", image_size=28, epochs=1, batch_size=32, protocol="tfxfer")
    def main(run: Run) -> None:
        options = run.training()
        assert (options["keep"], options["early_stopping"]) == (kept, 3)
        assert run.facts["arguments"]["keep"] == kept
        run.save({})

    main(**given, early_stopping=3, out=str(tmp_path))


@pytest.mark.parametrize("recipe", RECIPES)
def test_options_of_every_recipe_reach_the_data(tmp_path, monkeypatch, recipe):
    seen = {}

    def load(*given, **options):
        seen.update(options)
        raise InputError("seen")

    monkeypatch.setattr(data, "load", load)
    with pytest.raises(InputError, match=r"^seen$"):
        importlib.import_module(f"tfxfer.recipes.{recipe}").main(
            validation=0.2, test=0.4, aspect="crop", out=str(tmp_path)
        )
    assert (seen["validation"], seen["test"], seen["aspect"]) == (0.2, 0.4, "crop")


def test_two_runs_in_one_second_have_two_names(tmp_path, pictures, small_cnn):
    first, second = (finish(tmp_path, pictures, small_cnn) for _ in range(2))
    assert first.final != second.final
    with runs.Run("trial", {}, tmp_path) as open_run, pytest.raises(FileExistsError):
        open_run.dir.mkdir()
    assert open_run.final.exists()


@pytest.mark.parametrize("error", [InputError("bad"), KeyboardInterrupt()])
def test_bad_input_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)), runs.Run("trial", {}, tmp_path / "new" / "out") as run:
        (run.dir / "half").write_text("written")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_folders_that_were_there_stay(tmp_path):
    (tmp_path / "trial").mkdir()
    with pytest.raises(InputError), runs.Run("trial", {}, tmp_path):
        raise InputError("bad")
    assert list(tmp_path.iterdir()) == [tmp_path / "trial"]


@pytest.mark.parametrize("error", [InputError("late"), KeyboardInterrupt()])
def test_a_trained_model_is_kept_whatever_happens(tmp_path, small_cnn, error):
    with pytest.raises(type(error)), runs.Run("trial", {}, tmp_path) as run:
        run.save_model(small_cnn, HISTORY)
        raise error
    assert (run.dir / "model.keras").exists()
    assert not run.final.exists()


def test_another_failure_keeps_what_was_written(tmp_path, capsys):
    with pytest.raises(RuntimeError), runs.Run("trial", {}, tmp_path) as run:
        (run.dir / "hours").write_text("of work")
        raise RuntimeError("bug")
    assert (run.dir / "hours").read_text() == "of work"
    assert str(run.dir) in capsys.readouterr().err
    assert not run.final.exists()


def test_out_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"cannot write runs under .* choose another --out"),
        runs.Run("trial", {}, tmp_path / "file"),
    ):
        pass


@pytest.mark.parametrize("content", [None, "{torn", "[1]"])
def test_loading_what_is_no_run(tmp_path, content):
    for name in JSON if content else ():
        (tmp_path / name).write_text(content)
    (tmp_path / "history.csv").write_text("epoch\n")
    with pytest.raises(InputError, match="is not a finished run"):
        tfxfer.load(tmp_path)


def test_any_name_of_a_run(tmp_path, monkeypatch):
    """A path, a run's name, a recipe's name or folder, last; of those that are finished."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "saved_models" / "other" / ".partial-20990101-000000").mkdir(parents=True)
    made = []
    for number, name in enumerate(("trial", "other", "trial")):
        with runs.Run(name, {}) as run:
            run.save({})
        os.utime(run.final / "run.json", (number, number))
        made.append((tmp_path / run.final).resolve())
    first, other, second = made
    assert first.name != second.name
    for word, expected in (
        ("last", second),
        ("trial", second),
        ("other", other),
        ("saved_models/other", other),
        (tmp_path / "saved_models" / "trial", second),
        (second.name, second),
        (str(first), first),
        ("saved_models/trial/" + first.name, first),
    ):
        assert loading.find(word).resolve() == expected
        assert tfxfer.load(word).dir.resolve() == expected
    monkeypatch.chdir(first)
    assert tfxfer.load(".").facts["recipe"] == "trial"
    assert tfxfer.load("trial", tmp_path / "saved_models").dir == second
    monkeypatch.chdir(tmp_path)
    for word in ("trail", "saved_models/trail", "20200101-000000", "*", "saved_models", "x" * 300, "a\0b"):
        with pytest.raises(
            InputError, match=r"is not a finished run .*: give a finished run's folder or name, a recipe"
        ):
            tfxfer.load(word)
    monkeypatch.chdir(first)
    with pytest.raises(InputError, match=r"saved_models contains no finished run: run a recipe first"):
        tfxfer.load("last")
    with pytest.raises(InputError, match=r"run 3: expected a finished run's folder"):
        tfxfer.load(3)
    with pytest.raises(InputError, match=r"run '': expected a finished run's folder"):
        tfxfer.load("")


def test_what_is_long_has_a_file_of_its_own_and_comes_back(tmp_path):
    """And a run of version 0.1, which had all in run.json, is read as before."""
    dataset = {"counts": {"train": [3, 4]}, "histogram": list(range(256)), "duplicates": [[{"id": 1}]]}
    data = {"name": "x", "unreadable": {"a.png": "torn", "b.png": "torn"}}
    with runs.Run("trial", {}, tmp_path) as run:
        run.facts |= {"dataset": dataset, "data": data, "classes": ["a", "b"]}
        run.save({})
    new = json.loads((run.final / "run.json").read_text())
    assert "dataset" not in new
    assert new["data"] == {"name": "x"}
    assert len((run.final / "run.json").read_text().splitlines()) < 60
    assert json.loads((run.final / "dataset.json").read_text()) == dataset | {"unreadable": data["unreadable"]}
    facts = tfxfer.load(run.final).facts
    assert (facts["dataset"], facts["data"]) == (dataset, data)
    (run.final / "run.json").write_text(json.dumps(facts))
    (run.final / "dataset.json").write_text("{torn")
    with pytest.raises(InputError, match="is not a finished run"):
        tfxfer.load(run.final)
    (run.final / "dataset.json").unlink()
    assert tfxfer.load(run.final).facts == facts


def test_a_run_records_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    (tmp_path / "faces").mkdir()

    @recipe(dataset="digits", weights="imagenet", image_size=28, epochs=5, batch_size=32)
    def main(run: Run) -> None:
        run.save({})

    given = {"dataset": "faces", "data_dir": "files", "weights": "~/w.h5", "out": "runs", "resume": None, "epochs": 1}
    main(**given)
    (folder,) = (tmp_path / "runs" / "test_run").iterdir()
    recorded = tfxfer.load(folder).facts["arguments"]
    assert {name: recorded[name] for name in given} == {
        "dataset": f"folder:{tmp_path}/faces",
        "data_dir": f"{tmp_path}/files",
        "weights": f"{tmp_path}/me/w.h5",
        "out": f"{tmp_path}/runs",
        "resume": None,
        "epochs": 1,
    }
    plain = {"dataset": "idx:a", "data_dir": None, "weights": "imagenet", "out": Path("runs")}
    found = {"dataset": f"idx:{tmp_path}/a", "data_dir": None, "weights": "imagenet", "out": f"{tmp_path}/runs"}
    assert option.portable(plain, SHARED) == found
    assert option.portable({"dataset": "mnist", "weights": "none"}, SHARED) == {"dataset": "mnist", "weights": "none"}
    ice = cifar10c_shift.main.annotations
    assert option.portable({"frost_textures": "ice"}, ice) == {"frost_textures": f"{tmp_path}/ice"}


def test_a_run_can_be_made_again_from_its_record(tmp_path, monkeypatch):
    """In another folder, by what run.json has as arguments: the same data, below the same `out`."""

    @recipe(dataset="digits", image_size=28, epochs=1, batch_size=32)
    def main(run: Run) -> None:
        run.describe(None, run.load_data())
        run.save({})
        folders.append(run.final)

    def page(**options):
        main(**options)
        return folders[-1]

    folders = []

    write_idx_set(tmp_path / "here" / "images", suffix="")
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    first = tfxfer.load(page(dataset="images", out="runs")).facts
    monkeypatch.chdir(tmp_path / "there")
    again = page(**first["arguments"])
    assert again.parent == tmp_path / "here" / "runs" / "test_run"
    facts = tfxfer.load(again).facts
    assert facts["data"] == first["data"]
    assert facts["arguments"] == first["arguments"]
    assert facts["commit"] == first["commit"] == environment.commit()
    assert "\nscipy==" in (again / "requirements.txt").read_text()


def test_protocols():
    assert Options(protocol="as_published").published
    assert not Options(protocol="tfxfer").published
    assert not Options().published
    with pytest.raises(InputError, match="protocol 'paper': expected one of tfxfer, as_published"):
        option.check({"protocol": "paper"}, SHARED)


def test_arguments_are_recorded_as_json(tmp_path, pictures, small_cnn):
    run = finish(tmp_path, pictures, small_cnn)
    assert json.loads((run.final / "run.json").read_text())["arguments"] == {"epochs": 2, "out": str(tmp_path)}
