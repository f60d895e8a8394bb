"""`tfxfer transfer` against what people do otherwise, in the same time: test accuracy for each data set and limit.

    transfer     the recipe with --minutes M, which finds all of its settings itself
    guide        plain Keras, as its guide to transfer learning does it: the head on a frozen EfficientNet-Lite0 for a
                 third of the time, then the whole network with Adam(1e-5) and batch norm in inference mode; both stop
                 when their share of the time is over, and the best epoch by validation is kept
    quickstart   the recipe mobilenet_mnist with the settings of quickstart, whatever time they take
    fastai       `fine_tune` with the same weights, where fastai is installed: the rate of `lr_find`, and as many epochs
                 as fit into the time by the speed of the first batches

Data sets: digits, mnist_sample, Fashion-MNIST with 1,000 and 10,000 training images, and `folder`: seven classes of
Fashion-MNIST as a folder of PNG files, written on the spot. All ways see the same splits at the same size in pixels,
and each is tested once on the same test images. For each pair the difference in accuracy is printed with its 95%
interval over all seeds (`analysis.paired.difference`, the same image under several seeds being one cluster).

The time is that of the search alone: testing, explaining and exporting are not counted, for neither way. Bound: none;
in the best case the search finds the best of all settings at the first try, and its time is that of one training.

All of it takes eleven hours. With `--results DIR`, what each way got right is kept there, and is not measured again.

    python benchmarks/transfer.py --json FILE
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tfxfer.core import atomic

DATASETS = {  # name -> data set, limit
    "digits": ("digits", None),
    "mnist_sample": ("mnist_sample", None),
    "fashion_1000": ("fashion_mnist", 1000),
    "fashion_10000": ("fashion_mnist", 10000),
    "folder": ("folder", None),
}
WAYS = ("transfer", "guide", "quickstart", "fastai")


def main(argv: list[str] | None = None) -> dict:
    import common

    sets, ways = ",".join(DATASETS), ",".join(WAYS)
    parser = common.parser(__doc__, datasets=sets, minutes="1,3,10", seeds=3, ways=ways, image_size=96)
    parser.add_argument("--packages", type=Path, help="a folder with fastai and torch, given to its process alone")
    parser.add_argument("--results", type=Path, help="a folder for results, which are not measured again")
    return common.run(measure, parser.parse_args(argv))


def measure(given: argparse.Namespace) -> dict:
    """Runs every way on every data set, with each time limit and seed, each in a process of its own, in turn."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in given.datasets.split(","):
            dataset, limit = DATASETS[name]
            if dataset == "folder":
                dataset = f"{folder}/pictures"
                _words("-m", "tfxfer", "make-folder", "--folder", dataset, given=given)
            for minutes in map(float, given.minutes.split(",")):
                rows: dict[str, list[dict]] = {}
                for seed in range(given.seeds):
                    for way in given.ways.split(","):
                        what = f"{name}, {minutes:g} min, seed {seed}, {way}"
                        asked = {"dataset": dataset, "limit": limit, "minutes": minutes, "seed": seed}
                        file = (given.results or Path(folder)) / f"{what.replace(', ', '-').replace(' ', '')}.npz"
                        if row := _run(way, asked | {"image_size": given.image_size}, file, given):
                            rows.setdefault(way, []).append(row)
                            print(f"{what}: {row['accuracy']:.4f}, {row['seconds']:.0f} s", flush=True)
                ids = [row["ids"] for row in next(iter(rows.values()))]
                gaps = differences({way: [row.pop("right") for row in each] for way, each in rows.items()}, ids)
                for row in [row for each in rows.values() for row in each]:
                    del row["ids"]
                found[f"{name}/{minutes:g}"] = {"rows": rows, "differences": gaps}
                for way, gap in gaps.items():
                    between = f"{gap['difference']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f})"
                    print(f"{name}, {minutes:g} min: transfer less {way} {between}", flush=True)
    return found


def differences(right: dict[str, list[np.ndarray]], ids: list[np.ndarray]) -> dict[str, dict[str, float]]:
    """What transfer gets right more often than each other way, over all seeds, with 95% intervals.

    Args:
        right: for each way and seed, which test images were right, the same ones in the same order.
        ids: for each seed, the numbers of these images.
    """
    from tfxfer import analysis

    gaps = {}
    for way in [way for way in right if way != "transfer" and "transfer" in right]:
        pair = (np.concatenate(right[each]) for each in (way, "transfer"))
        gaps[way] = analysis.paired.difference(*pair, clusters=np.concatenate(ids))
    return gaps


def _words(*words: str, given: argparse.Namespace) -> int:
    packages = [str(given.packages)] if given.packages else []
    path = os.pathsep.join([*packages, os.environ.get("PYTHONPATH", "")])
    return subprocess.run([sys.executable, *words], env=os.environ | {"PYTHONPATH": path}, check=False).returncode


