"""Training on cached activations against plain Keras: the same network, weights, order and optimizer.

Plain is `fit` of the whole flat network, images in memory, gathered by batches, mapped in parallel and prefetched, not
compiled by XLA (its convolutions are slow on CPUs). Ours is `train.fit(cache="memory")`. One process, in turn; MNIST.

    head       EfficientNet-Lite0 at 96, head only, 30 epochs: at least 36 times less time in all, cache included.
               Three plain epochs are run, the others reckoned at the median of the second and third.
    mobilenet  MobileNetV2 at 48, last 10 layers, 5 epochs: 2.1 an epoch after the first, 1.5 in all; the assembly of
               batches takes less than 0.1 of a step.
    resnet50   ResNet50 at 224, stage conv5, 512 images, 3 epochs: 2 an epoch after the first.

The last two have random weights, which take the same time as any. Batch norm is in inference mode.

Bounds: F is a forward pass over the training images, t the tail's share of it, v the share of validation images.
A plain epoch takes F(1 + 2t + v), one of ours Ft(3 + v), the cache F(1 + v) once; backward counts twice forward. The
goal is 0.8 of the bound on these ratios; (1 + 2t)/3t is the one without validation. Keras's 1 x 1 convolutions take
more than that backward ("backward", by forward), ours less (`tfxfer.train.fast_convolution`), so a ratio may pass its
bound: the "measured bound" is what caching alone would give. Each way's epoch "by least": above 1 for what was not
reckoned.

The loss history has to be the same to 1e-4: every epoch for the head, the first for deeper tails, whose rounding is
amplified later; where it is not, plain Keras is compared with itself (`ways.compare`). For the head, the SavedModels
of both ways are compared on 100 test images.

What falls short: an epoch of the head alone reaches 0.55 of its bound (306 of 558; 0.94 of it in all). A step takes
0.52 ms, of which the tail's forward pass is 0.1 and the assembly of the batch 0.33: tf.data hands a batch from thread
to thread, whatever its size. At 0.13 s an epoch against 42 s for the cache, there is nothing left to gain.

    python benchmarks/prefix_cache.py --case all --json FILE
"""

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import common
import costs
import keras
import numpy as np
import tensorflow as tf
import ways

from tfxfer import export, model
from tfxfer.core import batching, distribute
from tfxfer.features import frozen_prefix
from tfxfer.features.activation_cache import Activations


@dataclass(frozen=True)
class Case:
    backbone: str
    image_size: int
    unfreeze: int | str
    epochs: int
    plain_epochs: int
    repeats: int
    limit: int | None = None


CASES = {
    "head": Case("efficientnet_lite0", 96, 0, 30, 3, 1),
    "mobilenet": Case("mobilenet_v2", 48, 10, 5, 5, 3),
    "resnet50": Case("resnet50", 224, "conv5", 3, 3, 1, 512),
}


def main(argv: list[str] | None = None) -> dict:
    options = {"backbone": str, "image_size": int, "epochs": int, "limit": int, "repeats": int}
    parser = common.parser(__doc__, batch_size=32, **options)
    parser.add_argument("--case", choices=[*CASES, "all"], default="all")
    given = parser.parse_args(argv)
    names = list(CASES) if given.case == "all" else [given.case]
    return common.run(lambda given: {name: measure(name, given) for name in names}, given)


def measure(name: str, given) -> dict:
    case, size = CASES[name], given.batch_size
    limit, epochs, repeats = given.limit or case.limit, given.epochs or case.epochs, given.repeats or case.repeats
    splits, net = common.build(given.backbone or case.backbone, given.image_size or case.image_size, given, limit)
    print(f"{name}: last {case.unfreeze} trained, {epochs} epochs, batches of {size}, repeats {repeats}", flush=True)
    cost = costs.costs(net, splits, size, [case.unfreeze])[0]
    start, plain, ours, snapshots = model.values(net), [], [], {}
    measured = min(case.plain_epochs, epochs)
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: snapshots.update({epoch + 1: model.values(net)} if epoch < measured else {})
    )
    for _ in range(repeats):
        model.assign_values(net, start)
        plain.append(ways.plain_fit(net, splits, size, epochs, measured))
        snapshots["plain"] = model.values(net)
        model.assign_values(net, start)
        ours.append(ways.our_fit(net, splits, size, epochs, [keep] if name == "head" else []))
    later = 1 if epochs > 1 else 0  # the first epoch traces
    per_epoch = [r for a, b in zip(plain, ours) for r in costs.paired(a.epochs[later:], b.epochs[later:])]
    in_all = costs.paired([way.seconds for way in plain], [way.seconds for way in ours])
    found = cost.show()
    found |= costs.summary("epoch", per_epoch, cost.plain / cost.ours)
    found |= costs.summary("total", in_all, epochs * cost.plain / (cost.cache + epochs * cost.ours))
    found["plain"] = costs.against("plain", plain, cost.plain, later)
    found["ours"] = costs.against("ours", ours, cost.ours, later)
    step = statistics.median(s for timing in ours for s in timing.training[later:]) / -(-splits.size("train") // size)
    batch = assembly(net, splits, size)
    print(f"  a batch is assembled in {batch * 1e3:.3g} ms, a step takes {step * 1e3:.3g} ms: {batch / step:.3f}")
    found |= {"batch_seconds": batch, "step_seconds": step, "assembly_share": batch / step}
    required = measured if name == "head" else 1
    found |= ways.compare(net, splits, start, size, epochs, required, list(zip(plain, ours)))
    if name == "head":
        found["saved_model_difference"] = exported(net, splits, snapshots["plain"], snapshots[measured])
        print(f"  probabilities of the SavedModels differ by at most {found['saved_model_difference']:.2g}", flush=True)
    return found


def assembly(net, splits, batch_size: int, repeats: int = 5) -> float:
    """Seconds a batch of the pipeline that `train.fit` reads, alone, from activations of any values."""
    cut, n = frozen_prefix.frontier(net), splits.size("train")
    arrays = {name: np.full((n, *tensor.shape[1:]), 0.5, tensor.dtype) for name, tensor in cut.tensors.items()}
    read = Activations({"train": arrays}, "", {"train": splits.rows["train"].labels}).reader("train", cut.tensors)
    rows, steps = batching.batches(n, batch_size, 0, epochs=repeats + 1), -(-n // batch_size)
    elements = iter(distribute.distribute(None, rows, lambda r, weight: (read(r), weight), batch_size))

    @tf.function
    def drain(iterator, steps):
        total = tf.zeros(())
        for _ in tf.range(steps):
            (_, _), weights = next(iterator)
            total += tf.reduce_sum(weights)
        return total

    def once() -> float:
        started = time.perf_counter()
        float(drain(elements, tf.constant(steps)))
        return time.perf_counter() - started

    return statistics.median([once() for _ in range(repeats + 1)][1:]) / steps


def exported(net, splits, *both: list[np.ndarray]) -> float:
    """The largest difference of a probability between the SavedModels of two states of a network."""
    images, found = splits.rows["test"].images[:100], []
    for values in both:
        model.assign_values(net, values)
        with tempfile.TemporaryDirectory() as folder:
            export.saved_model(net, folder, images)
            served = tf.saved_model.load(str(Path(folder, "saved_model"))).signatures["serving_default"]
            found.append(served(image=tf.constant(images))["probabilities"].numpy())
    return float(np.abs(found[0] - found[1]).max())


if __name__ == "__main__":
    main()
