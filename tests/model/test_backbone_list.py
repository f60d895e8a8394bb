"""The list has every backbone that `model.build` takes by name, and is searched as people type."""

import pytest

from tfxfer.core.errors import InputError
from tfxfer.model import applications, backbone_list, backbones, hub_presets


def names(*words: str) -> list[str]:
    return [one.name for one in backbone_list.search(words)]


def test_every_backbone_is_there_once():
    listed = [one.name for one in backbone_list.listed()]
    assert len(set(listed)) == len(listed)
    presets = [f"hub:{name}" for name in hub_presets.table()]
    assert set(listed) == {*backbones.TABLE, *map(backbones.full_name, applications.TABLE), *presets}
    for one in backbone_list.listed():
        assert one.parameters > 0 or backbones.TABLE[one.name].weightless
        assert backbone_list.named(one.name) == one


def test_search():
    assert names("EfficientNet-V2", "b0") == names("B0", "efficientnet_v2") == ["EfficientNetV2B0"]
    assert names("scatter") == names("wavelet") == ["scattering"]  # by name, and by summary
    assert names("resnet 18") == ["resnet18", "hub:resnet_18_imagenet"]
    assert {"efficientnet_lite0", "EfficientNetB7", "hub:efficientnet_b0_ra_imagenet"} < set(names("efficientnet"))
    assert names("mobilenet", "21k") == ["hub:mobilenet_v3_large_100_imagenet_21k"]


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["efficentnet"], r", did you mean EfficientNetB\d, EfficientNetB\d, EfficientNetB\d\?"),
        (["hub:resnet_51_imagenet"], ", did you mean hub:resnet_50_imagenet, .*"),
        (["vgg", "densenet"], r"(, did you mean .*\?)?"),
        (["#"], ""),
        (["qqqqqqqq"], ""),
    ],
)
def test_what_is_not_found_is_said(words, near):
    with pytest.raises(InputError, match=rf"^no backbone matches '{' '.join(words)}'{near}: `tfxfer backbones` lists"):
        backbone_list.search(words)


def test_where_weights_are(keras_models, monkeypatch, tmp_path):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    monkeypatch.setattr(backbone_list.downloaded.importlib.util, "find_spec", lambda name: None)
    (keras_models / applications.TABLE["VGG19"].weights_file).touch()
    expected = {
        "efficientnet_lite0": "bundled",
        "vgg19": "on this machine",
        "vgg19_fc2": "to be downloaded",  # it is another file, with the top
        "resnet50": "to be downloaded",
        "resnet18": "needs the extra hub",
        "cnn": "no ImageNet weights",
        "pixels": "none needed",
        "EfficientNetV2B0": "to be downloaded",
        "hub:vgg_19_imagenet": "needs the extra hub",
    }
    assert {name: backbone_list.named(name).weights for name in expected} == expected


def test_names_as_people_type_them():
    assert backbone_list.named("efficientnet-v2-b0") == backbone_list.named("EfficientNetV2B0")
    assert backbone_list.named("MobileNetV2").name == "mobilenet_v2"
    assert backbone_list.named("efficientnet") is None
