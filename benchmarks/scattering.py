"""Scattering of 28 x 28 images: tfxfer's layer against kymatio's own Keras layer, each in a Keras model, traced.

Both give the 81 paths of J = 2, L = 8 of the same float images, batch by batch, in turn. Kymatio runs a few hundred
small operations one after another, each over the whole batch; XLA fuses them, over 32 images that stay in the caches,
two such chunks at a time. Tracing and compiling (some 5 s) are not in the time; they are printed.

Bound: kymatio's transform compiled by XLA for 256 images, called directly: what the layer adds (channels, chunks, their
padding) cannot make it faster, smaller chunks on two cores can. Goal: 2.

    python benchmarks/scattering.py --json FILE
"""

import statistics
import time

import common
import costs
import keras
import numpy as np
import tensorflow as tf
from kymatio.keras import Scattering2D
from kymatio.tensorflow import Scattering2D as TensorFlowScattering2D

from tfxfer.model.scattering import Scattering


def main(argv: list[str] | None = None) -> dict:
    options = {"limit": 2048, "repeats": 5, "batch_size": 256}
    return common.run(measure, common.parser(__doc__, **options).parse_args(argv))


def measure(given) -> dict:
    random = np.random.default_rng(0)
    images = tf.constant(random.random((given.limit, 28, 28, 1)), tf.float32)  # as fast as any others
    grey, channels_last = keras.Input((28, 28)), keras.Input((28, 28, 1))
    models = {
        "plain": keras.Model(grey, Scattering2D(J=2, L=8)(grey)),
        "ours": keras.Model(channels_last, Scattering()(channels_last)),
    }
    batches = [images[first : first + given.batch_size] for first in range(0, given.limit, given.batch_size)]
    ways, found = {}, {}
    for name, model in models.items():
        parts = [batch[..., 0] for batch in batches] if name == "plain" else batches
        function = tf.function(lambda batch, model=model: model(batch, training=False), reduce_retracing=True)
        started = time.perf_counter()
        function(parts[0])
        found[f"{name}_first_seconds"] = time.perf_counter() - started
        print(f"  {name}: the first batch, traced and compiled, {found[f'{name}_first_seconds']:.1f} s", flush=True)
        ways[name] = lambda function=function, parts=parts: [function(part).numpy() for part in parts]
    compiled = tf.function(TensorFlowScattering2D(2, (28, 28), 8), jit_compile=True, autograph=False)
    whole = [batch[..., 0] for batch in batches if len(batch) == given.batch_size]
    compiled(whole[0])
    ways["compiled"] = lambda: [compiled(part).numpy() for part in whole]
    theirs, ours = (np.concatenate(ways[name]()) for name in models)
    found["feature_difference"] = float(np.abs(theirs.transpose(0, 2, 3, 1) - ours).max() / np.abs(theirs).max())
    seconds = {name: [] for name in ways}
    for _ in range(given.repeats):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    for name, values in seconds.items():
        found[f"{name}_seconds"] = middle = statistics.median(values)
        print(f"  {name}: {middle:.3g} s, {given.limit / middle:,.0f} images/s")
    bound = found["plain_seconds"] / found["compiled_seconds"] * (len(whole) * given.batch_size / given.limit)
    found |= costs.summary("scattering", costs.paired(seconds["plain"], seconds["ours"]), bound, 2.0)
    print(f"  coefficients differ by at most {found['feature_difference']:.2g} of the largest", flush=True)
    return {"scattering": found}


if __name__ == "__main__":
    main()
