"""tfxfer against fastai, where it is installed: the same EfficientNet-Lite0 weights, images and epochs.

10,000 digits (`mnist_sample`) at 96 x 96, divided as `data.load` divides them, without augmentation:

    head   frozen backbone, a new linear head, 5 epochs
    tail   as the head, and then 3 epochs of the last stage with it

fastai trains with `fit_one_cycle`, AdamW (its defaults, its batch norm trained, as `freeze` leaves it), tfxfer with
`train.fit` and `train.fine_tune`, each in float32 on the same threads, with four learning rates, of which validation
chooses one for each; the test images are looked at once, by the chosen one. Seconds are those of the chosen rate's
training, caches and first steps included, after a training of one batch that is not timed. Each way runs in a process
of its own. fastai and torch are no dependencies: `pip install fastai efficientnet_lite_pytorch`, in a folder of its own
if need be (`--packages DIR`).

Bound: fastai computes the frozen backbone in every epoch. With F for a forward pass, five epochs of the head take it
5F(1 + v), and tfxfer F(1 + v): 5 for equally fast forward passes.

    python benchmarks/peers.py --json FILE
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

RATES = (3e-4, 1e-3, 3e-3, 1e-2)
EPOCHS = {"head": 5, "tail": 3}
SIZE, BATCH = 96, 64


def main(argv: list[str] | None = None) -> dict:
    import common

    parser = common.parser(__doc__, limit=10000, seed=0, rates=",".join(map(str, RATES)))
    parser.add_argument("--packages", type=Path, help="a folder with fastai and torch, given to its process alone")
    given = parser.parse_args(argv)
    return common.run(measure, given)


def measure(given: argparse.Namespace) -> dict:
    """Writes the images to files, and trains with each library in a process of its own."""
    import common

    splits = common.mnist(given, given.limit)
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder, "images.npz")
        parts = {name: splits.rows[name] for name in ("train", "validation", "test")}
        np.savez(
            arrays, **{f"{k}_{n}": v for n, rows in parts.items() for k, v in (("x", rows.images), ("y", rows.labels))}
        )
        found = {way: _run(way, arrays, given) for way in ("tfxfer", "fastai")}
    if found["fastai"]:
        for what in EPOCHS:
            ratio = found["fastai"][what]["seconds"] / found["tfxfer"][what]["seconds"]
            found[f"{what}_ratio"] = ratio
            print(f"{what}: fastai's time by ours {ratio:.3g}", flush=True)
    return found


def _run(way: str, arrays: Path, given: argparse.Namespace) -> dict | None:
    packages = [str(given.packages)] if way == "fastai" and given.packages else []
    path = os.pathsep.join([*packages, os.environ.get("PYTHONPATH", "")])
    file = arrays.with_name(f"{way}.json")
    words = [sys.executable, __file__, way, str(arrays), str(file), str(given.seed), given.rates]
    done = subprocess.run(words, env=os.environ | {"PYTHONPATH": path}, check=False)
    if done.returncode == 3:
        print("fastai is not installed: only ours is measured", flush=True)
        return None
    done.check_returncode()
    return json.loads(file.read_text())


def chosen(what: str, trials: list[dict]) -> dict:
    """The trial with the highest validation accuracy; prints all of them."""
    for trial in trials:
        print(
            f"  {what}, rate {trial['rate']:g}: validation {trial['validation']:.4f}, {trial['seconds']:.1f} s",
            flush=True,
        )
    return max(trials, key=lambda trial: trial["validation"])


def by_tfxfer(arrays: Path, seed: int, rates: Sequence[float] = RATES) -> dict:
    import keras

    from tfxfer import analysis, data, features, model, train

    file = np.load(arrays)
    rows = {name: (file[f"x_{name}"], file[f"y_{name}"]) for name in ("train", "validation", "test")}
    train_rows = tuple(np.concatenate([rows["train"][i], rows["validation"][i]]) for i in (0, 1))
    share = len(rows["validation"][0]) / len(train_rows[0])
    splits = data.from_arrays(train_rows, rows["test"], validation=share, seed=seed)

    def fresh() -> keras.Model:
        keras.utils.set_random_seed(seed)
        return model.build("efficientnet_lite0", splits, SIZE)

    def test(net: keras.Model) -> float:
        bank = features.extract(net, splits.test, ("logits",))
        return analysis.metrics.accuracy(bank.labels, bank["logits"].argmax(1))

    train.fit(fresh(), splits.only(train=slice(BATCH), validation=slice(BATCH)), 1, batch_size=BATCH)
    trials, found, nets = {"head": [], "tail": []}, {}, {}
    for what, tried in trials.items():
        for rate in rates:
            net, started = fresh(), time.perf_counter()
            options = {"batch_size": BATCH, "cache": "memory", "seed": seed}
            history = train.fit(
                net, splits, EPOCHS["head"], rate if what == "head" else found["head"]["rate"], **options
            )
            if what == "tail":
                model.unfreeze_last(net, "last")
                history = train.fit(net, splits, EPOCHS["tail"], rate / 3, **options)
            trial = {"rate": rate, "seconds": time.perf_counter() - started, "validation": history["val_accuracy"][-1]}
            tried.append(trial)
            nets[what, rate] = net
        found[what] = chosen(f"tfxfer {what}", tried)
        found[what] = found[what] | {"test": test(nets[what, found[what]["rate"]])}
    return found


def network(classes: int, size: int) -> Any:
    """EfficientNet-Lite0 with ImageNet weights and a new linear head, in torch: uint8 (n, 3, h, w) -> logits."""
    from efficientnet_lite_pytorch import EfficientNet
    from torch import nn

    from tfxfer.model import architectures

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            checkpoint = architectures.lite0_checkpoint()
            self.body = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=checkpoint)
            self.head = nn.Linear(1280, classes)

        def forward(self, images):
            x = nn.functional.interpolate(images.float() / 127.5 - 1, (size, size), mode="bilinear")
            return self.head(self.body.extract_features(x).mean((2, 3)))

    return Network()


def stages(net: Any) -> list:
    """Parameters before the last stage, of the last stage with the 1 x 1 convolution behind it, and of the head."""
    body, last = net.body, len(net.body._blocks) - 1
    late = [*body._blocks[last].parameters(), *body._conv_head.parameters(), *body._bn1.parameters()]
    ids = {id(parameter) for parameter in late}
    return [[p for p in body.parameters() if id(p) not in ids], late, list(net.head.parameters())]


def by_fastai(arrays: Path, seed: int, rates: Sequence[float] = RATES) -> dict:
    import torch
    from fastai.basics import DataLoaders, Learner, accuracy, set_seed
    from fastai.callback import progress, schedule  # noqa: F401  add no_bar and fit_one_cycle to learners
    from torch import nn

    file = np.load(arrays)

    class Images(torch.utils.data.Dataset):
        def __init__(self, name: str):
            self.x, self.y = torch.from_numpy(file[f"x_{name}"]), torch.from_numpy(file[f"y_{name}"])

        def __len__(self) -> int:
            return len(self.y)

        def __getitem__(self, row: int) -> tuple:
            return self.x[row].permute(2, 0, 1).expand(3, -1, -1), self.y[row]

    loaders = DataLoaders.from_dsets(Images("train"), Images("validation"), bs=BATCH, num_workers=0)

    def fresh() -> Learner:
        set_seed(seed)
        return Learner(loaders, network(10, SIZE), loss_func=nn.CrossEntropyLoss(), metrics=accuracy, splitter=stages)

    def train(learner: Learner, what: str, rate: float, first: float) -> float:
        started = time.perf_counter()
        with learner.no_bar(), learner.no_logging():
            learner.freeze()
            learner.fit_one_cycle(EPOCHS["head"], rate if what == "head" else first)
            if what == "tail":
                learner.freeze_to(-2)
                learner.fit_one_cycle(EPOCHS["tail"], rate / 3)
        return time.perf_counter() - started

    warm = fresh()
    warm.model(loaders.one_batch()[0])
    trials, found, learners = {"head": [], "tail": []}, {}, {}
    for what, tried in trials.items():
        for rate in rates:
            learner = learners[what, rate] = fresh()
            seconds = train(learner, what, rate, found.get("head", {}).get("rate", 0.0))
            tried.append({"rate": rate, "seconds": seconds, "validation": float(learner.validate()[1])})
        found[what] = chosen(f"fastai {what}", tried)
        tested = learners[what, found[what]["rate"]].validate(dl=loaders.test_dl(Images("test"), with_labels=True))
        found[what] = found[what] | {"test": float(tested[1])}
    return found


if __name__ == "__main__":
    if len(sys.argv) == 6 and sys.argv[1] in ("tfxfer", "fastai"):
        _, way, arrays, result, seed, chosen_rates = sys.argv
        try:
            rates = [float(rate) for rate in chosen_rates.split(",")]
            trained = (by_tfxfer if way == "tfxfer" else by_fastai)(Path(arrays), int(seed), rates)
        except ModuleNotFoundError as error:
            if (
                way == "fastai"
                and error.name
                and error.name.partition(".")[0] in ("fastai", "torch", "efficientnet_lite_pytorch")
            ):
                sys.exit(3)
            raise
        Path(result).write_text(json.dumps(trained))
    else:
        main()
