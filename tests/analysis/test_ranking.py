import shlex
import sys
import warnings

import keras
import numpy as np
import pytest

from tfxfer import data, features, model
from tfxfer.analysis import ranking
from tfxfer.cli import main as cli
from tfxfer.core.errors import InputError
from tfxfer.data import to_folder
from tfxfer.model import architectures


@pytest.fixture(scope="module")
def digits() -> data.Splits:
    return data.load("digits", limit=300)


@pytest.fixture(scope="module")
def pretrained(digits) -> keras.Model:
    return model.build("efficientnet_lite0", digits, 48)


@pytest.fixture(scope="module")
def row(digits, pretrained) -> ranking.Row:
    return ranking.score(pretrained, digits, ranking.source_classifier("efficientnet_lite0", "imagenet"))


def test_pretrained_above_random_weights(digits, row):
    keras.utils.set_random_seed(0)
    random = ranking.score(model.build("efficientnet_lite0", digits, 48, "none"), digits)
    assert (row.backbone, row.images, row.image_size, row.embedding) == ("efficientnet_lite0", 300, 48, 1280)
    assert (random.images, random.image_size, random.leep) == (300, 48, None)
    assert row.logme > random.logme + 0.1
    assert -np.log(10) < row.leep < 0
    assert row.seconds > 0


def test_source_probabilities_are_those_of_the_whole_network(digits, pretrained):
    """The classifier applied to the embedding, against the published network with its top on the same pixels."""
    bank = features.extract(pretrained, digits.train, ("scaled", "embedding"), limit=4)
    kernel, bias = ranking.source_classifier("efficientnet_lite0", "imagenet")
    whole = architectures.efficientnet_lite0(input_shape=(48, 48, 3), include_top=True, weights="imagenet")
    ours = keras.ops.softmax(bank["embedding"] @ kernel + bias)
    np.testing.assert_allclose(ours, whole.predict_on_batch(bank["scaled"]), atol=1e-5)


def test_no_classifier_to_be_had():
    assert ranking.source_classifier("mobilenet_v2", "imagenet") is None
    assert ranking.source_classifier("efficientnet_lite0", "none") is None


def test_rows_are_sorted_by_cross_validated_accuracy_and_repeat_whatever_else_is_ranked():
    names = ["cnn", "dropout_cnn", "small_resnet", "cnn"]
    rows, refused = ranking.rank("digits", backbones=names, weights="none", limit=60, seed=3)
    assert refused == {}
    assert sorted(row.backbone for row in rows) == ["cnn", "dropout_cnn", "small_resnet"]
    assert [row.accuracy for row in rows] == sorted((row.accuracy for row in rows), reverse=True)
    assert all(row.tunable and row.interval[0] < row.accuracy < row.interval[1] for row in rows)
    assert {row.image_size for row in rows} == {28}  # their own, whatever --image-size
    (again,), _ = ranking.rank("digits", backbones=["small_resnet"], weights="none", limit=60, seed=3)
    first = next(row for row in rows if row.backbone == "small_resnet")
    assert (again.logme, again.hscore) == pytest.approx((first.logme, first.hscore), rel=1e-6)
    assert again.accuracy == first.accuracy


def test_test_images_are_not_touched(monkeypatch):
    read, asked = data.Splits.reader, []
    monkeypatch.setattr(data.Splits, "reader", lambda self, split: asked.append(split) or read(self, split))
    ranking.rank("digits", backbones=["cnn"], weights="none", limit=60)
    assert set(asked) == {"train"}


def test_default_is_all_that_knows_pictures_already():
    names = ranking._default()
    assert {"efficientnet_lite0", "mobilenet_v2", "resnet50", "vgg19"} <= set(names)
    assert not {"cnn", "small_resnet", "dropout_cnn"} & set(names)


def run(monkeypatch, capsys, *words: str) -> tuple[int, list[str], list[str]]:
    monkeypatch.setattr(sys, "argv", ["tfxfer", "rank", *words])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # cli replaces it
    with pytest.raises(SystemExit) as end:
        cli.main()
    done = capsys.readouterr()
    return end.value.code, done.out.splitlines(), done.err.splitlines()


def test_command(monkeypatch, capsys, keras_models):
    """What cannot be had is named with its reason and does not stop the others."""
    words = ["--backbones", "mobilenet_v2, efficientnet_lite0,cnn", "--image-size", "32", "--limit", "60"]
    code, lines, errors = run(monkeypatch, capsys, *words)
    assert (code, errors) == (0, [])
    said = [line for line in lines if not line.startswith("Downloading")]
    first, header, ranked, *missing, about, _, command = said
    assert first == "60 training images"
    assert header.split()[:5] == ["backbone", "tunable", "pixels", "features", "accuracy"]
    assert ranked.split()[:4] == ["efficientnet_lite0", "yes", "32", "1280"]
    assert len(ranked) == len(header)
    assert float(ranked.split()[-2]) < 0
    assert [line.split()[:3] for line in missing] == [["mobilenet_v2", "not", "ranked:"], ["cnn", "not", "ranked:"]]
    assert f"which is not in {keras_models} and could not be downloaded" in missing[0]
    assert "cnn has no ImageNet weights" in missing[1]
    assert about == ranking.ABOUT
    options = "--dataset digits --backbone efficientnet_lite0 --unfreeze last --image-size 32"
    assert command == f"tfxfer mobilenet_mnist {options}"


