"""Batch order: which example comes when, and on which replica.

It depends on seed, epoch and step alone, so that a run can continue anywhere and repeat on any number of devices.
"""

import functools

import tensorflow as tf

Start = tuple[int, int]  # epoch and step, both from 0


def batches(
    n: int, batch_size: int, seed: int | None = None, *, epochs: int = 1, start: Start = (0, 0), views: int = 1
) -> tf.data.Dataset:
    """Batches of row numbers of a table of n examples, epoch after epoch.

    Args:
        n: the number of examples.
        batch_size: rows per batch; the last batch of an epoch may be smaller.
        seed: the random seed of the order, which is another one in each epoch; None for the order of the table.
        epochs: the number of epochs, counted from 0.
        start: the epoch and step to start with; batches before it are left out.
        views: how many tables of n rows stand one after another; epoch e reads table e modulo views.

    Returns:
        A data set of int64 (batch,) vectors.
    """

    @tf.autograph.experimental.do_not_convert
    def epoch(number):
        rows = tf.range(n, dtype=tf.int64)
        if seed is not None:
            rows = tf.random.experimental.stateless_shuffle(rows, tf.stack([tf.cast(seed, tf.int64), number]))
        skipped = tf.where(number == start[0], tf.cast(start[1], tf.int64), 0)
        rows = rows + n * (number % views)
        return tf.data.Dataset.from_tensor_slices(rows[skipped * batch_size :]).batch(batch_size)

    steps = max(0, (epochs - start[0]) * -(-n // batch_size) - start[1])
    rows = tf.data.Dataset.range(start[0], epochs).flat_map(epoch)
    return rows.apply(tf.data.experimental.assert_cardinality(steps))


def shares(dataset: tf.data.Dataset, replicas: range, total: int, full: int | None = None) -> tf.data.Dataset:
    """Splits every batch among replicas, in order, into parts whose sizes differ by at most one example.

    A replica that would get none gets the batch's last example with weight 0, so that all replicas take every step.

    Args:
        dataset: batches, any structure of tensors (batch, ...).
        replicas: the replicas whose parts to return, one after another.
        total: the number of all replicas.
        full: if given, the size of every part: the last example is repeated with weight 0. A TPU's programs are
            compiled for one shape.

    Returns:
        A data set of pairs of a part and its weights, float32 (part,): 1 / batch for each example, or 0.
    """

    @tf.autograph.experimental.do_not_convert
    def whole(batch):
        n = tf.shape(tf.nest.flatten(batch)[0])[0]
        return batch, tf.fill([n], 1 / tf.cast(n, tf.float32))

    if total == 1 and full is None:
        return dataset.map(whole)

    @tf.autograph.experimental.do_not_convert
    def part(batch, replica):
        n = tf.shape(tf.nest.flatten(batch)[0], out_type=tf.int64)[0]
        first, end = n * replica // total, n * (replica + 1) // total
        rows = first + tf.range(tf.maximum(end - first, 1) if full is None else tf.cast(full, tf.int64))
        weights = tf.where(rows < end, 1 / tf.cast(n, tf.float32), 0)
        rows = tf.minimum(rows, n - 1)
        return tf.nest.map_structure(lambda column: tf.gather(column, rows), batch), weights

    numbers = tf.data.Dataset.range(replicas.start, replicas.stop)
    each = tf.autograph.experimental.do_not_convert(lambda batch: numbers.map(functools.partial(part, batch)))
    return dataset.flat_map(each)


def steady(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the data set without tf.data's tuning thread; parallel calls then are as many as there are cores.

    In TensorFlow 2.21 that thread sometimes notices the end of an iterator only after 5 seconds or more.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
