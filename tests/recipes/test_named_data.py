"""A recipe on a data set of TFDS's that no one has written code for."""

import os
import subprocess
from pathlib import Path

import keras
import numpy as np
import tfds_sets
import warm

import tfxfer
from tfxfer.export import prediction


def test_quickstart_on_a_data_set_of_tfds(tmp_path):
    """300 images of differing sizes, cropped, from the command line; what is stored says which ones they were, and
    files are predicted as they were tested, without another word."""
    tfds_sets.store(tmp_path / "tfds", splits={"train": range(300)})
    words = (
        "quickstart --dataset tfds:pets --data-dir tfds --backbone cnn --weights none --unfreeze all --image-size 28 "
        "--aspect crop"
    )
    done = subprocess.run(
        [*warm.python(), "-m", "tfxfer", *words.split(), "--epochs", "4"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"TFXFER_CACHE": str(tmp_path / "cache")},
    )
    assert (done.returncode, done.stderr) == (0, "")
    run = tfxfer.load(tmp_path / done.stdout.splitlines()[-1])
    assert run.facts["data"]["name"] == run.facts["arguments"]["dataset"] == "tfds:pets"
    assert run.facts["data"]["origin"] == f"TFDS pets/1.0.0 in {tmp_path}/tfds"
    assert run.facts["data"]["sizes"] == {"train": 202, "validation": 23, "test": 75}
    assert run.facts["classes"] == list(tfds_sets.CLASSES)
    assert run.metrics["test/accuracy"] > 0.9
    tested = run.banks["test"]
    np.testing.assert_array_equal(tested.labels, tested.ids % 3)
    assert run.facts["data"]["aspect"] == run.facts["arguments"]["aspect"] == run.model.aspect == "crop"
    assert "so that the shorter one fits, and the centre is kept." in (run.dir / "model_card.md").read_text()
    assert "Pictures that are not square are cropped to their centre." in (run.dir / "report.html").read_text()
    expected = keras.ops.softmax(tested["logits"][:20])
    files = [str(tmp_path / f"{number}.png") for number in tested.ids[:20]]
    for file, number in zip(files, tested.ids[:20], strict=True):
        Path(file).write_bytes(tfds_sets.example(number)["image"].read())
    found = [list(row["probabilities"].values()) for row in prediction.predict(run.dir, files)]
    np.testing.assert_allclose(found, expected, atol=1e-5)
