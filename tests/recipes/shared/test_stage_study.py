"""What a run keeps of its stages."""

import keras
import numpy as np

from tfxfer import model
from tfxfer.recipes.shared import stage_study


def test_features_of_stages_are_those_of_keras(pictures, trained_cnn):
    found = stage_study.stage_features(trained_cnn, pictures, "test")
    images = pictures.rows["test"].images
    images = images if images.ndim == 4 else images[..., None]
    for name, layers in model.stages(trained_cnn).items():
        x = np.asarray(keras.Model(trained_cnn.input, layers[-1].output)(images))
        expected = x.mean((1, 2)) if x.ndim == 4 else x
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-4)
    assert list(found) == list(model.stages(trained_cnn))


def test_both_times_are_kept_in_one_bank(pictures, trained_cnn, monkeypatch):
    monkeypatch.setattr(stage_study, "IMAGES", 30)
    before = stage_study.stages(trained_cnn, pictures, "before").banks["stages"]
    bank = stage_study.stages(trained_cnn, pictures, "after", before).banks["stages"]
    stages = list(model.stages(trained_cnn))
    assert list(bank.values) == [f"{when}/{name}" for when in ("before", "after") for name in stages]
    np.testing.assert_array_equal(bank.ids, pictures.ids["test"][:30])
    assert {len(value) for value in bank.values.values()} == {30}