def _run(way: str, asked: dict, file: Path, given: argparse.Namespace) -> dict | None:
    """What a way found: accuracy, seconds, and which test images it got right; None if it is not installed."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        code = _words(__file__, way, json.dumps(asked), str(file), given=given)
        if code == 3:
            return None
        if code:
            raise RuntimeError(f"{way} ended with {code}")
    with np.load(file) as result:
        right, seconds, ids = result["right"], float(result["seconds"]), result["ids"]
    return {"accuracy": float(right.mean()), "seconds": seconds, "right": right, "ids": ids}


def load(asked: dict) -> Any:
    """The splits, the same for all ways."""
    from tfxfer import data

    return data.load(asked["dataset"], limit=asked["limit"], image_size=asked["image_size"], seed=asked["seed"])


def by_transfer(asked: dict) -> tuple[np.ndarray, float]:
    from tfxfer.recipes import transfer

    return _recipe(
        transfer,
        minutes=asked["minutes"],
        skip="look,learning_curve,calibration",
        aspect="squash",
        image_size=asked["image_size"],
        dataset=asked["dataset"],
        limit=asked["limit"],
        seed=asked["seed"],
    )


def by_quickstart(asked: dict) -> tuple[np.ndarray, float]:
    from tfxfer.recipes import quickstart

    return _recipe(quickstart, dataset=asked["dataset"], limit=asked["limit"], seed=asked["seed"])


def _recipe(recipe: Any, **options: Any) -> tuple[np.ndarray, float]:
    """Runs a recipe; the seconds are those of its search, or else of its training."""
    import tfxfer

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as printed:
        metrics = recipe.main(**options, out=folder)
        run = tfxfer.load(printed.getvalue().strip().splitlines()[-1])
        tested = run.banks["test"]
        right = np.asarray(tested["logits"]).argmax(1) == tested.labels
    return right, metrics.get("search/seconds") or metrics["seconds/training"]


def by_guide(asked: dict) -> tuple[np.ndarray, float]:
    """Keras's guide to transfer learning and fine-tuning, on the clock."""
    import keras

    from tfxfer import model

    splits = load(asked)
    keras.utils.set_random_seed(asked["seed"])
    net = model.build("efficientnet_lite0", splits, asked["image_size"])  # the same graph, trained by Keras alone

    class Clock(keras.callbacks.Callback):
        """Ends the training when the time is over, and keeps the best epoch by validation."""

        def __init__(self, seconds: float):
            super().__init__()
            self.end, self.best, self.weights = time.perf_counter() + seconds, -1.0, None

        def on_train_batch_end(self, batch, logs=None):
            if time.perf_counter() > self.end:
                self.model.stop_training = True

        def on_epoch_end(self, epoch, logs=None):
            if logs.get("val_accuracy", -1.0) > self.best:
                self.best, self.weights = logs["val_accuracy"], self.model.get_weights()

    def pairs(split: str, seed: int | None = None) -> Any:
        batches = splits.batches(split, 32, seed, epochs=10_000 if seed is not None else 1)
        return batches.map(lambda batch: (batch["image"], batch["label"]))

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    started, limit = time.perf_counter(), 60 * asked["minutes"]
    steps = -(-splits.size("train") // 32)
    for rate, until in ((1e-3, limit / 3), (1e-5, limit)):
        clock = Clock(until - (time.perf_counter() - started))
        net.compile(keras.optimizers.Adam(rate), loss, ["accuracy"])
        net.fit(
            pairs("train", asked["seed"]),
            steps_per_epoch=steps,
            epochs=10_000,
            validation_data=pairs("validation"),
            callbacks=[clock],
            verbose=0,
        )
        if clock.weights:
            net.set_weights(clock.weights)
        model.unfreeze_last(net, "all", train_batch_norm=False)
    seconds = time.perf_counter() - started
    predicted = np.concatenate([net.predict_on_batch(images).argmax(1) for images, _ in pairs("test")])
    return predicted == splits.rows["test"].labels, seconds


def by_fastai(asked: dict) -> tuple[np.ndarray, float]:
    import torch
    from fastai.basics import DataLoaders, accuracy, set_seed
    from fastai.callback import progress, schedule  # noqa: F401  add no_bar, lr_find and fine_tune to learners
    from fastai.learner import Learner
    from peers import network, stages  # the same weights

    splits = load(asked)

    class Images(torch.utils.data.Dataset):
        def __init__(self, split: str):
            batches = [batch["image"].numpy() for batch in splits.batches(split, 256)]
            self.x, self.y = torch.from_numpy(np.concatenate(batches)), torch.from_numpy(splits.rows[split].labels)

        def __len__(self) -> int:
            return len(self.y)

        def __getitem__(self, row: int) -> tuple:
            return self.x[row].permute(2, 0, 1).expand(3, -1, -1), self.y[row]

    loaders = DataLoaders.from_dsets(Images("train"), Images("validation"), bs=64, num_workers=0)
    set_seed(asked["seed"])
    net = network(len(splits.classes), asked["image_size"])
    learner = Learner(loaders, net, loss_func=torch.nn.CrossEntropyLoss(), metrics=accuracy, splitter=stages)
    started, limit = time.perf_counter(), 60 * asked["minutes"]
    with learner.no_bar(), learner.no_logging():
        learner.freeze()
        rate = learner.lr_find(show_plot=False).valley
        learner.unfreeze()
        one = time.perf_counter()
        learner.model.train()
        images, labels = loaders.one_batch()
        learner.loss_func(learner.model(images), labels).backward()
        step = time.perf_counter() - one
        learner.model.zero_grad()
        learner.freeze()
        left = limit - (time.perf_counter() - started)
        epoch = step * len(loaders.train)
        epochs = max(1, int((left - epoch / 2) / epoch))  # fine_tune begins with one epoch of the head
        learner.fine_tune(epochs, rate)
    seconds = time.perf_counter() - started
    outputs, targets = learner.get_preds(dl=loaders.test_dl(Images("test"), with_labels=True))
    return (outputs.argmax(1) == targets).numpy(), seconds


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in WAYS:
        _, chosen, options, result = sys.argv
        try:
            right, seconds = globals()[f"by_{chosen}"](json.loads(options))
        except ModuleNotFoundError as error:
            if chosen == "fastai" and (error.name or "").partition(".")[0] in ("fastai", "torch"):
                sys.exit(3)
            raise
        with atomic.file(Path(result)) as beside:
            np.savez(beside, right=right, seconds=seconds, ids=load(json.loads(options)).ids["test"])
    else:
        main()
