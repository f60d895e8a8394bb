from itertools import chain

import numpy as np
import pytest
import tensorflow as tf

from tfxfer.core import batching


def rows(*args, **kwargs):
    return [batch.tolist() for batch in batching.batches(*args, **kwargs).as_numpy_iterator()]


def test_every_epoch_is_a_permutation_fixed_by_seed_and_epoch():
    epochs = [list(chain(*rows(10, 4, seed=3, epochs=e + 1, start=(e, 0)))) for e in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    tf.random.set_seed(99)
    assert list(chain(*rows(10, 4, seed=3, epochs=3))) == list(chain(*epochs))
    assert rows(10, 4, seed=4) != rows(10, 4, seed=3)


def test_without_seed_the_table_in_order():
    assert rows(5, 2, epochs=2) == [[0, 1], [2, 3], [4], [0, 1], [2, 3], [4]]


@pytest.mark.parametrize("start", [(0, 2), (1, 0), (1, 1), (1, 3)])
def test_starts_anywhere(start):
    whole = rows(10, 4, seed=0, epochs=2)
    assert rows(10, 4, seed=0, epochs=2, start=start) == whole[start[0] * 3 + start[1] :]


def test_epochs_take_the_views_in_turn():
    epochs = [rows(4, 4, epochs=e + 1, start=(e, 0), views=2)[0] for e in range(3)]
    assert epochs == [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 2, 3]]


@pytest.mark.parametrize("total", [1, 2, 3, 4])
@pytest.mark.parametrize("full", [None, 3])
def test_shares_cover_each_batch_once_with_weights_that_sum_to_one(total, full):
    """7 examples in batches of 3: the last batch leaves replicas without work."""
    dataset = batching.batches(7, 3).map(lambda index: {"row": index, "twice": 2 * index})
    parts = list(batching.shares(dataset, range(total), total, full).as_numpy_iterator())
    assert len(parts) == 3 * total
    for number, expected in enumerate([[0, 1, 2], [3, 4, 5], [6]]):
        batch = parts[number * total : (number + 1) * total]
        assert sum(weights.sum() for _, weights in batch) == pytest.approx(1)
        assert [row for part, weights in batch for row in part["row"][weights > 0]] == expected
        assert all(np.array_equal(part["twice"], 2 * part["row"]) for part, _ in batch)
        sizes = [len(weights) for _, weights in batch]
        assert sizes == [full] * total if full else max(sizes) - min(sizes) <= 1


def test_a_worker_takes_its_own_replicas_parts():
    dataset = batching.batches(8, 4)
    everything = [part.tolist() for part, _ in batching.shares(dataset, range(4), 4).as_numpy_iterator()]
    second = [part.tolist() for part, _ in batching.shares(dataset, range(2, 4), 4).as_numpy_iterator()]
    assert second == [everything[2], everything[3], everything[6], everything[7]]
