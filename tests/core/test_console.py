"""Messages of libraries stay out of terminals and notebooks; what they warn of does not."""

import logging
import os
import subprocess
import sys

import pytest

from tfxfer.core import console
from tfxfer.export import converters, savedmodel


@pytest.mark.parametrize(
    "code",
    [
        "from tfxfer import data, model; model.build('cnn', data.load('digits', limit=20), weights='none')",
        "from tfxfer import analysis; analysis.neural_collapse([[0.0], [1.0], [3.0], [4.0]], [0, 0, 1, 1])",
    ],
)
def test_importing_from_python_is_silent(code):
    """TensorFlow's first words, which no log level of its own keeps back."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_loggers_keep_warnings_and_get_their_levels_back(caplog):
    tensorflow = logging.getLogger("tensorflow")
    before = tensorflow.level
    tensorflow.setLevel(logging.INFO)
    try:
        with caplog.at_level(logging.INFO), console.loggers():
            tensorflow.info("Assets written to: here")
            tensorflow.warning("a warning")
        assert tensorflow.level == logging.INFO
    finally:
        tensorflow.setLevel(before)
    assert "Assets" not in caplog.text
    assert "a warning" in caplog.text


def test_writing_files_says_nothing_of_where_assets_are(small_cnn, tmp_path, caplog):
    """As in a notebook, where TensorFlow's logger is at INFO."""
    with caplog.at_level(logging.INFO, "tensorflow"):
        converters.litert(small_cnn, tmp_path / "model.tflite")
        savedmodel.write(small_cnn, tmp_path / "saved_model")
    assert [record.getMessage() for record in caplog.records if record.name == "tensorflow"] == []


def test_tensorflow_is_imported_once():
    """Afterwards standard error is left alone."""
    place = os.fstat(2)
    console.import_tensorflow()
    assert os.fstat(2) == place
    assert "tensorflow" in sys.modules
