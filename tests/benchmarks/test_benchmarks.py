"""Every benchmark runs and reports; that the figures are good is not for tests to say."""

import argparse
import importlib
import json
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest
import warm
from conftest import make_pictures, write_idx_set

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RESULTS = {"ratio", "spread", "bound", "share"}


@pytest.fixture(scope="module")
def mnist(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mnist")
    write_idx_set(folder)
    return folder


def options(mnist, file, text: str) -> list[str]:
    return [*text.split(), "--limit", "100", "--data-dir", str(mnist), "--json", str(file)]


@pytest.fixture
def run(mnist, tmp_path, monkeypatch):
    """Runs a benchmark's main in this process; what it returned, which is what it wrote."""
    monkeypatch.syspath_prepend(BENCHMARKS)

    def call(name: str, text: str) -> dict:
        file = tmp_path / "results.json"
        found = importlib.import_module(name).main(options(mnist, file, text))
        assert [path.name for path in tmp_path.iterdir()] == [file.name]
        written = json.loads(file.read_text())
        assert written == json.loads(json.dumps(found))
        check(written)
        return written

    return call


def check(results: dict) -> None:
    """Machine and arguments are there, without paths; ratios, seconds and shares are finite and positive."""
    assert results["machine"]["cpus"] > 0
    assert not {"json", "data_dir"} & results["arguments"].keys()
    numbers = dict(flat({k: v for k, v in results.items() if k not in ("machine", "arguments")}))
    assert all(math.isfinite(value) for value in numbers.values())
    positive = ("ratio", "seconds", "bound", "share", "second", "/t")
    assert all(value > 0 for name, value in numbers.items() if name.endswith(positive))


def test_the_bundled_digits_are_measured_on_by_default(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    common = importlib.import_module("common")
    assert common.mnist(common.parser("").parse_args([]), 20).name == "mnist_sample"


def flat(tree, path: str = ""):
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from flat(value, f"{path}/{key}")
    if not isinstance(tree, dict | list):
        yield path, tree


def has(row: dict, *names: str) -> bool:
    return {f"{name}_{what}" for name in names for what in RESULTS} <= row.keys()


def test_head(run):
    """The head's history is plain Keras's in every epoch, three of them measured."""
    row = run("prefix_cache", "--case head --backbone cnn --image-size 28 --epochs 4")["head"]
    assert has(row, "epoch", "total")
    assert len(row["loss_difference"]) == 3
    assert max(row["loss_difference"]) < 1e-4
    assert row["saved_model_difference"] < 1e-3
    assert {"t", "v", "forward_seconds", "simple_bound", "assembly_share"} <= row.keys()


def test_tail(run):
    row = run("prefix_cache", "--case mobilenet --backbone small_resnet --image-size 28 --epochs 2 --repeats 2")
    row = row["mobilenet"]
    assert has(row, "epoch", "total")
    assert row["loss_difference"][0] < 1e-4
    assert row["plain"].keys() == row["ours"].keys()


def test_sweep(run):
    row = run("sweep", "--backbone small_resnet --image-size 28 --epochs 1 --depths 0 6")["sweep"]
    assert has(row, "epochs", "total")
    for depth in ("depth_0", "depth_6"):
        assert has(row[depth], "epoch")
        assert row[depth]["loss_difference"][0] < 1e-4


def test_extraction(run):
    row = run("extraction", "--backbone cnn --image-size 28 --repeats 2 --batch-size 30")["extraction"]
    assert has(row, "extraction", "extraction_traced")
    assert row["feature_difference"] < 1e-4


def test_augmented(run):
    row = run("augmented", "--backbone small_resnet --image-size 28 --unfreeze 6 --epochs 2 --repeats 1")["augmented"]
    assert has(row, "epoch")
    assert row["folded_gain"] > 0
    assert row["loss_difference"] < 1e-4


def test_folding(tmp_path, monkeypatch):
    """One of the two settings, in this process."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    folding = importlib.import_module("folding")
    small = ["--cases", "small_resnet 28", "--repeats", "2", "--batches", "1", "--setting", "onednn"]
    found = folding.main([*small, "--json", str(tmp_path / "results.json")])
    check(json.loads((tmp_path / "results.json").read_text()))
    row = found["onednn"]["small_resnet 28"]
    for way in ("folded", "onnxruntime", "bare_onnxruntime"):
        assert row[f"{way}_difference"] < 1e-4
        assert row[f"{way}_spread"][0] <= row[f"{way}_ratio"] <= row[f"{way}_spread"][1]


def test_peers(tmp_path, monkeypatch):
    """Ours in this process; fastai, which is no dependency, is left out with a line where it is not installed."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    peers = importlib.import_module("peers")
    for name, value in {"EPOCHS": {"head": 1, "tail": 1}, "SIZE": 32, "BATCH": 16}.items():
        monkeypatch.setattr(peers, name, value)
    parts = {"train": make_pictures(60), "validation": make_pictures(20, seed=1), "test": make_pictures(20, seed=2)}
    arrays = tmp_path / "images.npz"
    columns = {f"{k}_{n}": v for n, (x, y) in parts.items() for k, v in (("x", x[..., None]), ("y", y))}
    np.savez(arrays, **columns)
    found = peers.by_tfxfer(arrays, 0, [1e-3])
    for what in ("head", "tail"):
        assert found[what]["rate"] == 1e-3
        assert 0 <= found[what]["validation"] <= 1
        assert 0 <= found[what]["test"] <= 1
        assert found[what]["seconds"] > 0
    assert peers._run("fastai", arrays, argparse.Namespace(packages=None, seed=0, rates="0.001")) is None


def test_scaling(mnist, tmp_path):
    """In a process of its own: devices have to be split before TensorFlow starts."""
    file = tmp_path / "results.json"
    text = "--backbone cnn --image-size 28 --unfreeze 2 --epochs 1 --repeats 1"
    command = [*warm.python(), str(BENCHMARKS / "scaling.py"), *options(mnist, file, text)]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    results = json.loads(file.read_text())
    check(results)
    assert has(results["scaling"], "mirrored")
    assert results["scaling"]["devices"] == 2
    assert results["scaling"]["loss_difference"] < 1e-4


def test_moments(run):
    found = run("moments", "--features 30 --repeats 2 --rows 400 --batch-size 64")["moments"]
    assert found["ours_by_pca"] > 0
    assert found["variance_difference"] < 1e-4
    assert found["stream_after_imports"]["nc1"] == pytest.approx(found["stream_warm"]["nc1"])


def test_scattering(run):
    row = run("scattering", "--repeats 2 --batch-size 32")["scattering"]
    assert has(row, "scattering")
    assert row["feature_difference"] < 1e-4


def test_soak(tmp_path, monkeypatch):
    """Two kills of a small network; fifty, of the real one, are the benchmark's."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    soak = importlib.import_module("soak")
    small = ["--backbone", "cnn", "--weights", "none", "--unfreeze", "3"]
    monkeypatch.setattr(soak, "OPTIONS", [*soak.OPTIONS, *small])
    monkeypatch.setattr(soak, "PYTHON", warm.python())
    found = soak.main(["--kills", "2", "--json", str(tmp_path / "results.json")])
    assert json.loads((tmp_path / "results.json").read_text()) == found
    row = found["soak"]
    assert row["kills"] == 2
    assert row["finished"] >= (row["resumed"] > 0)
    assert row["resumed"] + row["started"] >= 2


def test_report(run):
    row = run("report", "--repeats 1")["report"]
    assert has(row, "opening")
    assert row["ours_bytes"] < 5e6
    assert row["plain_bytes"] > 4.8e6  # plotly, whole


def test_probes(run):
    found = run("probes", "--dataset mnist --images 60 --test-images 20 --repeats 2")["probes"]
    for method in ("lda", "logistic", "svm", "random_forest", "knn"):
        assert found[method]["accuracy"] == pytest.approx(found[method]["plain_accuracy"], abs=0.15)
        assert found[method]["whole_accuracy"] > 0.5
        assert found[f"{method}_ratio"] > 0
    assert found["sum_spread"][0] <= found["sum_ratio"] <= found["sum_spread"][1]


def test_folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    folder = importlib.import_module("folder")
    monkeypatch.setattr(folder, "PYTHON", warm.python())
    monkeypatch.setattr(folder, "CASES", {"small": ((100, 76), 1.0)})
    file = tmp_path / "results.json"
    options = "--small 12 --image-size 24 --batch-size 5 --repeats 1"
    found = folder.main([*options.split(), "--json", str(file)])
    assert json.loads(file.read_text()) == found
    check(found)
    row = found["folder"]["small"]
    assert {f"{name}_{what}" for name in ("first", "second", "rerun") for what in ("ratio", "spread")} <= row.keys()
    assert row["plain_megabytes"] > 0
    assert row["first_megabytes"] > 0


def test_adaptation(run):
    """Both cases are there to run; here the small one, whose accuracies are shares under each corruption."""
    found = run("adaptation", "--epochs 1 --test-images 12")
    rows = {name: row for name, row in found.items() if name not in ("machine", "arguments")}
    assert {"clean", "fog", "saturate", "mean_15", "mean_19"} <= rows.keys()
    assert len(rows) == 1 + 19 + 2
    assert all(0 <= value <= 1 for row in rows.values() for value in row.values())


def test_near_duplicates(run):
    words = "--images 80 --side 48 --backbone cnn --others digits"
    found = run("near_duplicates", words)
    assert found["pixels"]["precision"] > 0.9
    assert {*found["auroc"]} == {"kinds", "looks"}
    assert found["digits"]["across_test"] <= 2


def test_transfer_pairs_images_over_seeds_and_measures_nothing_twice(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    transfer = importlib.import_module("transfer")
    rng, asked = np.random.default_rng(0), []

    def write(*words, given):
        _, way, _, file = words
        asked.append(way)
        right = rng.random(50) < {"transfer": 0.9, "guide": 0.3}[way]
        np.savez(file, right=right, seconds=60.0, ids=np.arange(50))
        return 0

    monkeypatch.setattr(transfer, "_words", write)
    words = ["--datasets", "digits", "--minutes", "1", "--seeds", "2", "--ways", "transfer,guide"]
    words += ["--results", str(tmp_path / "results"), "--json", str(tmp_path / "found.json")]
    found = transfer.main(words)["digits/1"]
    gap = found["differences"]["guide"]
    assert (gap["n"], gap["clusters"]) == (100, 50)
    accuracies = {way: np.mean([row["accuracy"] for row in rows]) for way, rows in found["rows"].items()}
    assert gap["only_second"] - gap["only_first"] == round(100 * (accuracies["transfer"] - accuracies["guide"]))
    assert 0 < gap["low"] < gap["high"]
    assert transfer.main(words)["digits/1"] == found
    assert asked == ["transfer", "guide"] * 2
