"""ResNet18, layer for layer as in keras-hub, so that its presets fit, but without keras-hub."""

import keras
from keras import layers

FILTERS = (64, 128, 256, 512)


def resnet18(*, input_shape: tuple[int, int, int] = (224, 224, 3)) -> keras.Model:
    """He et al. 2016, arXiv:1512.03385, table 1: a 7 x 7 convolution, then four stacks of two blocks of two 3 x 3.

    Strided convolutions are padded beforehand, as in PyTorch, where the pretrained weights come from.

    Args:
        input_shape: (height, width, 3); pixels scaled by ImageNet's mean and standard deviation ("torch"), or by the
            data set's own.

    Returns:
        Random weights; the feature map (height / 32, width / 32, 512), rounded up.
    """

    def conv_bn(x, filters, kernel, stride, name):
        if stride > 1 and kernel > 1:
            x = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
        padding = "same" if stride == 1 else "valid"
        x = layers.Conv2D(filters, kernel, stride, padding=padding, use_bias=False, name=f"{name}_conv")(x)
        return layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{name}_bn")(x)

    image = keras.Input(input_shape)
    x = layers.Activation("relu", name="conv1_relu")(conv_bn(image, 64, 7, 2, "conv1"))
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1_pool")(x)
    for stack, filters in enumerate(FILTERS):
        for block in (0, 1):
            name, stride = f"stack{stack}_block{block}", 2 if stack and not block else 1
            shortcut = conv_bn(x, filters, 1, stride, f"{name}_0") if stride > 1 else x
            x = layers.Activation("relu", name=f"{name}_1_relu")(conv_bn(x, filters, 3, stride, f"{name}_1"))
            x = layers.Add(name=f"{name}_add")([shortcut, conv_bn(x, filters, 3, 1, f"{name}_2")])
            x = layers.Activation("relu", name=f"{name}_out")(x)
    return keras.Model(image, x, name="resnet18")
