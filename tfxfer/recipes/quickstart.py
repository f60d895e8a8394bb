"""The first run: ImageNet features on handwritten digits, before and after fine-tuning. No network, two minutes.

What to see: the bundled EfficientNet-Lite0 has never seen a digit, yet 94 % of them can be told from its features;
after fine-tuning its last 40 layers, t-SNE shows ten groups, and 98 % are told right. It is the page `mobilenet_mnist`
on scikit-learn's 1,797 digits. Measured: test/accuracy 0.976 on 450 images (2 cores of an AMD EPYC, TensorFlow 2.21.0,
Keras 3.15.1, November 2026).

python -m tfxfer.recipes.quickstart
"""

from tfxfer.recipes import mobilenet_mnist
from tfxfer.runs import command, resume


@resume.resumable
def main(
    dataset: str = "digits",
    data_dir: str | None = None,
    backbone: str = "efficientnet_lite0",
    weights: str = "imagenet",
    image_size: int = 48,
    unfreeze: int | str = 40,
    epochs: int = 10,
    keep: str = "best",
    early_stopping: int | None = None,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    augment: bool = False,
    seed: int = 0,
    validation: float | None = None,
    test: float | None = None,
    limit: int | None = None,
    skip_bad: bool = False,
    strict: bool = False,
    cache: str = "auto",
    views: int = 0,
    strategy: str = "none",
    precision: str = "float32",
    explain_size: int | None = None,
    resume: str | None = None,
    out: str = "saved_models",
) -> dict[str, float]:
    """Runs the experiment and returns its metrics; the run's directory is the last line printed."""
    return mobilenet_mnist.main(**locals(), recipe="quickstart")


if __name__ == "__main__":
    command.run(main)
