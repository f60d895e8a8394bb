"""Networks that tfxfer does not know go through everything that it does; the large ones in files of their own."""

import json
import subprocess
from pathlib import Path

import pytest
import warm
from foreign_networks import NETWORKS, check_every_step

LARGE = {"EfficientNetV2B0": "efficientnet", "ConvNeXtTiny": "convnext", "DenseNet121": "densenet"}


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in LARGE])
def test_every_step(name, tmp_path, monkeypatch):
    check_every_step(name, tmp_path, monkeypatch)


@pytest.mark.parametrize("name", LARGE)
def test_a_large_network_has_a_file_of_its_own(name):
    text = Path(__file__).with_name(f"test_foreign_{LARGE[name]}.py").read_text()
    assert f'check_every_step("{name}", tmp_path, monkeypatch)' in text


MIRRORED = """
import json, sys
from pathlib import Path
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tfxfer import model, train
from foreign_networks import NARROW, NETWORKS, SIZE, convnext, guide, make_photos
convnext.MODEL_CONFIGS["tiny"]["projection_dims"] = NARROW
from conftest import free
photos, found = make_photos(), {}
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
for number, (name, make) in enumerate(NETWORKS.items()):
    keras.utils.set_random_seed(0)
    own = guide(0.0) if name == "the guide's" else make(Path(sys.argv[1], str(number)))
    net = model.build(own, photos, SIZE, "none")
    random = any(layer.name.startswith("random") for layer in net.layers)
    model.unfreeze_last(net, 3)
    start, weights = model.values(net), []
    for how in (None, strategy):
        model.assign_values(net, start)
        train.fit(net, photos, 1, 1e-4, batch_size=16, optimizer="sgd", strategy=how, views=int(random))
        weights.append(np.concatenate([v.numpy().ravel() for v in net.trainable_variables]))
    found[name] = float(abs(weights[0] - weights[1]).max())
    del net, own, start, weights
    free()
print(json.dumps(found))
"""


def test_two_devices_do_as_one(tmp_path):
    """Weights after training on what both have computed of the frozen prefix, by two logical devices."""
    words = [*warm.python(), "-c", MIRRORED, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=Path(warm.__file__).parent)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert list(found) == list(NETWORKS)
    assert max(found.values()) < 1e-4, found
