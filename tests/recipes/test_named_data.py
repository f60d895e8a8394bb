"""A recipe on a data set of TFDS's that no one has written code for."""

import os
import subprocess

import numpy as np
import tfds_sets
import warm

import tfxfer


def test_quickstart_on_a_data_set_of_tfds(tmp_path):
    """300 images of differing sizes, from the command line; what is stored says which ones they were."""
    tfds_sets.store(tmp_path / "tfds", splits={"train": range(300)})
    words = (
        "quickstart --dataset tfds:pets --data-dir tfds --backbone cnn --weights none --unfreeze all --image-size 28"
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
    np.testing.assert_array_equal(run.banks["test"].labels, run.banks["test"].ids % 3)
