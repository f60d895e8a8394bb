"""Training on one device and on all: images a second of `train.fit` with the strategies "none" and "mirrored".

EfficientNet-Lite0 at 48, last 40 layers, 2,000 images of MNIST, the same global batch. MirroredStrategy takes all GPUs;
without any, `--devices` logical CPUs, which share the cores that "none" has to itself: there the ratio is what
replicas cost (splitting batches, adding up gradients, smaller products), and its bound is 1, without a goal. The bound
on n GPUs is n, the goal 0.8 of it. Epochs after the first are timed, validation included; in turn, three times.

    python benchmarks/scaling.py --json FILE
"""

import statistics

import common
import costs
import tensorflow as tf
import ways

from tfxfer import model


def main(argv: list[str] | None = None) -> dict:
    options = {"backbone": "efficientnet_lite0", "image_size": 48, "unfreeze": 40, "epochs": 3, "limit": 2000}
    given = common.parser(__doc__, **options, batch_size=64, repeats=3, devices=2).parse_args(argv)
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * given.devices)
    return common.run(measure, given)


def measure(given) -> dict:
    splits, net = common.build(given.backbone, given.image_size, given, given.limit)
    model.unfreeze_last(net, given.unfreeze)
    gpus = len(tf.config.list_logical_devices("GPU"))
    devices = f"{gpus} GPUs" if gpus else f"{given.devices} logical CPUs"
    print(f"last {given.unfreeze} trained, {given.epochs} epochs, batches of {given.batch_size}, mirrored: {devices}")
    start, epochs, losses = model.values(net), {"none": [], "mirrored": []}, {}
    for _ in range(given.repeats):
        for name, seconds in epochs.items():
            model.assign_values(net, start)
            timing = ways.our_fit(net, splits, given.batch_size, given.epochs, strategy=name)
            seconds.extend(timing.epochs[1:] or timing.epochs)
            losses[name] = timing.history["loss"]
    found = {"devices": gpus or given.devices, "loss_difference": abs(losses["none"][0] - losses["mirrored"][0])}
    for name, seconds in epochs.items():
        found[f"{name}_images_per_second"] = rate = splits.size("train") / statistics.median(seconds)
        print(f"  {name}: {rate:,.0f} images/s")
    print(f"  losses of the first epoch differ by {found['loss_difference']:.1g}")
    return {"scaling": found | costs.summary("mirrored", costs.paired(*epochs.values()), max(1, gpus))}


if __name__ == "__main__":
    main()
