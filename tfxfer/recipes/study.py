"""A look at a data set before anything is trained on it: classes, copies, outliers, wrong labels, and what a frozen
network sees in it.

Nothing is trained. What to see: images that leak into the test, also shifted, cropped, mirrored or encoded anew;
labels that a probe doubts; images unlike all others; and how far ImageNet features separate the classes already.
--strict refuses data with a leak. Measured by the command below: no near-copy among 1,000 validation and test images,
before/probe_accuracy 0.820 (2 cores, TensorFlow 2.21.0, Keras 3.15.1, November 2026).

python -m tfxfer.recipes.study --dataset fashion_mnist --limit 2000
"""

import numpy as np

from tfxfer.recipes.shared import Run, recipe
from tfxfer.runs import command
from tfxfer.runs.options import ABSENT

PROBE_IMAGES = 5000  # training images that the probe learns from
SHOWN = 2000  # test images that are projected


@recipe(
    dataset="digits",
    backbone="efficientnet_lite0",
    weights="imagenet",
    image_size=96,
    keep=ABSENT,
    early_stopping=ABSENT,
    learning_rate=ABSENT,
    precision=ABSENT,
    jit=ABSENT,
)
def main(run: Run) -> None:
    """Runs the study and returns its metrics; the run's directory is the last line printed."""
    from tfxfer import analysis, features, model
    from tfxfer.data.splits import SPLITS
    from tfxfer.recipes.shared import run_artifacts

    chosen = run.options
    run.plan("data_and_model", "features", "study_data", "study_features", network=False)
    with run.phase("data_and_model"):
        splits = run.load_data()
        net = model.build(chosen.backbone, splits, chosen.image_size, chosen.weights)
    run.describe(net, splits)
    extract = features.Extractor(net, **run.inference)
    with run.phase("features"):
        banks = {split: extract(splits.examples(split)) for split in SPLITS if splits.size(split)}
    known, tested = banks["train"][:PROBE_IMAGES], banks["test"][:SHOWN]
    with run.phase("study_data"):
        run.add(run_artifacts.study(splits, banks["train"], chosen.seed, banks, chosen.strict))
    with run.phase("study_features"):
        arrays = (known["embedding"], known.labels, tested["embedding"], tested.labels)
        metrics, points = analysis.separation(*arrays, chosen.seed)
        run.note("before", metrics)
    run.banks |= {
        "frozen": features.Bank(points, tested.labels, tested.ids),
        "pictures": run_artifacts.images(splits, "test", np.arange(len(tested))),
    }
    run.facts["sections"] = ["projections", "dataset"]
    run.finish(None, splits, None)


if __name__ == "__main__":
    command.run(main)
