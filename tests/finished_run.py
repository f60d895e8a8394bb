"""A finished run of a tiny experiment, for the tests of what is made of runs."""

from tfxfer import features, runs
from tfxfer.recipes.shared import run_artifacts

HISTORY = {"loss": [2.0, 1.0], "val_loss": [2.0, 1.5], "accuracy": [0.1, 0.6], "val_accuracy": [0.1, 0.4]}


def finish(out, pictures, net, recipe="trial"):
    """Records a run of `net` as it is on the data set `pictures`, under the folder `out`."""
    with runs.Run(recipe, {"epochs": 2, "out": str(out)}, out) as run:
        run.describe(net, pictures)
        with run.phase("work"):
            run.metrics["test/accuracy"] = 0.5
        bank = features.extract(net, pictures.test, ("logits",))
        run.save_model(net, HISTORY)
        run.save({"test": bank, "pictures": run_artifacts.pictures(pictures, bank["logits"])})
        assert not run.final.exists()
    return run
