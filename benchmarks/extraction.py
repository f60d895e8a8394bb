"""Feature extraction against the bare forward pass: EfficientNet-Lite0's embedding at 96 of MNIST's training images.

Ours is `features.extract` from single examples of tf.data, with labels and ids, results in NumPy. Bare is a
`tf.function` over one tensor of the same images in batches of the same size: no tf.data, no labels, results kept as
tensors. Both make and trace their function anew, as each call of `extract` has to; the ratio to a bare function that
is traced already is printed beside. In turn, five times.

Bound: the bare pass, 1; goal: 0.95 of it. On 3,000 images it is 1.01, and 0.91 beside a function that is traced
already: tracing takes half a second of ten, which more images make up for.

    python benchmarks/extraction.py --json FILE
"""

import statistics
import time

import common
import costs
import keras
import numpy as np
import tensorflow as tf

from tfxfer import features
from tfxfer.features import inference

LAYER = "embedding"


def main(argv: list[str] | None = None) -> dict:
    options = {"backbone": "efficientnet_lite0", "image_size": 96, "repeats": 5, "limit": int, "batch_size": int}
    return common.run(measure, common.parser(__doc__, **options).parse_args(argv))


def measure(given) -> dict:
    splits, net = common.build(given.backbone, given.image_size, given, given.limit)
    tapped, images = keras.Model(net.input, net.get_layer(LAYER).output), tf.constant(splits.rows["train"].images)
    size = given.batch_size or inference.images_per_batch(tapped)  # as `extract` chooses
    print(f"batches of {size}, repeats {given.repeats}", flush=True)

    def bare_function():
        signature = [tf.TensorSpec((None, *images.shape[1:]), tf.uint8)]
        return tf.function(lambda batch: tapped(batch, training=False), input_signature=signature)

    def bare(function) -> list[tf.Tensor]:
        return [function(images[first : first + size]) for first in range(0, len(images), size)]

    traced = bare_function()
    ways = {
        "bare": lambda: bare(bare_function()),
        "bare_traced": lambda: bare(traced),
        "ours": lambda: features.extract(net, splits.train, (LAYER,), batch_size=size)[LAYER],
    }
    found = [np.concatenate(bare(traced)), ways["ours"]()]
    found = {"feature_difference": float(np.abs(found[0] - found[1]).max() / np.abs(found[0]).max())}
    seconds = {name: [] for name in ways}
    for _ in range(given.repeats):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    for name, values in seconds.items():
        found[f"{name}_seconds"] = middle = statistics.median(values)
        spread = f"{min(values):.3g} to {max(values):.3g}"
        print(f"  {name.replace('_', ' ')}: {middle:.3g} s ({spread}), {len(images) / middle:,.0f} images/s")
    found |= costs.summary("extraction", costs.paired(seconds["bare"], seconds["ours"]), 1.0, 0.95)
    found |= costs.summary("extraction_traced", costs.paired(seconds["bare_traced"], seconds["ours"]), 1.0, 0.95)
    print(f"  features differ by at most {found['feature_difference']:.2g} of the largest", flush=True)
    return {"extraction": found}


if __name__ == "__main__":
    main()
