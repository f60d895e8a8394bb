"""Every run says what it predicts for each test image, and which file that is."""

import csv
import io

import numpy as np
from PIL import Image

from tfxfer import data, features, runs
from tfxfer.runs import image_files, loading

NAMES = ("猫, cat", 'dog "big"')


def written(folder, test, classes, splits=None):
    with runs.Run("trial", {}, folder) as run:
        run.facts |= {"data": {"name": "made", "origin": "here", "sizes": {"test": len(test)}}, "classes": classes}
        if splits is not None:
            run.describe(None, splits)
        run.save({"test": test})
    return run.final


def test_predictions_are_one_line_an_image(tmp_path):
    logits = np.log([[0.75, 0.25], [0.9, 0.1], [0.5, 0.5 - 1e-9]])
    test = features.Bank({"logits": logits}, np.array([0, 1, 0]), np.array([7, 3, 5]))
    content = (written(tmp_path, test, list(NAMES)) / "predictions.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(content)))
    assert [row["id"] for row in rows] == ["7", "3", "5"]
    assert [row["label"] for row in rows] == [NAMES[0], NAMES[1], NAMES[0]]
    assert [row["predicted"] for row in rows] == [NAMES[0]] * 3
    assert [row["correct"] for row in rows] == ["1", "0", "1"]
    assert [row["probability"] for row in rows] == ["0.750000", "0.900000", "0.500000"]
    assert [row["label_probability"] for row in rows] == ["0.750000", "0.100000", "0.500000"]
    assert {row["file"] for row in rows} == {""}
    assert not (tmp_path / "files.csv").exists()


def test_images_are_known_by_their_files(tmp_path):
    for number in range(40):
        path = tmp_path / "set" / NAMES[number % 2] / f"picture {number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)).save(path)
    splits = data.load(str(tmp_path / "set"), image_size=8)
    ids = splits.ids["test"]
    test = features.Bank({"logits": np.zeros((len(ids), 2))}, splits.rows["test"].labels, ids)
    final = written(tmp_path / "out", test, list(splits.classes), splits)
    with (final / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expected = [str(path)[len(str(tmp_path / "set")) + 1 :] for path in splits.rows["test"].paths]
    assert [row["file"] for row in rows] == expected
    assert all(row["file"].startswith(f"{row['label']}/") for row in rows)
    assert loading.load(final).files == dict(zip(ids.tolist(), expected, strict=True))
    copies = ids + 10**9 * 7  # corrupted ones have the file of what they were made from
    assert list(image_files.by_id(splits, copies).values()) == expected
    assert sorted(image_files.by_id(splits, copies)) == sorted(copies.tolist())


def test_a_run_without_outputs_has_no_predictions(tmp_path):
    test = features.Bank({"embedding": np.zeros((2, 3))}, np.zeros(2, int), np.arange(2))
    assert not (written(tmp_path, test, ["a", "b"]) / "predictions.csv").exists()
