"""Which example comes when, and on which replica: functions of seed, epoch and step alone, so that any run can be
continued anywhere and repeated on any number of devices."""

import tensorflow as tf

Start = tuple[int, int]  # epoch and step, both from 0


def batches(
    n: int, batch_size: int, seed: int | None = None, *, epochs: int = 1, start: Start = (0, 0), views: int = 1
) -> tf.data.Dataset:
    """Rows of a table of n examples, epoch after epoch.

    Args:
        n: examples.
        batch_size: rows a batch; the last of an epoch may be smaller.
        seed: of the order, another one in each epoch; None for the order of the table.
        epochs: how many epochs there are, counted from 0.
        start: the epoch and the step to start with; what is before is left out.
        views: the table holds so many tables of n rows, one after another; epoch e reads table e modulo views.

    Returns:
        int64 (batch,) vectors.
    """

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
    """Splits every batch among replicas, in order, into parts that differ by at most one example.

    A replica for which none is left gets the batch's last example with weight 0, so that all take every step.

    Args:
        dataset: batches, any structure of tensors (batch, ...).
        replicas: those to give, of `total`; their parts follow one another.
        full: if given, all parts have this many examples, those at the end repeated with weight 0: a TPU's programs
            are compiled for one shape.

    Returns:
        Pairs of a part and its weights float32 (part,): 1 / batch for each example, or 0.
    """

    def whole(batch):
        n = tf.shape(tf.nest.flatten(batch)[0])[0]
        return batch, tf.fill([n], 1 / tf.cast(n, tf.float32))

    if total == 1 and full is None:
        return dataset.map(whole)

    def part(batch, replica):
        n = tf.shape(tf.nest.flatten(batch)[0], out_type=tf.int64)[0]
        first, end = n * replica // total, n * (replica + 1) // total
        rows = first + tf.range(tf.maximum(end - first, 1) if full is None else tf.cast(full, tf.int64))
        weights = tf.where(rows < end, 1 / tf.cast(n, tf.float32), 0)
        rows = tf.minimum(rows, n - 1)
        return tf.nest.map_structure(lambda column: tf.gather(column, rows), batch), weights

    numbers = tf.data.Dataset.range(replicas.start, replicas.stop)
    return dataset.flat_map(lambda batch: numbers.map(lambda replica: part(batch, replica)))


def steady(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The data set without tf.data's tuning thread (TensorFlow 2.21): now and then, the end of an iterator goes
    unnoticed by it for 5 seconds and more. Parallel calls then are as many as there are cores."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
