"""Reading a folder of photos against `keras.utils.image_dataset_from_directory`, to 224 x 224 in batches of 32.

The photos are made on the spot: parts of scikit-learn's two sample photographs with some grain, as JPEGs of quality 90,
of 500 x 375 pixels (64 KB each) and of 2,000 x 1,500 (680 KB). Keras decodes and resizes every file in every pass,
without antialiasing. Ours is `data.load` and a pass over the three splits: `first` with an empty cache, so that every
file is checked, decoded, resized with antialiasing, and kept; `second` is one more pass, as in the next epoch; `rerun`
is `data.load` and a pass in a later run. In turn, after one round that is not measured. The most memory that a process
takes beyond its imports is measured in processes of their own; files that are mapped do not count.

Goals: 0.95 of Keras's speed in the first pass over small photos, 3 times over large ones, 5 times in every later pass.
Both goals of the first pass are missed: 0.57 and 1.5 on 29 November 2026, 0.49 and 1.15 the day after (five rounds
each, other jobs beside them). What bounds it, in milliseconds of one core for each file, where both cores are busy:

                    500 x 375                            2,000 x 1,500
    Keras           0.9 decoding, 0.5 resizing           10.1 decoding, 0.9 resizing
    ours            1.3 decoding, 0.9 resizing with      7.6 decoding at 1/4, 0.9 resizing,
                    antialiasing, 0.1 digest, 0.1 to     0.2 digest and writing
                    write

Of small photos every pixel is needed (half of 375 is less than 224), and Pillow's antialiased resizing, the fastest of
those tried, takes twice as long as resizing without (TensorFlow's takes 1.9, libvips with decoding 3.0). Of large ones
decoding at 1/8 still takes 6.1: that is the entropy coding, which has to be read whole, so that nothing could be more
than 1.8 times as fast as Keras. Version 0.1 read the small photos at 0.6 and the large ones at 0.15 of this speed.

    python benchmarks/folder.py --json FILE
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import common
import costs
import keras
import numpy as np
import psutil
from PIL import Image
from sklearn.datasets import load_sample_images

from tfxfer import data
from tfxfer.data import image_decoding, kept_pixels
from tfxfer.data.splits import SPLITS

PYTHON = [sys.executable]
CASES = {"small": ((500, 375), 0.95), "large": ((2000, 1500), 3.0)}  # width and height; goal of the first pass
LATER = 5.0  # goal of every later pass


def main(argv: list[str] | None = None) -> dict:
    options = {"small": 2000, "large": 200, "image_size": 224, "batch_size": 32, "repeats": 5}
    return common.run(measure, common.parser(__doc__, **options).parse_args(argv))


def measure(given) -> dict:
    found = {}
    for case, (size, goal) in CASES.items():
        with tempfile.TemporaryDirectory() as home:
            n = getattr(given, case)
            write_photos(Path(home), n, size)
            print(f"\n{n:,} photos of {size[0]:,} x {size[1]:,} to {given.image_size}", flush=True)
            passes = Passes(home, given.image_size, given.batch_size)
            found[case] = compare(passes, n, given.repeats, goal) | profile(passes, n)
            for name in ("plain", "first"):
                found[case][f"{name}_megabytes"] = megabytes = memory(name, passes)
                print(f"  {name}: at most {megabytes:,.0f} MB more than after the imports", flush=True)
    return {"folder": found}


def write_photos(folder: Path, n: int, size: tuple[int, int]) -> None:
    """Writes n JPEGs of one size (width, height) in two classes."""
    rng, (width, height) = np.random.default_rng(0), size
    photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    for number in range(n):
        whole = photographs[number % 2]
        scale = rng.uniform(0.6, 1) * min(whole.width / width, whole.height / height)
        left, top = (rng.uniform(0, have - scale * want) for have, want in zip(whole.size, size))
        part = whole.resize(size, Image.Resampling.BICUBIC, (left, top, left + scale * width, top + scale * height))
        pixels = np.asarray(part) + rng.normal(0, 4, (height, width, 1))
        place = folder / "ab"[number % 2] / f"{number:05}.jpg"
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(place, quality=90)


class Passes:
    """Each way to read a folder's images once; a pass returns how many there were."""

    def __init__(self, photos: str, size: int, batch_size: int):
        self.photos, self.size, self.batch_size = photos, size, batch_size

    def plain(self) -> int:
        options = {"image_size": (self.size, self.size), "batch_size": self.batch_size, "shuffle": False}
        dataset = keras.utils.image_dataset_from_directory(self.photos, verbose=False, **options)
        return sum(len(labels) for _, labels in dataset)

    def first(self) -> int:
        shutil.rmtree(os.environ["TFXFER_CACHE"], ignore_errors=True)
        return self.rerun()

    def second(self) -> int:
        batches = (batch for split in SPLITS for batch in self.splits.batches(split, self.batch_size))
        return sum(len(batch["label"]) for batch in batches)

    def rerun(self) -> int:
        self.splits = data.load(self.photos, image_size=self.size)
        return self.second()


