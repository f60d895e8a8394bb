"""The recipe `study`: a run without training, whose report shows planted copies, outliers and wrong labels."""

import importlib
from pathlib import Path

import browser
import numpy as np
import pytest
import recipe_checks

import tfxfer
from tfxfer.core.errors import InputError
from tfxfer.recipes import study

SETTINGS = {"backbone": "cnn", "weights": "none", "image_size": 48}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """An .npz file of 120 photographs, a test image of which is a mirrored training image."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
        photo_like = importlib.import_module("photo_like")
    images, labels = photo_like.photographs(120, 48, 2)
    images[100] = photo_like.near_copy(images[7], "mirrored", np.random.default_rng(0))
    images[5] = photo_like.outliers(4, 48)[1]
    path = tmp_path_factory.mktemp("study") / "photographs.npz"
    np.savez(path, x_train=images[:90], y_train=labels[:90], x_test=images[90:], y_test=labels[90:])
    return f"npz:{path}"


def test_what_a_study_leaves(photographs, tmp_path):
    with pytest.warns(UserWarning, match="near-copy in training or validation .*: 1, validation"):
        metrics = study.main(dataset=photographs, out=str(tmp_path), **SETTINGS)
    run = tfxfer.load(tfxfer.latest("study", tmp_path))
    recipe_checks.check(run)
    assert metrics["data/near_copies_test"] == 1
    (pair,) = run.facts["dataset"]["near_copies"]
    assert (pair["id"], pair["other"]["id"], pair["mirrored"]) == (100, 7, True)
    assert run.banks["outliers"].ids[0] == 5 or 5 not in run.banks["outliers"].ids
    assert not (run.dir / "model.keras").exists()
    page = (run.dir / "report.html").read_text()
    assert "1 test images have one in training or validation" in page
    assert "The training images least like any class" in page
    browser.check(run.dir / "report.html")


def test_strict_refuses_a_near_copy(photographs, tmp_path):
    with pytest.raises(InputError, match=r"such as test 100 and (train|validation) 7: remove the copies"):
        study.main(dataset=photographs, out=str(tmp_path), strict=True, **SETTINGS)
    assert list(tmp_path.iterdir()) == []
