"""Means and standard deviations over seeds, against closed forms; what is left as it is."""

import math

import numpy as np
import pytest
from finished_run import finish

import tfxfer
from tfxfer import runs
from tfxfer.runs import metric_names, seed_statistics

BY_SEED = {
    "4": {"cost": 0.1, "cost_low": 0.0, "test/accuracy": 0.9, "tuned_less_scratch/p": 0.5, "sanity/head": 0.25},
    "5": {"cost": 0.3, "cost_low": 0.2, "test/accuracy": 0.8, "tuned_less_scratch/p": 0.1},
    "6": {"cost": 0.2, "cost_low": 0.1, "test/accuracy": 0.7, "tuned_less_scratch/p": 0.3},
}


def test_a_key_is_the_mean_with_its_deviation_beside_it():
    found = seed_statistics.summary(BY_SEED)
    assert found["cost"] == pytest.approx(0.2)
    assert found["cost_std"] == pytest.approx(0.1)  # of a sample: sqrt((0.01 + 0.01) / 2)


def test_the_saved_networks_figures_stay_its_own():
    found = seed_statistics.summary(BY_SEED)
    assert found["test/accuracy"] == 0.9
    assert found["test/accuracy_mean"] == pytest.approx(0.8)
    assert found["test/accuracy_std"] == pytest.approx(0.1)
    ends = {seed: {"test/accuracy_low": value} for seed, value in (("0", 0.5), ("1", 0.25))}
    assert seed_statistics.summary(ends) == {"test/accuracy_low": 0.5}


def test_what_means_nothing_over_seeds_is_left_out_and_what_one_seed_has_stays():
    found = seed_statistics.summary(BY_SEED)
    assert not {"cost_low", "cost_low_std", "tuned_less_scratch/p"} & found.keys()
    assert found["sanity/head"] == 0.25
    assert "sanity/head_std" not in found


def test_keys_over_seeds_are_declared():
    assert metric_names.undeclared(seed_statistics.summary(BY_SEED)) == []
    assert metric_names.meaning("test/accuracy_std").text.startswith("standard deviation over seeds: accuracy of the")
    assert metric_names.meaning("before/silhouette_mean").unit == "difference"
    assert metric_names.meaning("test/acuracy_std") is None


def test_differences_are_paired(tmp_path):
    with runs.Run("trial", {}, tmp_path) as run:
        run.facts["by_seed"] = {"0": {"a": 0.25, "b": 0.5}, "1": {"a": 0.75, "b": 1.0}, "2": {"a": math.nan, "b": 0.0}}
        run.save({})
    loaded = tfxfer.load(run.final)
    assert math.isnan(seed_statistics.by_seed(loaded)["2"]["a"])
    del loaded.facts["by_seed"]["2"]
    each = seed_statistics.of_each(loaded, lambda metrics: metrics["b"] - metrics["a"])
    assert each == [0.25, 0.25]
    assert seed_statistics.text(each) == "0.2500 ± 0.0000"
    assert seed_statistics.of_each(loaded, lambda metrics: metrics["c"]) == []
    assert seed_statistics.text([0.5, 1.0], "{:+.2f}") == f"+0.75 ± {np.sqrt(0.125):.4f}"


def test_the_model_card_says_which_seed_it_is(pictures, tmp_path, small_cnn):
    run = finish(tmp_path, pictures, small_cnn)
    assert "seed" not in (run.final / "model_card.md").read_text()
    from tfxfer.runs import model_card

    facts = run.facts | {"by_seed": {"4": {"test/accuracy": 0.5}, "5": {"test/accuracy": 1.0}}}
    model_card.write(run.final, facts, None)
    text = (run.final / "model_card.md").read_text()
    assert "This is the network of seed 4. With seeds 5 as well" in text
    assert "accuracy is 0.7500 ± 0.3536 (mean and standard deviation over 2 seeds)." in text
