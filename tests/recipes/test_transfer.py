"""The recipe `transfer`: small searches from the first step to the last, killed in each of them, on awkward folders."""

import itertools
import json
import subprocess

import numpy as np
import pytest
import warm
from PIL import Image
from recipe_checks import check

import tfxfer
from tfxfer.core.errors import InputError
from tfxfer.recipes import transfer
from tfxfer.recipes.shared.search import journal, time_plan, trials

SMALL = {"dataset": "digits", "backbones": "cnn", "weights": "none", "image_size": 28, "minutes": 0.5}


@pytest.fixture
def clock(monkeypatch):
    """Every step takes two seconds, a forward pass of an image 10 microseconds: decisions depend on no machine."""
    monkeypatch.setattr(journal, "perf_counter", itertools.count(0.0, 2.0).__next__)
    monkeypatch.setattr(time_plan, "seconds_per_image", lambda *_: 1e-5)
    monkeypatch.setattr(time_plan, "TRACING", 0.1)


def record(out):
    """run.json of the one run in a folder."""
    (path,) = out.glob("transfer/2*/run.json")
    return json.loads(path.read_text())


def test_a_search_from_the_first_step_to_the_last(tmp_path, clock):
    metrics = transfer.main(**SMALL, limit=520, out=str(tmp_path))
    facts = record(tmp_path)
    search = facts["search"]
    assert {row["what"] for row in search["choice"]["rows"]} >= {"head", "explored", "refined"}
    best = max(search["choice"]["rows"], key=lambda row: row["val_accuracy"])
    assert search["choice"]["val_accuracy"] == best["val_accuracy"] == metrics["validation/accuracy"]
    assert metrics["test/accuracy"] > 0.6
    assert metrics["search/busy_share"] > 0.5
    assert len(facts["advice"]) == 3
    assert len(search["trials"]) >= 4
    curve = facts["learning_curve"]
    assert [point["images"] for point in curve["points"]] == [65, 130, 260, 520]
    assert curve["twice"]["images"] == 1040
    run = tfxfer.load(tmp_path / "transfer" / next(iter((tmp_path / "transfer").iterdir())).name)
    assert run.model.calibration["temperature"] == facts["calibration"]["temperature"]
    check(run)
    page = (run.dir / "report.html").read_text()
    for heading in ("What was chosen", "What to do next", "The search", "Would more pictures help?", "Calibration"):
        assert heading in page
    tested = run.banks["test"]
    assert np.mean(tested["logits"].argmax(1) == tested.labels) == pytest.approx(metrics["test/accuracy"])


def test_few_images_are_judged_by_folds_and_steps_can_be_left_out(tmp_path, clock):
    options = SMALL | {"limit": 60, "skip": "look,learning_curve,calibration", "goal": "log_loss", "minutes": 0.2}
    options |= {"backbones": "cnn,small_resnet"}
    metrics = transfer.main(**options, out=str(tmp_path))
    facts = record(tmp_path)
    assert facts["search"]["folds"] == 5
    assert {*facts["search"]["probes"]} == {"cnn", "small_resnet"}
    assert "learning_curve" not in facts
    assert "calibration" not in facts
    assert "data was not looked at" in facts["advice"][2]
    losses = [row["val_loss"] for row in facts["search"]["choice"]["rows"]]
    assert metrics["validation/log_loss"] == pytest.approx(min(losses))


def test_a_search_that_is_killed_in_any_step_ends_with_the_same_choice(tmp_path, clock, monkeypatch):
    """Killed again and again, each time in the step after the one that it got to, and resumed."""
    options = SMALL | {"limit": 500, "skip": "look", "minutes": 0.3}
    transfer.main(**options, out=str(tmp_path / "whole"))
    monkeypatch.setattr(journal, "perf_counter", itertools.count(0.0, 2.0).__next__)
    take, keep = journal.Journal.step, journal.Journal.keep

    class KilledError(Exception):
        pass

    def killed(self, name, make, kind="other"):
        fresh = not (self.folder / f"{name}.json").exists()
        outcome = take(self, name, make, kind)
        if fresh:
            raise KilledError(name)
        return outcome

    monkeypatch.setattr(journal.Journal, "step", killed)
    kills = []
    for attempt in range(60):
        try:
            transfer.main(**options, out=str(tmp_path / "killed"), resume="last" if attempt else None)
            break
        except KilledError as step:
            kills.append(str(step))
    assert {"plan", "probes-cnn", "round0-0", "refined0", "interpolated", "choice", "learning_curve_plan"} <= {*kills}
    assert len(kills) == len({*kills})
    assert keep is journal.Journal.keep
    one, other = (record(tmp_path / name)["search"] for name in ("whole", "killed"))
    assert one["choice"]["what"] == other["choice"]["what"]
    assert one["choice"]["setting"] == other["choice"]["setting"]
    assert one["choice"]["val_loss"] == pytest.approx(other["choice"]["val_loss"], abs=1e-3)
    assert [trial["trial"] for trial in one["trials"]] == [trial["trial"] for trial in other["trials"]]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Four classes of coloured noise, one of three pictures; one file is broken, and one is a near-copy."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number, (name, count) in enumerate({"apple": 30, "berry": 30, "cherry": 30, "δρυς": 3}.items()):
        (folder / name).mkdir()
        for picture in range(count):
            size = (int(rng.integers(40, 60)), int(rng.integers(30, 50)), 3)
            pixels = rng.integers(0, 60, size) + 190 * np.eye(4, 3)[number].astype(int)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{picture}.png")
    (folder / "apple" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    Image.open(folder / "berry" / "0.png").resize((90, 120)).save(folder / "berry" / "copy.jpg", quality=60)
    return folder


def test_an_awkward_folder_goes_through_with_words_about_it(pictures, tmp_path):
    """From the command line, by its other name, with the folder's path alone."""
    words = ["--backbones", "cnn", "--weights", "none", "--image-size", "32", "--minutes", "0.2"]
    done = subprocess.run(
        [*warm.python(), "-m", "tfxfer", "train", str(pictures), *words, "--out", "runs"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "broken.jpg" in done.stderr
    facts = record(tmp_path / "runs")
    assert facts["arguments"]["dataset"] == f"folder:{pictures}"
    assert facts["arguments"]["aspect"] == "crop"
    assert facts["recipe"] == "transfer"
    check(tfxfer.load(tmp_path / done.stdout.strip().splitlines()[-1]))


def test_refuses_two_data_sets_and_unknown_steps(pictures):
    words = [*warm.python(), "-m", "tfxfer", "transfer", str(pictures), "--dataset", "digits"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "are two data sets: leave one out" in done.stderr
    with pytest.raises(InputError, match="skip 'sleep': expected some of look, "):
        transfer.main(**SMALL, skip="look,sleep")
    with pytest.raises(InputError, match="goal 'f1': expected one of accuracy"):
        transfer.main(**SMALL, goal="f1")


def test_averages_reach_over_a_tenth_of_the_steps():
    from tfxfer.recipes.shared.search.settings import Setting

    made = trials.optimizer(Setting("cnn"), 1000)(learning_rate=0.1)
    assert made.use_ema
    assert made.ema_momentum == pytest.approx(0.99)
    assert not trials.optimizer(Setting("cnn", l2_sp=0.1), None)(learning_rate=0.1).use_ema
