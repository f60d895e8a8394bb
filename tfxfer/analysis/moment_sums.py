"""The sums of one batch in TensorFlow, and of many batches on one device or shared among several."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tfxfer.analysis.feature_batches import ROWS, Batch, precision
from tfxfer.core import distribute
from tfxfer.core.errors import InputError


def statistics(x: tf.Tensor, labels: tf.Tensor, classes: int, shift: tf.Tensor) -> dict[str, tf.Tensor]:
    """Computes the sums of one batch, with TensorFlow operations only; those of batches with the same shift add up.

    Args:
        x: numbers (n, d), with d known when it is traced. Products are computed in its precision, and in float32 for
            half precision and small integers.
        labels: integers (n,) below `classes`; an example x = shift with label -1 counts for nothing.
        classes: number of classes.
        shift: (d,), near the mean, and exact in the precision of the products.

    Returns:
        "count" (C,), "sum" (C, d), "squares" (C,) and "scatter" (d, d), all float64, as in `Moments`.
    """
    x = tf.cast(x, precision(x.dtype))
    sums = _sums(x - tf.cast(shift, x.dtype), labels, classes)
    return sums | {"scatter": _whole(iter(sums["scatter"]), x.shape[1])}


def add_up(
    feed: Iterator[Batch], centres: np.ndarray, strategy: tf.distribute.Strategy | None
) -> dict[str, np.ndarray]:
    """Computes the sums of `statistics` over all batches, with each example relative to the centre of its class.

    Args:
        feed: pairs of features (n, d), of the dtype of the centres, and labels, int64 (n,).
        centres: float (C, d); the row of a class may be set as late as when that class first occurs in the feed.
        strategy: shares each batch among its replicas; None for one device.

    Returns:
        "count" (C,), "sum" (C, d), "squares" (C,) and "scatter" (d, d), all float64.
    """
    classes, d = centres.shape
    local = {"synchronization": tf.VariableSynchronization.ON_READ, "aggregation": tf.VariableAggregation.SUM}
    zeros = _sums(tf.zeros((1, d), centres.dtype), tf.constant([-1]), classes)
    with distribute.default(strategy).scope():
        sums = tf.nest.map_structure(lambda value: tf.Variable(tf.zeros_like(value), False, **local), zeros)

    def result() -> dict[str, tf.Tensor]:
        values = tf.nest.map_structure(lambda variable: variable.read_value(), sums)
        return values | {"scatter": _whole(iter(values["scatter"]), d)}

    def add(x: tf.Tensor, labels: tf.Tensor, centres: tf.Tensor, weights: tf.Tensor | None = None) -> None:
        x -= tf.gather(centres, labels)
        if weights is not None:
            x, labels = tf.where(weights[:, None] > 0, x, 0), tf.where(weights > 0, labels, -1)
        tf.nest.map_structure(lambda variable, value: variable.assign_add(value), sums, _sums(x, labels, classes))

    specs = [tf.TensorSpec((None, d), centres.dtype), tf.TensorSpec((None,), tf.int64)]
    shape = tf.TensorSpec(centres.shape, centres.dtype)
    if strategy is None:
        step = tf.function(add, [*specs, shape], autograph=False).get_concrete_function()
        for x, labels in feed:
            step(tf.convert_to_tensor(x), tf.convert_to_tensor(labels), tf.convert_to_tensor(centres))
        return {name: value.numpy() for name, value in result().items()}

    errors: list[InputError] = []

    def generate() -> Iterator[dict[str, np.ndarray]]:
        try:
            yield from ({"x": x, "label": labels} for x, labels in feed)
        except InputError as error:  # TensorFlow would turn it into a traceback
            errors.append(error)

    def everywhere(element: tuple, centres: tf.Tensor) -> None:
        strategy.run(add, (*element[0], centres, element[1]))

    data = tf.data.Dataset.from_generator(generate, output_signature=dict(zip(("x", "label"), specs)))
    parts = distribute.distribute(strategy, data, lambda part, weights: ((part["x"], part["label"]), weights), ROWS)
    run = tf.function(everywhere, [parts.element_spec, shape], autograph=False).get_concrete_function()
    read = tf.function(result, autograph=False).get_concrete_function()
    with distribute.watch(strategy):
        for element in parts:
            run(element, tf.convert_to_tensor(centres))
        if errors:
            raise errors[0]
        return {name: value.numpy() for name, value in read().items()}


def _sums(x: tf.Tensor, labels: tf.Tensor, classes: int) -> dict[str, tf.Tensor | list[tf.Tensor]]:
    """The sums of `statistics` with shift 0, but with "scatter" in the parts that `_whole` puts together."""
    columns = {"count": tf.ones_like(x[:, 0]), "sum": x, "squares": tf.reduce_sum(x * x, 1)}

    def by_class(column: tf.Tensor) -> tf.Tensor:
        if column.shape.rank == 2 and classes <= 100:  # for few classes a product is several times as fast
            return tf.matmul(tf.one_hot(labels, classes, dtype=x.dtype), column, transpose_a=True)
        return tf.math.unsorted_segment_sum(column, labels, classes)

    sums = {name: by_class(column) for name, column in columns.items()} | {"scatter": _products(x)}
    return tf.nest.map_structure(lambda value: tf.cast(value, tf.float64), sums)


def _products(x: tf.Tensor) -> list[tf.Tensor]:
    """Parts of x^T x, about half of it: left columns with right columns, and then the parts of each half."""
    half = x.shape[1] // 2
    if half <= 128:
        return [tf.matmul(x, x, transpose_a=True)]
    left, right = x[:, :half], x[:, half:]
    return [tf.matmul(left, right, transpose_a=True), *_products(left), *_products(right)]


def _whole(parts: Iterator[tf.Tensor], d: int) -> tf.Tensor:
    """x^T x (d, d) from `_products`; putting it together takes as long as a sum, so it is done once at the end."""
    half, part = d // 2, next(parts)
    if half <= 128:
        return part
    upper, lower = _whole(parts, half), _whole(parts, d - half)
    return tf.concat([tf.concat([upper, part], 1), tf.concat([tf.transpose(part), lower], 1)], 0)
