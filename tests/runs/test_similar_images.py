"""The images most like an image, of all training images of a run."""

import keras
import numpy as np
import pytest
from PIL import Image

from tfxfer import data, features, model, runs
from tfxfer.cli import main as cli
from tfxfer.core.errors import InputError
from tfxfer.runs.similar_images import find_similar


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An untrained network, and an image file of a training image."""
    folder = tmp_path_factory.mktemp("similar")
    splits = data.load("digits", limit=60)
    keras.utils.set_random_seed(0)
    net = model.build("cnn", splits, image_size=28, weights="none")
    with runs.Run("trial", {"dataset": "digits", "limit": 60}, folder) as run:
        run.describe(net, splits)
        run.save_model(net, {"loss": [1.0]})
        run.save({})
    Image.fromarray(np.asarray(splits.rows["train"].images[11])[..., 0]).save(folder / "digit.png")
    return run.final, folder / "digit.png", splits, features.extract(net, splits.train)


def test_distances_are_numpys_and_the_image_itself_comes_first(run):
    folder, file, splits, bank = run
    found = find_similar(folder, file, 5)
    distances = np.linalg.norm(bank["embedding"].astype(float) - bank["embedding"][11], axis=1)
    rows = np.argsort(distances)[:5]
    assert [one["id"] for one in found] == bank.ids[rows].tolist()
    np.testing.assert_allclose([one["distance"] for one in found], distances[rows], atol=1e-4)
    assert [one["class"] for one in found] == [splits.classes[label] for label in bank.labels[rows]]
    assert found[0]["image"] == f"train {splits.ids['train'][11]}"
    assert len(find_similar(folder, file, 500)) == 60


def test_the_command_prints_a_line_for_each(run, monkeypatch, capsys):
    folder, file, splits, _ = run
    monkeypatch.setattr("sys.argv", ["tfxfer", "neighbours", str(folder), str(file), "--count", "3"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert lines[0].split()[1:] == [
        splits.classes[splits.rows["train"].labels[11]],
        "train",
        str(splits.ids["train"][11]),
    ]


def test_what_is_no_image(run, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    for path, complaint in (
        (tmp_path, "is a folder"),
        (tmp_path / "none.png", "none.png"),
        (tmp_path / "text.png", "text.png"),
    ):
        with pytest.raises(InputError, match=complaint):
            find_similar(run[0], path)
