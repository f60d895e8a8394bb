"""Whether XLA compiles the training step: on GPUs wherever Keras would, on TPUs always, on CPUs only on request.

On CPUs XLA computes convolutions many times slower than TensorFlow's own kernels.
"""

import contextlib
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from tfxfer.core.errors import InputError

JIT = ("auto", "on", "off")


def check(jit: str, strategy: tf.distribute.Strategy | None = None) -> None:
    """Checks that `jit` is one of `JIT`, and possible under the strategy.

    Raises:
        InputError: it is not.
    """
    if jit not in JIT:
        raise InputError(f"jit {jit!r}: expected one of {', '.join(JIT)}")
    if isinstance(strategy, tf.distribute.TPUStrategy):
        if jit == "off":
            raise InputError("jit 'off': a TPU runs only what XLA compiles; use --jit auto")
    elif jit == "on" and strategy is not None:
        raise InputError("jit 'on': XLA cannot compile a step that devices share; use --jit auto, or --strategy none")


def choose(net: keras.Model, jit: str, strategy: tf.distribute.Strategy | None = None) -> bool:
    """Whether XLA compiles the steps of `net`.

    Args:
        net: the model that trains.
        jit: "on", "off", or "auto": on a TPU, and on one GPU if XLA can compile all layers of the model. Under other
            strategies it does not compile, because TensorFlow cannot add up gradients within a compiled step
            (keras-team/keras issue 17187). That is Keras's own rule, but for antialiased resizing, an operation that
            XLA does not have.
        strategy: where the steps run.

    Raises:
        InputError: as `check` raises it.
    """
    check(jit, strategy)
    if isinstance(strategy, tf.distribute.TPUStrategy):
        return True
    if jit == "auto" and strategy is None:
        fresh = keras.Model(net.inputs, net.outputs)  # not compiled yet: its `jit_compile` is what "auto" means
        return fresh.jit_compile and not any(getattr(layer, "antialias", False) for layer in net.layers)
    return jit == "on"


def function(step: Callable, compiled: bool, strategy: tf.distribute.Strategy | None) -> Callable:
    """A step for `strategy.run`, compiled if wanted; a TPU's strategy compiles what it runs by itself."""
    if not compiled or isinstance(strategy, tf.distribute.TPUStrategy):
        return step
    return tf.function(step, jit_compile=True, reduce_retracing=True, autograph=False)


@contextlib.contextmanager
def explained(compiled: bool) -> Iterator[None]:
    """Turns the error by which XLA refuses an operation into one line."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if not compiled or "unsupported operations" not in error.message:
            raise
        operation = error.message.partition("JIT: ")[2].partition(" ")[0]
        raise InputError(f"XLA cannot compile the operation {operation} of this network: use --jit off") from None
