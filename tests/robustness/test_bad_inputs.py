"""What people type by accident, over all recipes and commands: one line that says what came, what was expected and what
to do, exit code 2, before anything is computed, and nothing is left behind."""

import json
import re
import shutil
import sys
import warnings

import numpy as np
import pytest
import tensorflow_datasets as tfds
import tfds_sets
from conftest import make_pictures, write_idx, write_idx_set
from PIL import Image

from tfxfer.cli import main as cli
from tfxfer.data import binary_readers
from tfxfer.recipes import RECIPES

TRAINING = [name for name in RECIPES if name != "study"]
SMALL = {
    "study": ["--backbone", "cnn", "--weights", "none", "--image-size", "28", "--limit", "100"],
    "quickstart": ["--backbone", "cnn", "--weights", "none", "--unfreeze", "1", "--limit", "100"],
    "mobilenet_mnist": ["--dataset", "digits", "--backbone", "cnn", "--weights", "none", "--unfreeze", "all"],
    "fashion_features": [
        "--dataset",
        "digits",
        "--backbones",
        "pixels",
        "--tune",
        "efficientnet_lite0",
        "--limit",
        "100",
    ],
    "fashion_models": ["--dataset", "digits", "--backbones", "cnn", "--limit", "100"],
    "cifar10c_shift": ["--dataset", "idx:{home}/idx", "--backbone", "cnn", "--weights", "none", "--image-size", "28"],
    "pretrain": ["--dataset", "digits", "--backbone", "cnn", "--image-size", "28", "--limit", "100"],
    "few_shot": ["--backbone", "cnn", "--weights", "none", "--image-size", "28", "--limit", "100", "--unfreeze", "1"],
    "rank": ["--backbones", "pixels", "--limit", "100"],
    "fashion_groups": ["--backbones", "dropout_cnn", "--limit", "100"],
    "emotion_resnet18": [
        "--backbone",
        "cnn",
        "--weights",
        "none",
        "--image-size",
        "28",
        "--limit",
        "100",
        "--depths",
        "0,1",
    ],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Files and folders that are not what they should be, and a run without its network."""
    home = tmp_path_factory.mktemp("bad")
    write_idx_set(home / "idx", suffix="")
    for name in ("short", "swapped", "no_labels", "sizes", "strange"):
        shutil.copytree(home / "idx", home / name)
    images, labels, test_images, test_labels = binary_readers.IDX_FILES
    content = (home / "idx" / images).read_bytes()
    (home / "short" / images).write_bytes(content[:-5])
    (home / "swapped" / images).write_bytes((home / "idx" / labels).read_bytes())
    (home / "no_labels" / labels).unlink()
    write_idx(home / "sizes" / test_images, make_pictures(50, side=32)[0])
    write_idx(home / "strange" / test_labels, np.full(50, 77))
    shutil.copytree(home / "idx", home / "copied")
    shutil.copy(home / "copied" / images, home / "copied" / test_images)
    shutil.copy(home / "copied" / labels, home / "copied" / test_labels)
    (home / "file").write_text("no folder")
    (home / "net.h5").write_text("no weights")
    (home / "text.keras").write_text("no network")
    (home / "one" / "cats").mkdir(parents=True)
    Image.fromarray(images_of(1)[0]).save(home / "one" / "cats" / "1.png")
    (home / "hollow" / "cats").mkdir(parents=True)
    (home / "hollow" / "dogs").mkdir()
    (home / "empty").mkdir()
    for name in ("cats", "dogs"):
        (home / "torn" / name).mkdir(parents=True)
        for number, image in enumerate(images_of(12)):
            Image.fromarray(image).save(home / "torn" / name / f"{number}.png")
    (home / "torn" / "dogs" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    (home / "cifar" / "cifar-10-batches-bin").mkdir(parents=True)
    for name in binary_readers.CIFAR10_FILES:
        (home / "cifar" / "cifar-10-batches-bin" / name).write_bytes(bytes(3072))
    (home / "corrupted" / "CIFAR-10-C").mkdir(parents=True)
    np.save(home / "corrupted" / "CIFAR-10-C" / "fog.npy", np.zeros(3))
    (home / "run").mkdir()
    facts = {"recipe": "quickstart", "classes": ["a", "b"], "arguments": {}, "started": "", "versions": {}}
    for name, text in (("run.json", json.dumps(facts)), ("metrics.json", "{}"), ("history.csv", "epoch\n")):
        (home / "run" / name).write_text(text)
    shutil.copytree(home / "run", home / "cut_run")
    (home / "cut_run" / "history.csv").write_text("epoch,loss,accuracy\n1,0.5,0.9\n2,0.")
    shutil.copytree(home / "run", home / "no_data")
    (home / "run" / "run.json").write_text(json.dumps(facts | {"data": {"name": "digits"}}))
    (home / "torn_run").mkdir()
    (home / "torn_run" / "run.json").write_text('{"recipe": ')
    (home / "out" / "quickstart" / "20260101-000000").mkdir(parents=True)
    (home / "out" / "quickstart" / "20260101-000000" / "run.json").write_text("{}")
    store_tfds(home / "tfds")
    return home


def store_tfds(folder):
    """Data sets that TFDS has prepared, each with one thing that is not as it should be."""
    labels, text = tfds_sets.FEATURES, tfds.features.Text()
    tfds_sets.store(folder, "plain")
    tfds_sets.store(folder, "untold", lambda n: tfds_sets.example(n) | {"label": "x"}, labels | {"label": text})
    tfds_sets.store(folder, "blind", lambda n: tfds_sets.example(n) | {"image": "x"}, labels | {"image": text})
    twice = labels | {"coarse": labels["label"]}
    tfds_sets.store(folder, "twice", lambda n: tfds_sets.example(n) | {"coarse": 0}, twice)
    tfds_sets.store(folder, "hidden", lambda n: tfds_sets.example(n) | {"label": -1})
    tfds_sets.store(folder, "tested", splits={"test": range(6)})
    shard = tfds_sets.store(folder, "torn_set") / "torn_set-train.tfrecord-00000-of-00001"
    shard.write_bytes(shard.read_bytes()[:-9])


def images_of(n):
    return make_pictures(n)[0]


TFDS = ["--data-dir", "{home}/tfds", "--dataset"]
FITTING = [name for name in TRAINING if name not in ("transfer", "few_shot")]  # with these options of a fit
BAD = [
    # sources
    ("quickstart", ["--dataset", ""], "unknown data set ''"),
    ("quickstart", ["--dataset", "folder:"], "unknown data set 'folder:'"),
    ("quickstart", ["--dataset", "cifar100"], "unknown data set 'cifar100'"),
    ("pretrain", ["--dataset", "mnist", "--data-dir", "{home}/file"], "file is not a folder"),
    ("pretrain", ["--dataset", "idx:{home}/empty"], "train-images-idx3-ubyte.* missing"),
    ("pretrain", ["--dataset", "idx:{home}/short"], "the file has only"),
    ("pretrain", ["--dataset", "idx:{home}/swapped"], "magic number 00000801, expected 00000803"),
    ("pretrain", ["--dataset", "idx:{home}/no_labels"], "train-labels-idx1-ubyte missing"),
    ("pretrain", ["--dataset", "idx:{home}/sizes"], "training and test images differ in size"),
    ("pretrain", ["--dataset", "idx:{home}/strange"], "label 77 is not among the training labels"),
    ("pretrain", ["--dataset", "cifar10", "--data-dir", "{home}/cifar"], "3,072 bytes, expected a multiple of 3,073"),
    ("pretrain", ["--dataset", "folder:{home}/file"], "is not a folder"),
    ("pretrain", ["--dataset", "folder:{home}/empty"], "0 class folders found, expected at least 2"),
    ("pretrain", ["--dataset", "folder:{home}/one"], "1 class folders found, expected at least 2"),
    ("pretrain", ["--dataset", "folder:{home}/hollow"], "no .jpg, .jpeg, .png, .webp, .bmp, .gif, .tif, .tiff files"),
    ("pretrain", ["--dataset", "folder:{home}/torn", "--limit", "20"], r"dogs/3\.png"),
    ("mobilenet_mnist", ["--dataset", "idx:{home}/idx", "--data-dir", "{home}"], "does not look there: leave it out"),
    ("mobilenet_mnist", ["--limit", "2"], "limit 2 is less than one image"),
    ("pretrain", ["--dataset", "tfds:"], "unknown data set 'tfds:'"),
    ("pretrain", ["--dataset", "tfds:../x"], "expected tfds:NAME, tfds:NAME/CONFIG or tfds:NAME/CONFIG:VERSION"),
    ("pretrain", ["--dataset", "tfds:plain", "--data-dir", "{home}/nowhere"], "nowhere is not a folder"),
    ("pretrain", [*TFDS, "tfds:plane"], "unknown data set tfds:plane: expected a name that TFDS knows .* plain"),
    ("pretrain", [*TFDS, "tfds:plain:2.0.0"], "unknown data set tfds:plain:2.0.0"),
    ("pretrain", [*TFDS, "tfds:cifar10_1/v5"], "tfds:cifar10_1/v5: .*TFDS has v4, v6"),
    ("pretrain", [*TFDS, "tfds:untold"], "tfds:untold has no label among its features image, label"),
    ("pretrain", [*TFDS, "tfds:blind"], "tfds:blind has no image among its features image, label"),
    ("pretrain", [*TFDS, "tfds:twice"], "has 2 labels, coarse, label: choose one, such as --label-key label"),
    ("pretrain", [*TFDS, "tfds:twice", "--label-key", "fine"], "label_key 'fine': expected coarse or label"),
    ("pretrain", [*TFDS, "tfds:plain", "--image-key", ""], "image_key '': expected image"),
    ("pretrain", [*TFDS, "tfds:hidden"], "24 of 24 labels of the split train are hidden"),
    ("pretrain", [*TFDS, "tfds:tested"], "has the splits test, and none called train: give data.from_dataset"),
    ("pretrain", [*TFDS, "tfds:torn_set"], "a file in .*/torn_set/1.0.0 is missing or damaged .*: remove that folder"),
    ("pretrain", ["--image-key", "image"], "image_key and label_key were given for digits: .*leave them out"),
    (
        "pretrain",
        ["--dataset", "tfds:beans"],
        "could not prepare it .DownloadError: https.*; this works offline: tfxfer pretrain",
    ),
    ("rank", [*TFDS, "tfds:twice"], "has 2 labels, coarse, label: choose one"),
    (
        "pretrain",
        ["--dataset", "cifar10_corrupted", "--data-dir", "{home}/corrupted"],
        "missing, expected CIFAR-10",
    ),
    ("cifar10c_shift", ["--dataset", "cifar10_corrupted", "--data-dir", "{home}/nowhere"], "nowhere is not a folder"),
    ("cifar10c_shift", ["--dataset", "cifar10_corrupted/hail"], "hail"),
    ("cifar10c_shift", ["--dataset", "cifar10_corrupted", "--frost-textures", "{home}"], "leave frost_textures out"),
    ("cifar10c_shift", ["--frost-textures", "{home}/file"], "frost_textures .*/file is not a folder"),
    ("cifar10c_shift", ["--frost-textures", "{home}/empty"], "no .jpg, .jpeg or .png files in it: expected photogr"),
    ("cifar10c_shift", ["--frost-textures", "{home}/torn/cats"], "0.png: 28 x 28 pixels, expected a photograph of at"),
    ("fashion_models", ["--dataset", "fashion"], "unknown data set 'fashion'"),
    ("rank", ["--dataset", "fashion"], "unknown data set 'fashion'"),
    ("pretrain", ["--dataset", "{home}/nowhere"], "nowhere: no such folder: expected one of digits"),
    ("pretrain", ["--dataset", "{home}/empty"], "0 class folders found, expected at least 2"),
    ("pretrain", ["--dataset", "{home}/sizes"], "training and test images differ in size"),
    *(
        (
            recipe,
            ["--dataset", "{home}/copied", "--strict"],
            r"test images also in training or validation: \d+,",
        )
        for recipe in RECIPES
    ),
    ("transfer", ["--keep", "last"], "No such option"),
    ("transfer", ["--minutes", "0"], "minutes 0.0: expected a finite number above zero"),
    ("transfer", ["--goal", "f1"], "goal 'f1': expected one of accuracy"),
    ("transfer", ["--skip", "sleep"], "skip 'sleep': expected some of look"),
    ("transfer", ["--backbones", "pixels"], "pixels has nothing to fine-tune"),
    # numbers
    ("quickstart", ["--epochs", "-1"], "greater than or equal to 1"),
    ("quickstart", ["--epochs", "2.5"], "'--epochs'"),
    ("quickstart", ["--batch-size", "0"], "greater than or equal to 1"),
    ("quickstart", ["--learning-rate", "-1e-3"], "learning_rate -0.001: expected"),
    ("quickstart", ["--learning-rate", "nan"], "learning_rate nan: expected"),
    ("quickstart", ["--learning-rate", "inf"], "learning_rate inf: expected"),
    ("quickstart", ["--learning-rate", "fast"], "'--learning-rate'"),
    ("quickstart", ["--seed", "-1"], "greater than or equal to 0"),
    ("quickstart", ["--limit", "0"], "greater than or equal to 1"),
    ("mobilenet_mnist", ["--image-size", "0"], "greater than or equal to 1"),
    ("pretrain", ["--aspect", "stretch"], "aspect 'stretch': expected one of squash, crop, pad"),
    ("rank", ["--aspect", "stretch"], "aspect 'stretch': expected one of squash, crop, pad"),
    ("fashion_features", ["--tune-epochs", "0"], "greater than or equal to 1"),
    ("fashion_features", ["--learning-rate", "0"], "learning_rate 0.0: expected"),
    ("fashion_models", ["--learning-rate", "0"], "learning_rate 0.0: expected"),
    ("cifar10c_shift", ["--learning-rate", "0"], "learning_rate 0.0: expected"),
    ("cifar10c_shift", ["--surgery-images", "0"], "greater than or equal to 1"),
    ("cifar10c_shift", ["--grid-images", "-1"], "greater than or equal to 0"),
    ("rank", ["--limit", "0"], "greater than or equal to 1"),
    ("rank", ["--seed", "4294967296"], "'--seed'"),
    *[(recipe, ["--early-stopping", "0"], "greater than or equal to 1") for recipe in FITTING],
    *[(recipe, ["--keep", "first"], "keep 'first': expected one of best, last") for recipe in FITTING],
    ("study", ["--keep", "best"], "No such option: --keep"),
    *[(recipe, ["--validation", "1"], r"validation 1\.0: expected a share between 0 and 1") for recipe in RECIPES],
    *[(recipe, ["--test", "0"], r"test 0\.0: expected a share between 0 and 1") for recipe in RECIPES],
    (
        "pretrain",
        ["--dataset", "idx:{home}/idx", "--test", "0.3"],
        r"test 0\.3: .*has its own test images, .*leave te",
    ),
    # names
    ("quickstart", ["--cache", "ram"], "cache 'ram': expected one of auto, memory, disk, off"),
    ("quickstart", ["--precision", "float64"], "precision 'float64': expected one of float32, bfloat16, float16, auto"),
    *[(recipe, ["--jit", "yes"], "jit 'yes': expected one of auto, on, off") for recipe in TRAINING],
    ("quickstart", ["--engine", "xla"], "engine 'xla': expected one of auto, tensorflow, onnxruntime"),
    ("quickstart", ["--strategy", "gpu"], "strategy 'gpu': expected one of none, mirrored"),
    ("quickstart", ["--views", "4"], "views 4: .*augment"),
    ("quickstart", ["--views", "4", "--augment", "--cache", "off"], "views 4 with cache 'off'"),
    ("quickstart", ["--unfreeze", "-1"], "expected a whole number, a stage's name, or all, got '-1'"),
    ("quickstart", ["--unfreeze", "stage99"], "unknown stage 'stage99': expected one of cnn's"),
    ("quickstart", ["--weights", "{home}/net.h5"], r"net\.h5 do not fit cnn"),
    ("quickstart", ["--weights", "imagenet"], "cnn has no ImageNet weights"),
    ("quickstart", ["--backbone", "efficientnet_lite0", "--image-size", "1", "--weights", "{home}"], "no such file"),
    ("mobilenet_mnist", ["--protocol", "paper"], "protocol 'paper': expected one of tfxfer, as_published"),
    ("mobilenet_mnist", ["--cache", ""], "cache '': expected one of"),
    ("fashion_features", ["--backbones", "pixels,alexnet"], "unknown backbone 'alexnet'"),
    ("fashion_features", ["--backbones", ""], "unknown backbone ''"),
    ("fashion_features", ["--classifiers", "lda,xgboost"], "probe 'xgboost': expected one of lda"),
    ("fashion_features", ["--tune", "pixels"], "pixels has nothing to fine-tune"),
    (
        "fashion_features",
        ["--backbones", "pixels,cnn", "--tune", "cnn", "--weights", "none", "--unfreeze", "stage99"],
        "unknown stage 'stage99': expected one of cnn's",
    ),
    ("fashion_features", ["--precision", "half"], "precision 'half': expected one of"),
    ("fashion_models", ["--classifiers", "logistic,,svm"], "probe '': expected one of lda"),
    ("fashion_models", ["--classifiers", "forest"], "probe 'forest': expected one of lda"),
    ("fashion_models", ["--backbones", "cnn,"], "unknown backbone ''"),
    ("fashion_models", ["--precision", "double"], "precision 'double': expected one of"),
    ("cifar10c_shift", ["--corruption", "rain"], "rain"),
    ("cifar10c_shift", ["--severities", "0,1"], "severit.*0"),
    ("cifar10c_shift", ["--severities", "all"], "all"),
    ("cifar10c_shift", ["--surgery", "rain"], "rain"),
    ("cifar10c_shift", ["--adapt-images", "-1"], "greater than or equal to 0"),
    ("cifar10c_shift", ["--adapt-images", "some"], "adapt-images.*valid integer"),
    ("cifar10c_shift", ["--cache", "yes"], "cache 'yes': expected one of"),
    ("cifar10c_shift", ["--unfreeze", "99"], "cannot unfreeze 99 layers"),
    ("cifar10c_shift", ["--protocol", "published"], "protocol 'published'"),
    ("pretrain", ["--backbone", "cnn7"], "unknown backbone 'cnn7'"),
    ("quickstart", ["--backbone", "EfficientNetV2B9"], "did you mean EfficientNetV2B"),
    ("quickstart", ["--backbone", "{home}/nowhere.keras"], "nowhere.keras: no such file; expected a .keras file, or"),
    ("quickstart", ["--backbone", "{home}/empty"], "empty: no such file; expected a .keras file, or the folder of a"),
    ("quickstart", ["--backbone", "last", "--out", "{home}/empty"], "contains no finished run: run a recipe first"),
    ("quickstart", ["--backbone", "hub:alexnet"], r"alexnet is not available \(ValueError: Unknown preset identifier"),
    ("quickstart", ["--backbone", "{home}/text.keras"], r"text.keras cannot be loaded \("),
    ("pretrain", ["--precision", "fp16"], "precision 'fp16': expected one of"),
    ("rank", ["--backbones", "pixels,,cnn"], "unknown backbone ''"),
    ("rank", ["--weights", "{home}/nowhere.h5", "--backbones", "cnn"], "no such file"),
    # runs and places
    ("quickstart", ["--out", "{home}/file"], "cannot write runs under"),
    ("quickstart", ["--out", ""], "out ''"),
    ("quickstart", ["--resume", "last"], "no unfinished run"),
    ("quickstart", ["--resume", "yesterday"], "no unfinished run yesterday"),
    ("quickstart", ["--resume", "20260101-000000", "--out", "{home}/out"], "is finished: there is nothing to resume"),
    ("export", ["{home}/nowhere"], "is not a finished run"),
    ("export", ["{home}/torn_run"], "is not a finished run"),
    ("export", ["{home}/run"], r"has no model\.keras: give a run that trained a network"),
    ("export", ["{home}/run", "--formats", "tflite"], "unknown format 'tflite': expected some of saved_model, litert"),
    ("export", ["{home}/run", "--formats", ""], "unknown format ''"),
    ("export", ["{home}/run", "--min-accuracy", "95"], "less than or equal to 1"),
    ("export", ["{home}/run", "--min-accuracy", "nan"], "less than or equal to 1"),
    ("export", ["{home}/run", "--out", "{home}/file"], "file exists: name another folder with --out"),
    ("export", ["{home}/run", "--serving", "{home}/file"], "file is a file, expected a folder for versions"),
    ("export", [], "Missing argument"),
    ("predict", ["{home}/run", "{home}/file"], "contains no saved_model: give a finished run"),
    ("predict", ["{home}/run"], "Missing argument"),
    ("predict", ["last", "{home}/file"], "saved_models contains no finished run"),
    ("neighbours", ["{home}/nowhere", "{home}/file"], "is not a finished run"),
    ("neighbours", ["{home}/run", "{home}/file"], r"has no model\.keras: give a run that trained a network"),
    ("neighbours", ["{home}/run"], "Missing argument"),
    ("neighbours", ["{home}/run", "{home}/file", "--count", "0"], "greater than or equal to 1"),
    ("table", ["{home}/torn_run"], "is not a finished run"),
    ("table", ["{home}/run"], r"has no model\.keras: give a run that trained a network"),
    ("table", ["{home}/run", "--splits", "tests"], "split 'tests': expected some of train, validation, test"),
    ("table", ["{home}/run", "--out", "{home}/file"], "file exists: name another file with --out"),
    ("report", ["last"], "saved_models contains no finished run"),
    ("export", ["last"], "saved_models contains no finished run"),
    ("compare", ["last", "{home}/run"], "saved_models contains no finished run"),
    ("report", ["quickstart"], "quickstart is not a finished run .*: give a finished run's folder or name, a recipe"),
    ("backbones", ["efficentnet"], "no backbone matches 'efficentnet', did you mean EfficientNetB"),
    ("backbones", ["resnet", "alexnet"], "no backbone matches 'resnet alexnet'"),
    ("backbones", [""], "no backbone matches ''"),
    ("backbones", ["hub:alexnet"], "no backbone matches 'hub:alexnet'"),
    ("backbones", ["{home}/nowhere.keras"], "nowhere.keras: no such file"),
    ("backbones", ["{home}/empty"], "empty: no such file; expected a .keras file, or the folder of a finished run"),
    ("backbones", ["resnet", "--image-size", "96"], "--image-size is for the stages of one backbone"),
    ("backbones", ["cnn", "--image-size", "0"], "greater than or equal to 1"),
    ("cache", ["--remove", "zz"], "0 entries have keys that start with it"),
    ("cache", ["remove"], "unexpected extra argument"),
    ("report", ["{home}/nowhere"], "is not a finished run"),
    ("report", ["{home}/torn_run"], "is not a finished run"),
    ("report", ["{home}/cut_run"], "is not a finished run"),
    ("report", ["{home}/no_data"], r"is not a finished run \(run\.json lacks data\)"),
    ("compare", ["{home}/run"], "1 runs, 1 different ones: expected at least two"),
    ("compare", ["{home}/run", "{home}/run"], "2 runs, 1 different ones: expected at least two"),
    ("compare", ["{home}/run", "{home}/nowhere"], "nowhere is not a finished run"),
    # groups and emotions
    ("fashion_groups", ["--dataset", "digits"], "T-shirt/top"),
    ("fashion_groups", ["--precision", "half"], "precision 'half': expected one of"),
    ("fashion_groups", ["--seeds", "0"], "greater than or equal to 1"),
    ("emotion_resnet18", ["--dataset", "folder:{home}/nowhere"], "nowhere is not a folder"),
    ("emotion_resnet18", ["--dataset", "digits", "--depths", "0,0"], "depths '0,0': expected"),
    ("emotion_resnet18", ["--dataset", "digits", "--depths", "0,stage99"], "unknown stage 'stage99'"),
    ("emotion_resnet18", ["--dataset", "digits", "--class-weights", "heavy"], "heavy"),
    ("emotion_resnet18", ["--dataset", "digits", "--explain-size", "64"], r"cnn cannot take images of 64 x 64 \("),
    ("quickstart", ["--explain-size", "64"], r"cnn cannot take images of 64 x 64 \("),
    ("fashion_models", ["--explain-size", "0"], "greater than or equal to 1"),
    # few labels
    ("few_shot", ["--shots", "5,0"], "shots '5,0': expected numbers of images a class, each once"),
    ("few_shot", ["--methods", "head,forest"], "methods 'head,forest': expected some of logistic, head2toe, head"),
    ("few_shot", ["--draws", "0"], "greater than or equal to 1"),
    ("few_shot", ["--wanted", "90"], r"wanted 90\.0: expected a share between 0 and 1"),
    ("few_shot", ["--unfreeze", "0"], "unfreeze 0: expected at least one layer to tune"),
    # commands
    ("quickstrat", [], "No such command 'quickstrat'"),
    ("quickstart", ["digits"], "unexpected extra argument"),
    ("quickstart", ["--epoch", "3"], "No such option: --epoch"),
]


def test_all_recipes_and_commands_are_tried():
    assert len(BAD) >= 60
    commands = {"backbones", "rank", "cache", "report", "compare", "quickstrat"}
    commands |= {"export", "predict", "neighbours", "table"}
    assert {command for command, _, _ in BAD} == {*RECIPES, *commands}


@pytest.mark.parametrize(("command", "words", "complaint"), BAD, ids=[" ".join([c, *w]) for c, w, _ in BAD])
def test_one_line_and_nothing_left(place, tmp_path, command, words, complaint, monkeypatch, capsys):
    words = [word.format(home=place) for word in (*SMALL.get(command, ()), *words)]
    own = ["--out", str(tmp_path / "runs")] if command in RECIPES and "--out" not in words else []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["tfxfer", command, *own, *words])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # cli replaces it
    before = tree(place)
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capsys.readouterr()
    errors = [line for line in err.splitlines() if not line.startswith("warning: ")]
    assert end.value.code == 2
    assert len(errors) == 1, err
    assert re.search(f"^error: .*{complaint}", errors[0]), errors[0]
    assert "Traceback" not in err
    begun = re.findall(r"^(?!(?:\d+ of \d+, )?data and (?:models?|plan) ).* \.\.\.$", out, re.M)
    assert begun == [], out  # nothing was computed for it
    assert list(tmp_path.iterdir()) == []
    assert tree(place) == before


def tree(folder) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*"))
