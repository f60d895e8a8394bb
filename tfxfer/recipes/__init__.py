"""Experiments of one page each: run `python -m tfxfer.recipes.<name>`, or import one and call its `main`."""

RECIPES = {
    "transfer": "the best classifier for your pictures in the time you have: searches, tests, and says what to do next",
    "quickstart": "handwritten digits with bundled ImageNet weights: works offline, takes two minutes",
    "mobilenet_mnist": "MobileNetV2 on MNIST: features before and after fine-tuning the last 10 layers",
    "fashion_features": "Fashion-MNIST: pixels, scattering and ImageNet features; classifiers, fine-tuning, collapse",
    "fashion_models": "Fashion-MNIST: networks from scratch against classical models; cost, calibration, failures",
    "fashion_groups": "Fashion-MNIST in three groups, pixels in place or permuted: does spatial structure matter?",
    "emotion_resnet18": "a folder of faces by emotion, or of any images: from scratch or pretrained; how deep to tune",
    "cifar10c_shift": "CIFAR-10-C, or any data set corrupted in the same way: what tuning gains and costs",
    "few_shot": "accuracy against the number of labels, for six ways to learn: how many labels do I need?",
    "study": "a look at a data set before training: copies and near-copies across splits, outliers, wrong labels",
    "pretrain": "train a backbone from scratch on a source data set and save its weights for --weights",
}
