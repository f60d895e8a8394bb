"""The networks of keras.applications by name, without importing Keras: what each was trained on, and its size."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Application:
    """One function of keras.applications. `tests/model/test_applications.py` checks sizes and scaling of all against
    Keras, lengths, numbers of parameters and files of some."""

    native_size: int  # pixels a side, of the pretraining
    scaling: str  # "tf" [-1, 1], "caffe" BGR minus mean, "torch" ImageNet's mean and deviation, "none" if built in
    embedding: int  # length of the pooled feature
    parameters: int  # without the classifier
    weights_file: str  # that Keras downloads, without the classifier; * for the image size, if there are several


_KERNELS = "_weights_tf_dim_ordering_tf_kernels"

TABLE = {
    "ConvNeXtBase": Application(224, "none", 1024, 87_566_464, "convnext_base_notop.h5"),
    "ConvNeXtLarge": Application(224, "none", 1536, 196_230_336, "convnext_large_notop.h5"),
    "ConvNeXtSmall": Application(224, "none", 768, 49_454_688, "convnext_small_notop.h5"),
    "ConvNeXtTiny": Application(224, "none", 768, 27_820_128, "convnext_tiny_notop.h5"),
    "ConvNeXtXLarge": Application(224, "none", 2048, 348_147_968, "convnext_xlarge_notop.h5"),
    "DenseNet121": Application(224, "torch", 1024, 7_037_504, f"densenet121{_KERNELS}_notop.h5"),
    "DenseNet169": Application(224, "torch", 1664, 12_642_880, f"densenet169{_KERNELS}_notop.h5"),
    "DenseNet201": Application(224, "torch", 1920, 18_321_984, f"densenet201{_KERNELS}_notop.h5"),
    "EfficientNetB0": Application(224, "none", 1280, 4_049_571, "efficientnetb0_notop.h5"),
    "EfficientNetB1": Application(240, "none", 1280, 6_575_239, "efficientnetb1_notop.h5"),
    "EfficientNetB2": Application(260, "none", 1408, 7_768_569, "efficientnetb2_notop.h5"),
    "EfficientNetB3": Application(300, "none", 1536, 10_783_535, "efficientnetb3_notop.h5"),
    "EfficientNetB4": Application(380, "none", 1792, 17_673_823, "efficientnetb4_notop.h5"),
    "EfficientNetB5": Application(456, "none", 2048, 28_513_527, "efficientnetb5_notop.h5"),
    "EfficientNetB6": Application(528, "none", 2304, 40_960_143, "efficientnetb6_notop.h5"),
    "EfficientNetB7": Application(600, "none", 2560, 64_097_687, "efficientnetb7_notop.h5"),
    "EfficientNetV2B0": Application(224, "none", 1280, 5_919_312, "efficientnetv2-b0_notop.h5"),
    "EfficientNetV2B1": Application(240, "none", 1280, 6_931_124, "efficientnetv2-b1_notop.h5"),
    "EfficientNetV2B2": Application(260, "none", 1408, 8_769_374, "efficientnetv2-b2_notop.h5"),
    "EfficientNetV2B3": Application(300, "none", 1536, 12_930_622, "efficientnetv2-b3_notop.h5"),
    "EfficientNetV2L": Application(480, "none", 1280, 117_746_848, "efficientnetv2-l_notop.h5"),
    "EfficientNetV2M": Application(480, "none", 1280, 53_150_388, "efficientnetv2-m_notop.h5"),
    "EfficientNetV2S": Application(384, "none", 1280, 20_331_360, "efficientnetv2-s_notop.h5"),
    "InceptionResNetV2": Application(299, "tf", 1536, 54_336_736, f"inception_resnet_v2{_KERNELS}_notop.h5"),
    "InceptionV3": Application(299, "tf", 2048, 21_802_784, f"inception_v3{_KERNELS}_notop.h5"),
    "MobileNet": Application(224, "tf", 1024, 3_228_864, "mobilenet_1_0_*_tf_no_top.h5"),
    "MobileNetV2": Application(224, "tf", 1280, 2_257_984, f"mobilenet_v2{_KERNELS}_1.0_*_no_top.h5"),
    "MobileNetV3Large": Application(
        224, "none", 960, 2_996_352, "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5"
    ),
    "MobileNetV3Small": Application(224, "none", 576, 939_120, "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5"),
    "NASNetLarge": Application(331, "tf", 4032, 84_916_818, "nasnet_large_no_top.h5"),
    "NASNetMobile": Application(224, "tf", 1056, 4_269_716, "nasnet_mobile_no_top.h5"),
    "ResNet101": Application(224, "caffe", 2048, 42_658_176, f"resnet101{_KERNELS}_notop.h5"),
    "ResNet101V2": Application(224, "tf", 2048, 42_626_560, f"resnet101v2{_KERNELS}_notop.h5"),
    "ResNet152": Application(224, "caffe", 2048, 58_370_944, f"resnet152{_KERNELS}_notop.h5"),
    "ResNet152V2": Application(224, "tf", 2048, 58_331_648, f"resnet152v2{_KERNELS}_notop.h5"),
    "ResNet50": Application(224, "caffe", 2048, 23_587_712, f"resnet50{_KERNELS}_notop.h5"),
    "ResNet50V2": Application(224, "tf", 2048, 23_564_800, f"resnet50v2{_KERNELS}_notop.h5"),
    "VGG16": Application(224, "caffe", 512, 14_714_688, f"vgg16{_KERNELS}_notop.h5"),
    "VGG19": Application(224, "caffe", 512, 20_024_384, f"vgg19{_KERNELS}_notop.h5"),
    "Xception": Application(299, "tf", 2048, 20_861_480, f"xception{_KERNELS}_notop.h5"),
}


def plain(name: str) -> str:
    """A name as it is compared: without capitals, underscores, hyphens and spaces."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def find(name: str) -> str | None:
    """The name of the function that is meant, whatever its capitals and separators; None if there is none."""
    return next((known for known in TABLE if plain(known) == plain(name)), None)
