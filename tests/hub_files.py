"""A small preset of keras-hub, saved as keras-hub saves it."""

from typing import Any

RESNET = {
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64, 64],
    "stackwise_num_blocks": [1, 1],
    "stackwise_num_strides": [1, 2],
    "block_type": "basic_block",
}


def save(net: Any, folder, **converter: Any) -> str:
    """Saves a backbone and an image converter of these settings; returns the preset's name."""
    import keras_hub

    net.save_to_preset(str(folder))
    keras_hub.layers.ImageConverter(image_size=(32, 32), **converter).save_to_preset(str(folder))
    return f"hub:{folder}"
