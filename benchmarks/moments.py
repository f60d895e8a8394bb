"""PCA, LDA and neural collapse from one pass over features, against scikit-learn's PCA alone; and a stream of features.

60,000 x 1,280 float32, ten classes, made up. Ours is `moments.collect`, the 50 first components of `linear.PCA`,
`linear.LDA` and `collapse.figures` of its result: what takes time is the product x^T x, n d^2 multiplications and
additions (98 G) when half of it follows from symmetry, then eigenvectors and a Cholesky factor of (d, d). The other is
scikit-learn's PCA with svd_solver="covariance_eigh", its fastest exact one, which makes the same product and takes all
eigenvectors; its default at this size is a randomised one for 50 components. In turn, five times. The bound is the
product alone, by NumPy, which leaves out the same half. Goal: at most 2 x covariance_eigh.

The stream is 1,000,000 rows, made batch by batch, of which only sums are kept. Growth of anonymous memory (RssAnon,
sampled every 10 ms, highest during the pass less start) is of two starts: of a process of its own right after imports,
in which TensorFlow's and BLAS's threads and arenas come to life, and of the same process again, when they are warm.
Goal: less than 300 MB.

    python benchmarks/moments.py --json FILE
"""

import contextlib
import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import common
import costs
import numpy as np
from sklearn import decomposition

from tfxfer.analysis import collapse, linear, moments

CLASSES, COMPONENTS = 10, 50


def main(argv: list[str] | None = None) -> dict:
    options = {"limit": 60_000, "rows": 1_000_000, "features": 1280, "batch_size": 1024, "repeats": 5, "only": ""}
    given = common.parser(__doc__, **options).parse_args(argv)
    if given.only == "stream":  # in a process of its own
        print(json.dumps([stream(given) for _ in range(2)]))
        return {}
    return common.run(measure, given)


def measure(given) -> dict:
    return {"moments": fits(given) | streams(given)}


def fits(given) -> dict:
    x, labels = next(features(given.limit, given.features, given.limit))
    count = min(COMPONENTS, *x.shape)
    print(f"\n{x.shape[0]:,} x {x.shape[1]:,} float32, {CLASSES} classes, {count} components, repeats {given.repeats}")
    ways = {
        "covariance_eigh": lambda: decomposition.PCA(count, svd_solver="covariance_eigh").fit(x),
        "ours": lambda: ours(x, labels, count),
        "default_pca": lambda: decomposition.PCA(count, random_state=0).fit(x),
        "product": lambda: x.T @ x,
    }
    seconds, results = {name: [] for name in ways}, {}
    for _ in range(given.repeats):
        for name, way in ways.items():
            started = time.perf_counter()
            results[name] = way()
            seconds[name].append(time.perf_counter() - started)
    found = {}
    for name, values in seconds.items():
        found[f"{name}_seconds"] = middle = statistics.median(values)
        print(f"  {name.replace('_', ' ')}: {middle:.3g} s ({min(values):.3g} to {max(values):.3g})")
    ratios = costs.paired(seconds["ours"], seconds["covariance_eigh"])
    bound = found["product_seconds"] / found["covariance_eigh_seconds"]
    found |= {"ours_by_pca": statistics.median(ratios), "ours_by_pca_spread": [min(ratios), max(ratios)]}
    found["product_by_pca"] = bound
    variance, expected = (results[name].explained_variance_ for name in ("ours", "covariance_eigh"))
    found["variance_difference"] = float(np.abs(variance - expected).max() / expected.max())
    print(
        f"  ours / covariance eigh: {found['ours_by_pca']:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), the product "
        f"alone {bound:.2f} (goal: at most 2)\n  variances differ by {found['variance_difference']:.2g} of the largest"
    )
    return found


def ours(x: np.ndarray, labels: np.ndarray, count: int) -> linear.PCA:
    """PCA, LDA and figures of collapse."""
    sums = moments.collect(moments.blocks(x, labels), CLASSES)
    linear.LDA.from_moments(sums)
    collapse.figures(sums)
    return linear.PCA.from_moments(sums, count)


def streams(given) -> dict:
    sizes = {"rows": given.rows, "features": given.features, "batch-size": given.batch_size}
    options = [f"--{name}={value}" for name, value in sizes.items()]
    done = subprocess.run([sys.executable, __file__, "--only=stream", *options], check=False, capture_output=True)
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    first, again = json.loads(done.stdout.splitlines()[-1])
    print(f"\n{given.rows:,} x {given.features:,} in batches of {given.batch_size:,}, PCA, LDA and collapse of it")
    for name, row in (("right after imports", first), ("again, warm", again)):
        print(
            f"  {name}: {row['seconds']:.3g} s, of which {row['making_seconds']:.3g} s make features; growth of "
            f"anonymous memory {row['growth_mb']:.0f} MB (goal: less than 300)",
            flush=True,
        )
    return {"stream_after_imports": first, "stream_warm": again}


def stream(given) -> dict:
    making = []

    def timed():
        batches = features(given.rows, given.features, given.batch_size)
        while True:
            started = time.perf_counter()
            batch = next(batches, None)
            making.append(time.perf_counter() - started)
            if batch is None:
                return
            yield batch

    with watched() as memory:
        started = time.perf_counter()
        sums = moments.collect(timed(), CLASSES)
        linear.PCA.from_moments(sums, min(COMPONENTS, given.features))
        linear.LDA.from_moments(sums)
        figures = collapse.figures(sums)
        seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "making_seconds": sum(making),
        "growth_mb": max(memory) - memory[0],
        "nc1": figures["nc1"],
    }


def features(n: int, d: int, batch_size: int):
    """Batches of x float32 (batch, d) and labels (batch,): of ten normal classes, columns from a pool of random numbers
    that is cut anew for each batch, for drawing a million rows takes longer than their sums."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=(CLASSES, d)).astype(np.float32)
    scale = np.logspace(0, -2, d, dtype=np.float32)
    pool = rng.standard_normal((2 * batch_size, d), np.float32) * scale if batch_size < n else None
    for first in range(0, n, batch_size):
        size = min(batch_size, n - first)
        labels = rng.integers(0, CLASSES, size)
        x = means[labels]
        if pool is None:
            for part in np.array_split(x, 1 + size // 4096):
                part += rng.standard_normal(part.shape, np.float32) * scale
        else:
            start = rng.integers(0, batch_size)
            x += pool[start : start + size]
        yield x, labels


@contextlib.contextmanager
def watched():
    """Yields a list that fills with this process's anonymous memory in MB, while the block runs."""
    seen, over = [anonymous()], threading.Event()

    def look():
        while not over.wait(0.01):
            seen.append(anonymous())

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield seen
    finally:
        over.set()
        watch.join()


def anonymous() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


if __name__ == "__main__":
    main()
