"""The table of presets against the installed keras-hub, and a small network of each architecture in it."""

import hub_files
import numpy as np
import pytest

from tfxfer import model
from tfxfer.core.errors import InputError
from tfxfer.model import hub_presets

TINY = {
    "cspnet": {
        "stem_filters": 8,
        "stem_kernel_size": 3,
        "stem_strides": 1,
        "stackwise_depth": [1, 1],
        "stackwise_strides": [1, 2],
        "stackwise_num_filters": [8, 16],
        "block_type": "dark_block",
        "stage_type": "dark",
    },
    "densenet": {"stackwise_num_repeats": [1, 1]},
    "efficientnet": {
        "stackwise_kernel_sizes": [3, 3],
        "stackwise_num_repeats": [1, 1],
        "stackwise_input_filters": [8, 8],
        "stackwise_output_filters": [8, 16],
        "stackwise_expansion_ratios": [1, 4],
        "stackwise_squeeze_and_excite_ratios": [0.0, 0.25],
        "stackwise_strides": [1, 2],
        "stackwise_block_types": ["fused", "unfused"],
        "stackwise_width_coefficients": [1.0, 1.0],
        "stackwise_depth_coefficients": [1.0, 1.0],
    },
    "mobilenet": {
        "stackwise_expansion": [[8], [16]],
        "stackwise_num_blocks": [1, 1],
        "stackwise_num_filters": [[8], [16]],
        "stackwise_kernel_size": [[3], [5]],
        "stackwise_num_strides": [[2], [2]],
        "stackwise_se_ratio": [[None], [0.25]],
        "stackwise_activation": [["relu"], ["hard_swish"]],
        "stackwise_padding": [[1], [2]],
        "output_num_filters": 16,
        "depthwise_filters": 16,
        "depthwise_stride": 1,
        "depthwise_residual": True,
        "last_layer_filter": 16,
        "squeeze_and_excite": 0.5,
    },
    "mobilenetv5": {
        "stackwise_block_types": [["er"], ["uir"]],
        "stackwise_num_blocks": [1, 1],
        "stackwise_num_filters": [[8], [16]],
        "stackwise_strides": [[2], [2]],
        "stackwise_act_layers": [["relu"], ["relu"]],
        "stackwise_exp_ratios": [[4.0], [6.0]],
        "stackwise_se_ratios": [[0.0], [0.0]],
        "stackwise_dw_kernel_sizes": [[0], [5]],
        "stackwise_dw_start_kernel_sizes": [[0], [0]],
        "stackwise_dw_end_kernel_sizes": [[0], [0]],
        "stackwise_exp_kernel_sizes": [[3], [0]],
        "stackwise_pw_kernel_sizes": [[1], [0]],
        "stackwise_num_heads": [[0], [0]],
        "stackwise_key_dims": [[0], [0]],
        "stackwise_value_dims": [[0], [0]],
        "stackwise_kv_strides": [[0], [0]],
        "stackwise_use_cpe": [[False], [False]],
        "msfa_output_resolution": 4,
        "num_features": 32,
    },
    "resnet": hub_files.RESNET,
    "vgg": {"stackwise_num_repeats": [1, 1], "stackwise_num_filters": [8, 16]},
    "xception": {"stackwise_conv_filters": [[8, 8], [8, 16]], "stackwise_pooling": [True, False]},
}
LEFT_OUT = {
    "swin_transformer": {
        "image_shape": (32, 32, 3),
        "embed_dim": 8,
        "depths": (1, 1),
        "num_heads": (1, 2),
        "window_size": 2,
    },
    "hgnetv2": {
        "depths": [1, 1],
        "embedding_size": 8,
        "hidden_sizes": [16, 16],
        "stem_channels": [3, 8, 8],
        "hidden_act": "relu",
        "use_learnable_affine_block": False,
        "stackwise_stage_filters": [(8, 8, 16, 1, 1, 3), (16, 8, 16, 1, 1, 3)],
        "apply_downsample": [False, True],
        "use_lightweight_conv_block": [False, False],
    },
}


def tiny(architecture: str, folder) -> str:
    """The name of a preset of a small network, saved as keras-hub saves it."""
    import keras_hub

    classes = {name.lower(): getattr(keras_hub.models, name) for name in dir(keras_hub.models)}
    own = classes[f"{architecture.replace('_', '')}backbone"]
    return hub_files.save(own(**{**TINY, **LEFT_OUT}[architecture]), folder / "tiny", scale=1 / 255)


@pytest.mark.parametrize("architecture", hub_presets.ARCHITECTURES)
def test_its_architectures_can_be_backbones(architecture, pictures, tmp_path):
    """At the preset's size and at another; and the network is read back as it was saved."""
    name = tiny(architecture, tmp_path)
    net = model.build(name, pictures, 48, "none")
    assert net.get_layer("scaled").output.shape == (None, 48, 48, 3)
    assert len(model.stages(net)) >= 2
    net = model.build(name, pictures)
    model.save(net, tmp_path / "net.keras")
    images = pictures.rows["test"].images[:2]
    again = model.load(tmp_path / "net.keras")
    np.testing.assert_allclose(net(images, training=False), again(images, training=False), atol=1e-5)


@pytest.mark.filterwarnings("ignore:layer .* cannot be copied")  # Swin's
@pytest.mark.parametrize(
    ("architecture", "reason"),
    [("swin_transformer", "expected a feature map"), ("hgnetv2", "one image input and one output")],
)
def test_others_are_refused(architecture, reason, pictures, tmp_path):
    with pytest.raises(InputError, match=reason):
        model.build(tiny(architecture, tmp_path), pictures, weights="none")


def test_the_table_is_that_of_keras_hub():
    """The names, parameters, sizes and handles; a keras-hub of another version may have more, or other versions of
    them."""
    import keras_hub

    ours, theirs = hub_presets.table(), keras_hub.models.ImageClassifier.presets
    assert len(ours) >= 46
    version = hub_presets.PATH.read_text().split()[2].rstrip(",")
    if keras_hub.__version__ == version:
        assert list(ours.values()) == hub_presets.installed()
    common = ours.keys() & theirs.keys()
    assert len(common) > 30
    for name in common:
        about = theirs[name]["metadata"]
        assert ours[name].parameters == about["params"], name
        assert ours[name].handle.rpartition("/")[0] == theirs[name]["kaggle_handle"].rpartition("/")[0], name
        assert about["path"] in hub_presets.ARCHITECTURES
        size = ours[name].native_size
        assert size is None or f"{size}x{size}" in about["description"] or f"_r{size}_" in name


def test_the_table_reads_as_it_was_written(tmp_path, monkeypatch):
    presets = [hub_presets.Preset("a_net", 12, None, "kaggle://x/a/keras/a_net/1"), *hub_presets.table().values()]
    hub_presets.write(presets, "9.9", tmp_path / "table.csv")
    monkeypatch.setattr(hub_presets, "PATH", tmp_path / "table.csv")
    assert list(hub_presets.table.__wrapped__().values()) == presets
