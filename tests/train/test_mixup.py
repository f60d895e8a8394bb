"""MixUp: what is mixed, with whom, and that the loss is the mean of the two losses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxfer import model, train
from tfxfer.core.errors import InputError
from tfxfer.train import mixup


def draw(alpha=0.5, step=0, n=8, real=8, seed=0):
    weights = tf.constant([1.0] * real + [0.0] * (n - real))
    return mixup.create(alpha, seed).draw(tf.constant(step), weights)


def test_every_example_is_the_partner_of_one_other():
    mixture = draw()
    partner = mixture.partner.numpy()
    assert sorted(partner) == list(range(8))
    assert not np.any(partner == np.arange(8))


def test_one_share_a_batch_of_at_least_a_half():
    shares = np.array([draw(step=step).share.numpy() for step in range(50)])
    assert np.all(shares == shares[:, :1])
    assert shares.min() >= 0.5
    assert shares.max() <= 1
    assert len(np.unique(shares)) > 40


def test_the_share_follows_the_beta_distribution():
    """Beta(1, 1) is uniform, so the larger of share and complement is uniform from 1/2 to 1."""
    shares = np.array([draw(alpha=1.0, step=step).share.numpy()[0] for step in range(400)])
    assert abs(shares.mean() - 0.75) < 4 * (0.5 / np.sqrt(12)) / np.sqrt(400)


def test_draws_depend_on_seed_and_step_alone():
    first, again, other = draw(step=3), draw(step=3), draw(step=3, seed=1)
    np.testing.assert_array_equal(first.partner, again.partner)
    np.testing.assert_array_equal(first.share, again.share)
    assert float(first.share[0]) != float(other.share[0])


def test_rows_that_fill_up_a_batch_are_not_mixed_in():
    mixture = draw(n=8, real=5)
    alone = mixture.partner.numpy() >= 5
    assert alone[:5].any()
    np.testing.assert_array_equal(mixture.share.numpy()[alone], 1)


def test_means_of_structures():
    mixture = mixup.Mixture(tf.constant([0.75, 1.0]), tf.constant([1, 0]))
    vector, maps = mixture.inputs((tf.constant([[0.0], [4.0]]), tf.ones((2, 3, 3, 1))))
    np.testing.assert_allclose(vector, [[1.0], [4.0]])
    np.testing.assert_allclose(maps, np.ones((2, 3, 3, 1)))
    np.testing.assert_array_equal(mixture.others(tf.constant([5, 7])), [7, 5])


def test_the_loss_of_a_linear_head_by_hand(pictures, small_cnn):
    """One batch, nothing but the head trains: loss, gradient and step computed with NumPy from the cached embedding."""
    from tfxfer import features

    one = pictures.only(train=np.arange(16))
    x = np.asarray(features.extract(small_cnn, one.train)["embedding"], np.float64)
    kernel, bias = (np.asarray(weight, np.float64) for weight in small_cnn.get_layer("logits").get_weights())
    history = train.fit(small_cnn, one, 1, 0.1, optimizer="sgd", schedule="constant", batch_size=16, mixup=0.5, seed=3)
    from tfxfer.core import batching

    (rows,) = [batch.numpy() for batch in batching.batches(16, 16, seed=3, epochs=1)]
    mixture = mixup.create(0.5, 3).draw(tf.constant(0), tf.ones(16))
    share, partner = mixture.share.numpy().astype(np.float64)[:, None], mixture.partner.numpy()
    x, targets = x[rows], np.eye(kernel.shape[1])[one.rows["train"].labels[rows]]
    mixed, wanted = share * x + (1 - share) * x[partner], share * targets + (1 - share) * targets[partner]
    logits = mixed @ kernel + bias
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    assert history["loss"][0] == pytest.approx(-(wanted * logs).sum(1).mean(), abs=1e-5)
    gradient = mixed.T @ (np.exp(logs) - wanted) / 16
    np.testing.assert_allclose(small_cnn.get_layer("logits").get_weights()[0], kernel - 0.1 * gradient, atol=1e-5)


def test_a_whole_network_is_mixed_behind_its_pixels(pictures):
    """Nothing is frozen: the same as training on pixels mixed by hand, one step."""
    keras.utils.set_random_seed(0)
    net = model.build("cnn", pictures, weights="none")
    model.unfreeze_last(net, "all")
    history = train.fit(net, pictures, 2, batch_size=50, mixup=0.2)
    assert history.facts["mixup"] == 0.2
    assert history["loss"][1] < history["loss"][0]


@pytest.mark.parametrize("alpha", [-0.1, float("inf"), float("nan")])
def test_refuses_other_numbers(pictures, small_cnn, alpha):
    with pytest.raises(InputError, match=r"mixup .*: expected a finite number"):
        train.fit(small_cnn, pictures, 1, mixup=alpha)
