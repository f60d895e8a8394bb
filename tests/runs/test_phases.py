"""Phases of a run: their numbers, their times, and a run that is quiet."""

import sys

from tfxfer import runs
from tfxfer.recipes.shared import Run, recipe
from tfxfer.runs import loading, phases


@recipe(dataset="digits", image_size=28, epochs=1, batch_size=32)
def main(run: Run) -> None:
    """A page of two phases that keeps no network."""
    run.plan("first_part", "second_part", network=False)
    for name in ("first_part", "second_part"):
        with run.phase(name):
            print("something")
    run.say("a line")
    run.save({})


def test_a_phase_is_announced_by_its_number(capsys):
    with phases.announced("data_and_model", ["other", "data_and_model", "training"]):
        print("within")
    first, within, last = capsys.readouterr().out.splitlines()
    assert (first, within) == ("2 of 3, data and model ...", "within")
    assert last.startswith("2 of 3, data and model: 0.")
    with phases.announced("unplanned", ["other"]):
        pass
    assert capsys.readouterr().out.startswith("unplanned ...\nunplanned: 0.")


def test_on_a_terminal_the_line_stays_only_as_long_as_the_phase(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with phases.announced("training", ["training"]):
        pass
    assert "..." not in capsys.readouterr().out


def test_how_long_it_took_the_last_time_with_the_same_arguments(tmp_path):
    for seconds, arguments in ((3.0, {"epochs": 1, "seed": 0}), (5.0, {"epochs": 2, "seed": 0})):
        with runs.Run("trial", arguments, tmp_path) as run:
            run.metrics["seconds/training"] = seconds
            run.save({})
    home = tmp_path / "trial"
    assert phases.last_time("training", home, {"epochs": 1, "seed": 7}) == 3.0
    assert phases.last_time("training", home, {"epochs": 2, "seed": 0}) == 5.0
    assert phases.last_time("training", home, {"epochs": 3, "seed": 0}) is None
    assert phases.last_time("export", home, {"epochs": 1, "seed": 0}) is None
    assert phases.last_time("training", tmp_path / "none", {}) is None


def test_what_is_timed_is_a_metric(tmp_path):
    with runs.Run("trial", {}, tmp_path) as run:
        with run.phase("work"):
            pass
        with run.phase("report", timed=False):
            pass
    assert list(run.metrics) == ["seconds/work"]


def test_a_page_plans_its_phases_and_finish_adds_its_own(tmp_path, capsys):
    main(out=str(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 of 3, first part ..."
    assert "a line" in lines
    facts = loading.load("test_phases", tmp_path).facts
    assert facts["phases"] == ["first_part", "second_part", "report"]


def test_a_quiet_run_prints_its_path_alone(tmp_path, capsys):
    main(out=str(tmp_path), quiet=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert loading.load(line).facts["arguments"]["quiet"] is False  # so that a run made again from it is not
