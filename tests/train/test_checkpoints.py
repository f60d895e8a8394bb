import functools

import keras
import numpy as np
import pytest

from tfxfer import model, train
from tfxfer.core.errors import InputError
from tfxfer.train import callback_states, checkpoints, loop
from tfxfer.train.checkpoints import Checkpoints, unpack


def test_the_newest_whole_file_counts_and_two_are_kept(tmp_path):
    files = Checkpoints(tmp_path / "new")
    assert files.load() == b""
    for step in range(4):
        files.save(
            {"step": step, "loss": 0.1 + 0.2}, [np.full((2, 3), step, np.float32), np.arange(4, dtype=np.uint32)]
        )
    assert len(files.files()) == 2
    state, arrays = unpack(files.load())
    assert state == {"step": 3, "loss": 0.1 + 0.2}
    np.testing.assert_array_equal(arrays[0], np.full((2, 3), 3, np.float32))
    assert arrays[1].dtype == np.uint32
    assert {path.suffix for path in files.folder.iterdir()} == {".npz"}


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[:50] + b"x" + data[51:], lambda data: b""]
)
def test_a_damaged_file_is_passed_over(tmp_path, damage):
    files = Checkpoints(tmp_path)
    for step in range(2):
        files.save({"step": step}, [])
    newest = files.files()[-1]
    newest.write_bytes(damage(newest.read_bytes()))
    with pytest.warns(UserWarning, match="is damaged: taking the one before it"):
        assert unpack(files.load())[0] == {"step": 0}


def test_callbacks_states_survive():
    net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    stopping = keras.callbacks.EarlyStopping(patience=3)
    plateau = keras.callbacks.ReduceLROnPlateau()
    stopping.set_model(net)
    stopping.best, stopping.wait, stopping.best_weights = np.float32(0.5), 2, net.get_weights()
    plateau.best, plateau.cooldown_counter = np.inf, 4
    states, arrays = callback_states.collect([stopping, plateau])
    others = [keras.callbacks.EarlyStopping(patience=3), keras.callbacks.ReduceLROnPlateau()]
    callback_states.restore(others, states, arrays)
    assert (others[0].best, others[0].wait, others[1].best, others[1].cooldown_counter) == (0.5, 2, np.inf, 4)
    np.testing.assert_array_equal(others[0].best_weights[0], net.get_weights()[0])
    with pytest.raises(InputError, match="made with other callbacks \\(EarlyStopping, ReduceLROnPlateau\\)"):
        callback_states.restore(others[::-1], states, arrays)


class Kill(keras.callbacks.Callback):
    """Ends training after so many calls to the device, anywhere in an epoch. What it counts with cannot be kept."""

    def __init__(self, calls):
        super().__init__()
        self.left = iter(range(calls - 1))

    def on_train_batch_end(self, batch, logs=None):
        if next(self.left, None) is None:
            raise KeyboardInterrupt


@pytest.mark.parametrize("cache", ["memory", "off"])
@pytest.mark.parametrize("calls", [3, 8, 14])
def test_a_training_cut_off_goes_on_as_if_nothing_had_been(pictures, tmp_path, monkeypatch, calls, cache):
    """Dropout, batch norm, two learning rates, a callback with a memory; the history too. To rounding: here operations
    are not deterministic, see tests/test_resume.py."""
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    monkeypatch.setattr(loop, "MOST_STEPS", 2)  # at least four calls an epoch
    keras.utils.set_random_seed(0)
    net = model.build("dropout_cnn", pictures, weights="none")
    model.unfreeze_last(net, "dense", train_batch_norm=True)
    start = model.values(net)
    fit = functools.partial(
        train.fit, net, pictures, 4, backbone_learning_rate=3e-4, early_stopping=3, cache=cache, batch_size=40
    )
    expected = fit(callbacks=[Kill(1000)])
    weights = model.values(net)
    model.assign_values(net, start)
    with pytest.raises(KeyboardInterrupt):
        fit(callbacks=[Kill(calls)], checkpoint_dir=tmp_path)
    assert Checkpoints(tmp_path).files()
    model.assign_values(net, start)
    resumed = fit(callbacks=[Kill(1000)], checkpoint_dir=tmp_path)
    model.assign_values(net, start)
    finished = fit(callbacks=[Kill(1000)], checkpoint_dir=tmp_path)  # nothing left to do
    for history in (resumed, finished):
        assert history.keys() == expected.keys()
        np.testing.assert_allclose(history["val_loss"], expected["val_loss"], rtol=1e-4)
    for a, b in zip(model.values(net), weights):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_checkpoints_of_another_training_are_refused(pictures, small_cnn, tmp_path):
    train.fit(small_cnn, pictures, 1, checkpoint_dir=tmp_path)
    with pytest.raises(InputError, match="contains checkpoints of another training"):
        train.fit(small_cnn, pictures, 1, learning_rate=2e-3, checkpoint_dir=tmp_path)
    small_cnn.get_layer("conv1").set_weights([w + 1 for w in small_cnn.get_layer("conv1").get_weights()])
    with pytest.raises(InputError, match="contains checkpoints of another training"):
        train.fit(small_cnn, pictures, 1, checkpoint_dir=tmp_path)
