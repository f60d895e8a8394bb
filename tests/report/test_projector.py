"""TensorBoard's own projector reads what a run leaves."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend import application
from tensorboard.backend.event_processing import plugin_event_multiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.projector import projector_plugin
from werkzeug import test as werkzeug_test
from werkzeug import wrappers

from tfxfer import features, report, runs
from tfxfer.recipes.shared import run_artifacts


@pytest.fixture(scope="module")
def logs(pictures, lite0, tmp_path_factory):
    splits = pictures.only(test=slice(30))
    bank = features.extract(lite0, splits.test, ("embedding", "logits"))
    with runs.Run("trial", {}, tmp_path_factory.mktemp("projector")) as run:
        run.describe(lite0, splits)
        shown = run_artifacts.pictures(splits, bank["logits"])
        run.save({"before": bank.only("embedding"), "test": bank.only("logits"), "pictures": shown})
    report.write(run.final)
    return run.final / "logs", bank, shown


def test_tensorboard_serves_vectors_labels_and_sprites(logs):
    folder, bank, shown = logs
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(folder))
    context = base_plugin.TBContext(logdir=str(folder), multiplexer=multiplexer)
    app = application.TensorBoardWSGI([projector_plugin.ProjectorPlugin(context)], "", None, 0)
    client = werkzeug_test.Client(app, wrappers.Response)

    def ask(what):
        answer = client.get(f"/data/plugin/projector/{what}")
        assert answer.status_code == 200, what
        return answer

    assert json.loads(ask("runs").data) == ["."]
    (entry,) = json.loads(ask("info?run=.").data)["embeddings"]
    assert (entry["tensorName"], entry["tensorShape"]) == ("before", [30, 1280])
    vectors = np.frombuffer(ask("tensor?run=.&name=before&num_rows=100").data, "<f4")
    np.testing.assert_array_equal(vectors.reshape(30, 1280), bank["embedding"])
    head, *lines = ask("metadata?run=.&name=before&num_rows=100").data.decode().splitlines()
    assert head == "label\tid"
    assert lines == [f"{label}\t{number}" for label, number in zip(bank.labels, bank.ids)]
    sprite = np.asarray(Image.open(io.BytesIO(ask("sprite_image?run=.&name=before").data)).convert("L"))
    assert entry["sprite"]["singleImageDim"] == [28, 28]
    assert sprite.shape == (6 * 28, 6 * 28)
    np.testing.assert_array_equal(sprite[28:56, 56:84], shown["image"][8, ..., 0])
