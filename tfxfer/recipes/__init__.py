"""Experiments, a page each: run `python -m tfxfer.recipes.<name>`, or import one and call its `main`."""

RECIPES = {
    "quickstart": "digits with bundled ImageNet weights: no network, two minutes",
    "mobilenet_mnist": "MobileNetV2 on MNIST: features before and after fine-tuning the last 10 layers",
    "fashion_features": "Fashion-MNIST: pixels, scattering, VGG19, ResNet18, Lite0; classifiers, fine-tuning, collapse",
    "fashion_models": "Fashion-MNIST: networks from scratch against classical models; cost, calibration, failures",
    "fashion_groups": "Fashion-MNIST in three groups, pixels in place and permuted: is it spatial structure?",
    "emotion_resnet18": "a folder of faces by emotion, or any: from scratch against pretrained, how much to unfreeze",
    "cifar10c_shift": "CIFAR-10-C or any twin: what corruptions do to a network, what tuning on them gives and costs",
    "pretrain": "train a backbone from scratch on a source data set and save it for --weights",
}