def test_table_without_leep():
    row = ranking.Row("cnn", 1500, 28, 128, True, 0.9, (0.88, 0.92), -0.12345, 3.21, None, 1.25)
    _, header, line, _ = ranking.table([row], {}).splitlines()
    assert header == "backbone  tunable  pixels  features  accuracy          95%    LogME  H-score  LEEP  seconds"
    assert line == "cnn           yes      28       128     0.900  0.880-0.920  -0.1235    3.210     -      1.2"


def test_a_network_is_its_file_of_weights(digits):
    """MobileNetV2 at 96 pixels is not the network that it is at 48: the table says which, the next command keeps it."""
    net = model.build("cnn", digits, weights="none")
    net.weights_file = "weights_96.h5"  # as `model.build` notes it
    row = ranking.score(net, digits)
    *_, line, about = ranking.table([row], {}).splitlines()
    assert line == "cnn       weights: weights_96.h5"
    assert "MobileNetV2 is five networks" in about
    assert ranking.next_command([row], "digits").endswith(
        f"--backbone cnn --unfreeze last --image-size {row.image_size}"
    )


def test_accuracy_is_not_logmes_order_and_what_cannot_be_tuned_is_marked():
    """Pixels of larger pictures would have the higher LogME; the probe says which features are better."""
    (first, *_), _ = ranking.rank("digits", backbones=["pixels", "cnn"], weights="none", limit=200)
    rows, _ = ranking.rank("digits", backbones=["pixels"], weights="none", limit=100)
    assert (rows[0].backbone, rows[0].tunable) == ("pixels", False)
    assert first.accuracy > 0.7
    assert " no " in ranking.table(rows, {}).splitlines()[2]


def test_the_next_command_works_as_it_stands(tmp_path, monkeypatch, capsys):
    """What is printed is split by the shell's rules and run, on a folder whose name needs quotes."""
    folder = tmp_path / "my pictures"
    splits = data.load("digits", limit=200)
    to_folder.write(splits, folder, classes=2, images=30)
    dataset = f"folder:{folder}"
    rows, _ = ranking.rank(dataset, backbones=["pixels", "cnn"], weights="none", image_size=16)
    tuned = ranking.next_command(rows, dataset, weights="none", seed=3, skip_bad=True)
    looked = ranking.next_command([row for row in rows if not row.tunable], dataset)
    assert shlex.split(tuned)[:3] == ["tfxfer", "mobilenet_mnist", "--dataset"]
    assert "--backbone cnn" in tuned
    keys = {"image_key": "left", "label_key": "kind"}
    assert ranking.next_command(rows, "tfds:pets", **keys).endswith("--image-key left --label-key kind")
    assert ranking.next_command(rows, "folder:x", aspect="crop").endswith(" --aspect crop")
    assert "aspect" not in ranking.next_command(rows, "folder:x", aspect="squash")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # cli replaces it
    for command in (tuned, looked):
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert (end.value.code, capsys.readouterr().err) == (0, "")
    assert {path.name for path in (tmp_path / "saved_models").iterdir()} == {"mobilenet_mnist", "fashion_features"}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--backbones", "efficientnet_lite0,alexnet"], "unknown backbone 'alexnet': expected one of mobilenet_v2"),
        (["--backbones", ""], "unknown backbone ''"),
        (["--backbones", "cnn,small_resnet"], "no backbone is available: cnn has no ImageNet weights"),
        (["--dataset", "imagenet"], "unknown data set 'imagenet'"),
        (["--limit", "3"], "limit 3 is less than one image"),
        (["--limit", "0"], "greater than or equal to 1"),
        (["--image-size", "0"], "greater than or equal to 1"),
        (["--seed", "4294967296"], "less than or equal to 4294967295"),
        (["--backbones", "cnn", "--weights", "/nowhere.h5"], "no such file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words, complaint, monkeypatch, capsys):
    code, lines, errors = run(monkeypatch, capsys, *words)
    assert (code, lines, len(errors)) == (2, [], 1)
    assert errors[0].startswith("error: ")
    assert complaint in errors[0]


def test_no_backbone_named():
    with pytest.raises(InputError, match="no backbone is available: none was named"):
        ranking.rank("digits", backbones=[], limit=60)
