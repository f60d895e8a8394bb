"""The first run: ImageNet features of handwritten digits, before and after fine-tuning. Offline, in two minutes.

What to see: the bundled EfficientNet-Lite0 has never seen a digit, yet 93% of them can be recognised from its
features; after fine-tuning its last 40 layers, t-SNE shows ten groups, and 98% are recognised. This is the recipe
`mobilenet_mnist` on scikit-learn's 1,797 digits. Measured: test/accuracy 0.976 on 450 images (2 cores of an AMD EPYC,
TensorFlow 2.21.0, Keras 3.15.1, November 2026).

python -m tfxfer.recipes.quickstart
"""

from tfxfer.recipes import mobilenet_mnist
from tfxfer.recipes.shared import Run, recipe
from tfxfer.runs import command
from tfxfer.runs.options import Head2toeImages, Unfreeze


@recipe(
    dataset="digits",
    backbone="efficientnet_lite0",
    weights="imagenet",
    image_size=48,
    epochs=10,
    batch_size=32,
    augment=False,
    cache="auto",
    views=0,
    explain_size=None,
)
def main(run: Run, unfreeze: Unfreeze = 40, head2toe_images: Head2toeImages = 0) -> None:
    """Runs the experiment and returns its metrics; the run's directory is the last line printed."""
    mobilenet_mnist.main.__wrapped__(run, unfreeze, head2toe_images)


if __name__ == "__main__":
    command.run(main)
