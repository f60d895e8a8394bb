"""A network as a SavedModel that takes raw pixels or encoded pictures and needs neither tfxfer nor Keras."""

from pathlib import Path

import keras
import tensorflow as tf

from tfxfer.export import encoded


def write(net: keras.Model, path: Path) -> None:
    """Writes a SavedModel with three signatures; augmentation and dropout are off.

    `serving_default` takes `image`, uint8 (batch, height, width, channels) as the data set has them, and gives
    `probabilities` float32 (batch, classes), `class_index` int64 (batch,) and `class_name` string (batch,).
    `serving_bytes` takes `image_bytes`, string (batch,) of JPEG or PNG files as `encoded.decode` takes them, and gives
    the same. `embed` takes `image` and gives `embedding` float32 (batch, d).
    """
    shape = net.input_shape[1:]
    pixels = [tf.TensorSpec((None, *shape), tf.uint8, name="image")]
    files = [tf.TensorSpec((None,), tf.string, name="image_bytes")]
    names = tf.constant(list(net.classes))
    both = keras.Model(net.input, [net.output, net.get_layer("embedding").output])
    forward = tf.function(lambda image: both(image, training=False), input_signature=pixels)  # traced once for all

    def serve(image):
        probabilities = tf.nn.softmax(forward(image)[0])
        index = tf.argmax(probabilities, axis=-1)
        return {"probabilities": probabilities, "class_index": index, "class_name": tf.gather(names, index)}

    def serve_bytes(image_bytes):
        spec = tf.TensorSpec(shape, tf.uint8)
        return serve(tf.map_fn(lambda one: encoded.decode(one, shape), image_bytes, fn_output_signature=spec))

    archive = keras.export.ExportArchive()
    archive.track(both)
    archive.add_endpoint("serving_default", serve, pixels)
    archive.add_endpoint("serving_bytes", serve_bytes, files)
    archive.add_endpoint("embed", lambda image: {"embedding": forward(image)[1]}, pixels)
    archive.write_out(str(path), verbose=False)
