"""Training with augmentation, where nothing can be cached, against plain Keras: same network, weights, order and views.

MobileNetV2 at 96 with random weights, 2,000 images of MNIST, the last 10 layers trained, batch norm in inference mode,
shifts, rotations and zooms that are new in each epoch. Plain is `fit` of the whole network, as in prefix_cache.py;
ours is `train.fit`, which runs the frozen part folded and differentiates only the tail. In turn, three times.

Bound: with F a forward pass, t the tail's share, v the share of validation images and f what folding gains (measured
here on the frozen part), plain takes F(1 + 2t + v) an epoch, and ours F((1 - t)(1 + v)/f + t(3 + v)). Goal: 1.4.

    python benchmarks/augmented.py --json FILE
"""

import statistics
import time

import common
import costs
import tensorflow as tf
import ways

from tfxfer import model
from tfxfer.features import frozen_prefix
from tfxfer.model import folding


def main(argv: list[str] | None = None) -> dict:
    options = {"backbone": "mobilenet_v2", "image_size": 96, "epochs": 3, "limit": 2000, "batch_size": 32}
    options |= {"unfreeze": 10, "repeats": 3}
    return common.run(measure, common.parser(__doc__, **options).parse_args(argv))


def measure(given) -> dict:
    splits, net = common.build(given.backbone, given.image_size, given, given.limit, augment=True)
    print(f"last {given.unfreeze} trained, augmented, {given.epochs} epochs, batches of {given.batch_size}", flush=True)
    model.unfreeze_last(net, given.unfreeze)
    gain, start, plain, ours = gained(net, splits, given.batch_size), model.values(net), [], []
    _, plainly_built = common.build(given.backbone, given.image_size, given, given.limit)
    cost = costs.costs(plainly_built, splits, given.batch_size, [given.unfreeze])[0]
    for _ in range(given.repeats):
        for timings, fit in ((plain, ways.plain_fit), (ours, ways.our_fit)):
            model.assign_values(net, start)
            options = {"cache": "off"} if fit is ways.our_fit else {}
            timings.append(fit(net, splits, given.batch_size, given.epochs, **options))
    least = (1 - cost.t) * (1 + cost.v) / gain + cost.t * (3 + cost.v)
    ratios = [r for a, b in zip(plain, ours) for r in costs.paired(a.epochs[1:], b.epochs[1:])]
    found = {"folded_gain": gain, **cost.show()}
    found |= costs.summary("epoch", ratios, (1 + 2 * cost.t + cost.v) / least)
    for name, timings in (("plain", plain), ("ours", ours)):
        found |= {f"{name}_epoch_seconds": statistics.median(s for timing in timings for s in timing.epochs[1:])}
    found["loss_difference"] = max(ways.loss_differences(plain[0].history, ours[0].history))
    print(f"  losses differ by at most {found['loss_difference']:.1g}", flush=True)
    return {"augmented": found}


def gained(net, splits, batch_size: int, repeats: int = 5) -> float:
    """How many times as fast the frozen part is when it is folded, without augmentation."""
    prefix, _ = frozen_prefix.parts(net)
    images = tf.constant(splits.rows["train"].images[:batch_size])
    plain = tf.function(lambda images: prefix(images, training=False))
    functions, seconds = (plain, folding.Forward(prefix).current()), ([], [])
    for _ in range(repeats + 1):
        for function, found in zip(functions, seconds):
            started = time.perf_counter()
            for _ in range(4):
                tf.nest.flatten(function(images))[0].numpy()
            found.append(time.perf_counter() - started)
    return statistics.median(seconds[0][1:]) / statistics.median(seconds[1][1:])


if __name__ == "__main__":
    main()
