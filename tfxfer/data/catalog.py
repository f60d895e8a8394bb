"""The data sets that are known by name, and the kinds of paths that a data set can have."""

from dataclasses import dataclass
from pathlib import Path

from tfxfer.data import binary_readers

DIGITS = tuple("0123456789")
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
SAMPLES = Path(__file__).parent / "samples"  # data sets that tfxfer brings, with their licenses
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BUNDLED = "mnist_sample"  # what errors name where a download failed: in the package, and large enough to be corrupted


@dataclass(frozen=True)
class Known:
    """A public data set: what it holds when it is complete, and the files from which TFDS makes it."""

    summary: str
    classes: tuple[str, ...]
    examples: tuple[int, int]  # training, test
    files: tuple[str, ...] = ()  # as read from a folder
    download: tuple[str, ...] = ()  # as TFDS takes them from its manual_dir


_IDX_GZ = tuple(f"{name}.gz" for name in binary_readers.IDX_FILES)
KNOWN = {
    "digits": Known("1,797 handwritten digits, 8 x 8 grey, bundled with scikit-learn", DIGITS, (1797, 0)),
    "mnist_sample": Known("10,000 of MNIST's training images, 28 x 28 grey, bundled with tfxfer", DIGITS, (8000, 2000)),
    "mnist": Known(
        "70,000 handwritten digits, 28 x 28 grey", DIGITS, (60000, 10000), binary_readers.IDX_FILES, _IDX_GZ
    ),
    "fashion_mnist": Known(
        "70,000 pieces of clothing, 28 x 28 grey (Debian: dataset-fashion-mnist)",
        FASHION,
        (60000, 10000),
        binary_readers.IDX_FILES,
        _IDX_GZ,
    ),
    "cifar10": Known(
        "60,000 photographs, 32 x 32 RGB",
        CIFAR10,
        (50000, 10000),
        binary_readers.CIFAR10_FILES,
        ("cifar-10-binary.tar.gz",),
    ),
    "cifar10_corrupted": Known(
        "CIFAR-10's test images under 19 corruptions; /NAME or /NAME_SEVERITY selects some",
        CIFAR10,
        (0, 950000),
        ("gaussian_noise.npy", "labels.npy"),
        ("CIFAR-10-C.tar",),
    ),
}
PATHS = {
    "idx:PATH": "a folder of four IDX files named as MNIST's, plain or .gz",
    "folder:PATH": "a folder of images, JPEG to TIFF, one folder per class, optionally in train, validation and test",
    "csv:FILE": "a table of image files: columns path and label, optionally split",
    "npz:FILE": "NumPy arrays, x_train, y_train and so on; or npz:IMAGES.npy,LABELS.npy",
    "tfds:NAME": "any image-classification data set of TFDS, such as tfds:cifar100 or tfds:mnist_corrupted/fog",
}
