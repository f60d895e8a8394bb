"""How many labels do I need? Accuracy against the number of labelled images of each class, for six ways to learn.

From 1, 2, 5 and so on to all training images of each class learn: a logistic regression of the embedding, Head2Toe
(features of all stages), a head, LP-FT (the head first, then the last stage with it), the last stage and the head at
once, and WiSE-FT (weights between those of the head and of LP-FT). The images are drawn several times, each subset
within the next larger one: medians and ranges over the draws. What to see: on digits, a probe of all stages is far
ahead of everything that is tuned; with one image a class, it matters much which one; a line that is flat at its end
says that more labels would not help. Measured: an accuracy of 0.9 takes 47 labels with Head2Toe (41 to 50), 308 with
LP-FT (220 to 457), 343 with the logistic probe (310 to 500) (2 cores of an AMD EPYC, TensorFlow 2.21.0, Keras 3.15.1,
November 2026).

There are no validation images beside the k of each class, because somebody with k images would not have them. Rates,
steps and everything else are fixed beforehand, as in BiT-HyperRule (Kolesnikov et al. 2020, arXiv:1912.11370). Only
WiSE-FT's weight is chosen, as in VTAB-1k (Zhai et al. 2019, arXiv:1910.04867): LP-FT of four fifths of the k images is
validated on the last fifth, and the weight that was best there is used between the head and the LP-FT of all k; for k
below 5 it is 0.5.

python -m tfxfer.recipes.few_shot
python -m tfxfer.recipes.few_shot --dataset fashion_mnist --limit 10000 --wanted 0.85
"""

from typing import Annotated

from tfxfer.core.numbers import check_share
from tfxfer.recipes.shared import Run, recipe
from tfxfer.runs import command
from tfxfer.runs.option import Option
from tfxfer.runs.options import ABSENT, Unfreeze


def _check_shots(name: str, value: str) -> None:
    from tfxfer.recipes.shared import label_subsets

    label_subsets.parse(value)


def _check_methods(name: str, value: str) -> None:
    from tfxfer.recipes.shared import few_shot_methods

    few_shot_methods.parse(value)


Shots = Annotated[str, Option("Numbers of labelled images a class, comma-separated.", check=_check_shots)]
Draws = Annotated[int, Option("How many times the images are drawn.", least=1)]
Methods = Annotated[
    str,
    Option(
        "Ways to learn, comma-separated: logistic, head2toe, head, lp_ft, last_layers, wise_ft.", check=_check_methods
    ),
]
Steps = Annotated[int, Option("Gradient steps of each training, at least one pass over the images.", least=1)]
Wanted = Annotated[float, Option("Accuracy for which the number of labels is asked.", check=check_share)]


@recipe(
    dataset="digits",
    backbone="efficientnet_lite0",
    weights="imagenet",
    image_size=48,
    batch_size=32,
    learning_rate=3e-3,
    keep=ABSENT,
    early_stopping=ABSENT,
    cache="auto",
)
def main(
    run: Run,
    shots: Shots = "1,2,5,10,20,50,all",
    draws: Draws = 5,
    methods: Methods = "logistic,head2toe,head,lp_ft,last_layers,wise_ft",
    unfreeze: Unfreeze = "last",
    steps: Steps = 100,
    wanted: Wanted = 0.9,
) -> None:
    """Runs the experiment and returns its metrics; the run's directory is the last line printed."""
    from tfxfer import model
    from tfxfer.recipes.shared import few_shot_learners, few_shot_methods, label_subsets
    from tfxfer.recipes.shared.few_shot_study import Study

    chosen = run.options
    run.plan("data_and_model", "features", "learning", network=False)
    names, numbers = few_shot_methods.parse(methods), label_subsets.parse(shots)
    with run.phase("data_and_model"):
        splits = run.load_data()
        net = model.build(chosen.backbone, splits, chosen.image_size, chosen.weights)
    run.describe(net, splits, unfreeze=unfreeze)
    labels = splits.rows["train"].labels
    numbers = label_subsets.smaller(numbers, labels)
    study = Study(run, few_shot_learners.Learners(run, net, splits, names, unfreeze, steps))
    with run.phase("learning"):
        for draw in range(draws):
            for number, subset in label_subsets.nested(labels, numbers, [chosen.seed, draw]).items():
                study.learn(draw, number, subset)
    study.conclude(wanted)
    run.facts["sections"] = ["few_shot"]
    run.finish(None, splits, None)


if __name__ == "__main__":
    command.run(main)
