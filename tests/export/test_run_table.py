"""The table of a run is read back equal to what the network gives, and its columns are what they are called."""

import json

import keras
import numpy as np
import pytest
from conftest import make_pictures
from PIL import Image
from pyarrow import parquet
from scipy.special import log_softmax

from tfxfer import data, export, features, model, runs
from tfxfer.analysis import outliers
from tfxfer.cli import main as cli
from tfxfer.core.errors import InputError
from tfxfer.features import Bank

HISTORY = {"loss": [1.0], "val_loss": [1.0]}


def finished(out, dataset, size, **options):
    """A run of an untrained network on a data set that can be loaded again, with a projection of the test images."""
    splits = data.load(dataset, image_size=size, **options)
    keras.utils.set_random_seed(0)
    net = model.build("cnn", splits, image_size=28, weights="none")
    with runs.Run("trial", {"dataset": dataset, "image_size": size, **options}, out) as run:
        run.describe(net, splits)
        run.save_model(net, HISTORY)
        points = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
        ids = splits.ids["test"][:6]
        run.save({"final": Bank({"pca": points}, splits.rows["test"].labels[:6], ids)})
    return run.final, splits, net, dict(zip(ids.tolist(), points))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("digits"), "digits", 28, limit=60)


def test_a_table_is_read_back_equal(digits):
    folder, splits, net, points = digits
    path = export.write_table(folder)
    assert path == folder / "table.parquet"
    table = parquet.read_table(path)
    assert table.column_names == [
        *("id", "path", "split", "label", "prediction", "probabilities", "loss", "embedding", "pca_x", "pca_y"),
        "outlier_score",
    ]
    about = json.loads(table.schema.metadata[b"tfxfer"])
    assert about == {"run": str(folder), "classes": list(splits.classes)}
    banks = {s: features.extract(net, getattr(splits, s), ("embedding", "logits")) for s in data.splits.SPLITS}
    rows = table.to_pylist()
    assert [row["id"] for row in rows] == [number for bank in banks.values() for number in bank.ids]
    assert [row["split"] for row in rows] == [split for split, bank in banks.items() for _ in bank.ids]
    logs = log_softmax(np.concatenate([bank["logits"] for bank in banks.values()]).astype(float), 1)
    labels = np.concatenate([bank.labels for bank in banks.values()])
    assert [row["label"] for row in rows] == [splits.classes[label] for label in labels]
    assert [row["prediction"] for row in rows] == [splits.classes[label] for label in logs.argmax(1)]
    np.testing.assert_allclose([row["probabilities"] for row in rows], np.exp(logs), rtol=1e-5)
    np.testing.assert_allclose([row["loss"] for row in rows], -logs[np.arange(len(labels)), labels], rtol=1e-5)
    x = np.concatenate([bank["embedding"] for bank in banks.values()])
    np.testing.assert_array_equal(np.array([row["embedding"] for row in rows], np.float32), x)
    assert {row["path"] for row in rows} == {None}
    placed = {row["id"]: (row["pca_x"], row["pca_y"]) for row in rows if row["pca_x"] is not None}
    assert placed == {number: tuple(point.tolist()) for number, point in points.items()}
    scores = outliers.outlier_scores(banks["train"]["embedding"], banks["train"].labels, 10)
    np.testing.assert_array_equal([row["outlier_score"] for row in rows[:60]], scores)
    assert all(row["outlier_score"] > 0 for row in rows)


def test_a_table_of_one_split_in_another_file(digits, tmp_path, monkeypatch, capsys):
    folder, splits, _, _ = digits
    monkeypatch.setattr(
        "sys.argv", ["tfxfer", "table", str(folder), "--splits", "test", "--out", f"{tmp_path}/t.parquet"]
    )
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{tmp_path}/t.parquet"
    table = parquet.read_table(tmp_path / "t.parquet")
    assert table.column("id").to_pylist() == splits.ids["test"].tolist()
    with pytest.raises(InputError, match=r"t\.parquet exists: name another file"):
        export.write_table(folder, ["test"], tmp_path / "t.parquet")
    with pytest.raises(InputError, match="split 'tests': expected some of train, validation, test"):
        export.write_table(folder, ["tests"])


def test_files_have_paths_and_changed_data_is_refused(tmp_path):
    images, labels = make_pictures(60, classes=2)
    for number, (image, label) in enumerate(zip(images, labels)):
        (tmp_path / "p" / "ab"[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "p" / "ab"[label] / f"{number:02}.png")
    folder, splits, _, _ = finished(tmp_path / "runs", f"folder:{tmp_path / 'p'}", 28)
    table = parquet.read_table(export.write_table(folder, ["train"]))
    assert table.column("path").to_pylist() == splits.rows["train"].paths.tolist()
    Image.fromarray(images[0] // 2).save(tmp_path / "p" / "a" / "new.png")
    with pytest.raises(InputError, match=r"used other images than folder:.* gives now: its files have changed"):
        export.write_table(folder)


def test_a_run_without_network_or_data(tmp_path):
    with runs.Run("trial", {}, tmp_path) as run:
        run.facts |= {"data": {"name": "none", "sha256": ""}, "classes": ["a", "b"]}
        run.save({})
    with pytest.raises(InputError, match=r"has no model\.keras: give a run that trained a network"):
        export.write_table(run.final)
