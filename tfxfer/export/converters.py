"""A network as a LiteRT or an ONNX file: `image`, uint8 (batch, height, width, channels), to `probabilities`."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core import console
from tfxfer.core.errors import InputError


def litert(
    net: keras.Model, path: Path, quantized: str = "", representative: np.ndarray | None = None, logits: bool = False
) -> None:
    """Writes a LiteRT file with the signature `serving_default`, which refuses pixels of another size.

    Args:
        net: from `model.build`.
        quantized: "" for float32 throughout; "dynamic" stores weights as 8-bit integers; "int8" also computes with
            8-bit integers.
        representative: uint8 (n, height, width, channels), from which "int8" takes the ranges of activations.
        logits: whether the file gives `logits` in place of `probabilities`, to fit a temperature to.

    Raises:
        InputError: the network has operations that LiteRT does not have, or "int8" has no representative images.
    """
    module = _module(net, _refusing, logits)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.serve.get_concrete_function()], module)
    if quantized:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantized == "int8":
        if representative is None:
            raise InputError(
                "int8: expected representative images, got none: give some that the comparison does not use"
            )
        converter.representative_dataset = lambda: ([image[None]] for image in representative)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    try:
        with console.native_stderr(), console.loggers():  # the converter repeats its settings, and says where it works
            content = converter.convert()
    except Exception as error:  # the converter's own class is private
        raise _refused(net, "LiteRT", "litert", error) from None
    path.write_bytes(content)


def onnx(net: keras.Model, path: Path) -> None:
    """Writes an ONNX file with tf2onnx.

    Args:
        net: from `model.build`.

    Raises:
        InputError: tf2onnx is not installed, or the network has operations that it does not know.
    """
    try:
        import tf2onnx
    except ImportError:
        raise InputError("onnx needs tf2onnx, which is not installed: pip install 'tfxfer[onnx]'") from None
    module = _module(net)
    try:
        with console.native_stderr(), console.loggers():
            tf2onnx.convert.from_function(module.serve, module.serve.input_signature, output_path=str(path))
    except Exception as error:  # its rewriters raise errors of any class
        raise _refused(net, "ONNX", "onnx", error) from None


def _module(
    net: keras.Model, checked: Callable[[tf.Tensor], tf.Tensor] = tf.identity, logits: bool = False
) -> tf.Module:
    """The network as TensorFlow's converters take it: one function and the variables it needs."""
    module = tf.Module()
    module.variables_of_the_network = [variable.value for variable in net.variables]
    pixels = tf.TensorSpec((None, *net.input_shape[1:]), tf.uint8, name="image")

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = net(checked(image), training=False)
        return {"logits": outputs} if logits else {"probabilities": tf.nn.softmax(outputs)}

    module.serve = tf.function(serve, input_signature=[pixels], autograph=False)
    return module


def _refusing(image: tf.Tensor) -> tf.Tensor:
    """The same pixels, by operations that LiteRT runs only on pixels of the declared size: it has no assertions.

    Without them an interpreter adapts to any size and answers. ONNX Runtime refuses other sizes by itself.
    """
    extra = tf.zeros((1, *image.shape[1:]), image.dtype)
    return tf.ensure_shape(tf.concat([image, extra], 0)[:-1], image.shape)


def _refused(net: keras.Model, name: str, format: str, error: Exception) -> InputError:
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return InputError(f"{net.name} cannot be written as {name} ({reason[0][:200]}): leave {format} out of the formats")
