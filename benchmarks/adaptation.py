"""What batch norm adapted without labels gains or loses: accuracy under all 19 corruptions at their highest severity.

Case "own": a small network trained from scratch, whose batch norm has the statistics of its training images. Case
"frozen": a head on the frozen EfficientNet-Lite0 at 96 x 96, whose batch norm has those of ImageNet, with which the
head has learned. The statistics are adapted to the test images under the corruption, whose labels are read only to
count which are right, with a prior of 16 images. See `analysis.adapt_batch_norm`.

    python benchmarks/adaptation.py --data-dir FASHION_MNIST --json FILE
    python benchmarks/adaptation.py --data-dir FASHION_MNIST --case frozen --epochs 30 --json FILE
"""

import common
import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tfxfer import data, model, train
from tfxfer.analysis import batch_norm
from tfxfer.data import corruptions


def main(argv: list[str] | None = None) -> dict:
    options = {"case": "own", "limit": 10_000, "epochs": 8, "test_images": 1000}
    return common.run(measure, common.parser(__doc__, **options).parse_args(argv))


def measure(given) -> dict:
    splits = common.mnist(given, given.limit)
    keras.utils.set_random_seed(0)
    net = _small(splits) if given.case == "own" else model.build("efficientnet_lite0", splits, 96)
    rate = 3e-3 if given.case == "own" else 1e-3
    train.fit(net, splits, given.epochs, rate, batch_size=64, schedule="cosine", keep="best")
    copy, rows = data.CorruptedCopy.of(splits), np.arange(min(given.test_images, splits.size("test")))
    cells = {name: copy.grid([(name, corruptions.SEVERITIES[-1])], rows).test for name in corruptions.NAMES}
    found, adapter = {}, batch_norm.Adapter(net)
    forward = tf.function(lambda images: net(images, training=False))

    def right(images: np.ndarray, labels: np.ndarray) -> float:
        batches = (images[first : first + 250] for first in range(0, len(images), 250))
        return float((np.concatenate([forward(batch) for batch in batches]).argmax(1) == labels).mean())

    for name, examples in {"clean": splits.only(test=rows).test, **cells}.items():
        (batch,) = examples.batch(len(rows)).as_numpy_iterator()
        images, labels = batch["image"], batch["label"]
        own = right(images, labels)
        with batch_norm.adapted(net, adapter(images)):
            adapted = right(images, labels)
        found[name] = {"own": own, "adapted": adapted}
        print(f"  {name}: {own:.3f}, adapted {adapted:.3f} ({adapted - own:+.3f})", flush=True)
    for number, names in ((15, corruptions.BENCHMARK), (19, corruptions.NAMES)):
        found[f"mean_{number}"] = {kind: float(np.mean([found[n][kind] for n in names])) for kind in ("own", "adapted")}
        print(f"  mean over {number}: {found[f'mean_{number}']}", flush=True)
    return found


def _small(splits: data.Splits) -> keras.Model:
    """Three convolutions with batch norm, all of which trains."""
    inputs = x = keras.Input((28, 28, 1))
    for filters in (32, 64, 128):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    own = keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name="small_batch_norm")
    net = model.build(own, splits, weights="none", scaling="unit")
    model.unfreeze_last(net, "all", train_batch_norm=True)
    return net


if __name__ == "__main__":
    main()
