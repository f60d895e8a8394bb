"""The best classifier for your pictures in the time you have, and whether to trust it.

Give it a folder with one folder of pictures for each class. It looks at the data, fits classifiers to the frozen
features of the pretrained networks on this machine, tries how deep to fine-tune them and how fast, trains the best
setting for longer, and calibrates its probabilities. Everything is chosen by validation; the test images are looked at
once, at the end. What to see: the search as a picture, what twice as many pictures would bring, and three sentences on
what to do next. Testing, explaining and exporting take about a minute more than --minutes.

python -m tfxfer.recipes.transfer PICTURES --minutes 10
python -m tfxfer.recipes.transfer --dataset digits --minutes 1
"""

from typing import Annotated

from tfxfer.recipes.shared import Run, recipe
from tfxfer.runs import command
from tfxfer.runs.option import Option, one_of, positive, words
from tfxfer.runs.options import ABSENT

STEPS = ("look", "candidates", "explore", "refine", "learning_curve", "calibration")

Minutes = Annotated[
    float, Option("Minutes for the search; testing, explaining and exporting take one or two more.", check=positive)
]
Goal = Annotated[
    str,
    Option(
        "What to choose by: accuracy, balanced_accuracy (each class counts the same), or log_loss.",
        check=one_of("accuracy", "balanced_accuracy", "log_loss"),
    ),
]
Candidates = Annotated[
    str | None,
    Option("Backbones to choose among, comma-separated; by default those whose ImageNet weights are on this machine."),
]
PrecisionAt = Annotated[
    float, Option("Share of right answers wanted of the pictures that the network does not abstain from, 0 to 1.")
]
Skip = Annotated[str, Option(f"Steps to leave out, comma-separated: {', '.join(STEPS)}.", check=words(*STEPS))]


@recipe(
    dataset="digits",
    weights="imagenet",
    image_size=None,
    aspect="crop",
    learning_rate=ABSENT,
    keep=ABSENT,
    early_stopping=ABSENT,
    skip_bad=True,
    explain_size=None,
)
def main(
    run: Run,
    minutes: Minutes = 10.0,
    goal: Goal = "accuracy",
    backbones: Candidates = None,
    precision_at: PrecisionAt = 0.95,
    skip: Skip = "",
) -> None:
    """Runs the search and returns its metrics; the run's directory is the last line printed."""
    from tfxfer import analysis, features, model
    from tfxfer.recipes.shared import run_artifacts
    from tfxfer.recipes.shared.search import choice, opening, verdict

    steps = [step for step in STEPS if step not in skip.split(",")]
    phases = [step for step in steps if step not in ("candidates", "calibration")]
    last = ["baseline", *(step for step in steps if step == "calibration"), "test"]
    run.plan("data_and_plan", "probes", *phases, *last)
    with run.phase("data_and_plan"):
        search = opening.open_search(run, 60 * minutes, goal, backbones, rank="candidates" in steps)
    run.describe(next(iter(search.candidates.values())).net, search.splits, explain_size=run.options.explain_size)
    with run.phase("probes"):
        search.probe()
    if "look" in steps:
        with run.phase("look"):
            known = search.known_features()
            run.add(run_artifacts.study(search.splits, known, run.options.seed, strict=run.options.strict))
    if "explore" in steps:
        with run.phase("explore"):
            search.explore()
    if "refine" in steps:
        with run.phase("refine"):
            search.refine()
    best = choice.choose(search)
    if "learning_curve" in steps:
        with run.phase("learning_curve"):
            run.facts["learning_curve"] = best.learning_curve()
    with run.phase("baseline"):
        run.add(best.baseline())
    net = best.network()
    if "calibration" in steps:
        with run.phase("calibration"):
            model.calibrate(net, analysis.calibration.fit(*best.held_out(net), precision_at))
            run.add(best.calibration_images())
    run.save_model(net, best.history)
    with run.phase("test"):
        tested = features.extract(net, search.splits.test, ("logits",), **run.inference)
    run.add(verdict.conclude(run, best, tested))
    run.facts["sections"] = verdict.sections(run)
    run.finish(net, search.splits, tested, explain_size=run.options.explain_size)


if __name__ == "__main__":
    command.run(main, pictures=True)