def compare(passes: Passes, n: int, repeats: int, goal: float) -> dict:
    """Times all passes in turn; prints and returns median seconds and ratios."""
    seconds: dict[str, list[float]] = {name: [] for name in ("plain", "first", "second", "rerun")}
    for once in range(repeats + 1):
        for name, values in seconds.items():
            started = time.perf_counter()
            if (seen := getattr(passes, name)()) != n:
                raise RuntimeError(f"{name}: {seen} images of {n}")
            if once:
                values.append(time.perf_counter() - started)
    found = {}
    for name, values in seconds.items():
        found[f"{name}_seconds"] = middle = statistics.median(values)
        print(f"  {name}: {middle:.3g} s ({min(values):.3g} to {max(values):.3g}), {n / middle:,.0f} images/s")
        if name != "plain":
            ratios = costs.paired(seconds["plain"], values)
            found[f"{name}_ratio"], found[f"{name}_spread"] = statistics.median(ratios), [min(ratios), max(ratios)]
            aim = goal if name == "first" else LATER
            print(f"    ratio {found[f'{name}_ratio']:.3g} ({min(ratios):.3g} to {max(ratios):.3g}), goal {aim}")
    return found


def profile(passes: Passes, n: int) -> dict[str, float]:
    """Milliseconds of one core that a file takes: what bounds the first pass."""
    files, size = [str(file) for file in sorted(Path(passes.photos).rglob("*.jpg"))[: min(n, 60)]], passes.size
    clock = [time.process_time()]

    def lap() -> float:
        clock.append(time.process_time())
        return (clock[-1] - clock[-2]) * 1e3 / len(files)

    pictures = [image_decoding.decode(file, size) for file in files]
    found = {"decode_milliseconds": lap()}
    images = [np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR)) for picture in pictures]
    found["resize_milliseconds"] = lap()
    for image in images:
        kept_pixels.digest(image)
    found["digest_milliseconds"] = lap()
    print(f"  of one core, for each file: {costs.listed(found)}", flush=True)
    return found


def memory(name: str, passes: Passes) -> float:
    """The most memory, in megabytes, that one pass takes in a process of its own."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import folder; folder.watch(*sys.argv[1:])"
    words = [*PYTHON, "-c", code, name, passes.photos, str(passes.size), str(passes.batch_size)]
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"TFXFER_CACHE": cache}
        done = subprocess.run(words, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def watch(name: str, photos: str, size: str, batch_size: str) -> None:
    """Prints by how many megabytes a pass makes this process's own memory grow, looked at every 5 ms."""
    process, over = psutil.Process(), threading.Event()

    def own() -> int:
        facts = process.memory_info()
        return facts.rss - getattr(facts, "shared", 0)

    before, most = own(), [0]

    def look() -> None:
        while not over.wait(0.005):
            most[0] = max(most[0], own() - before)

    thread = threading.Thread(target=look)
    thread.start()
    getattr(Passes(photos, int(size), int(batch_size)), name)()
    over.set()
    thread.join()
    print(json.dumps(most[0] / 1e6))


if __name__ == "__main__":
    main()
