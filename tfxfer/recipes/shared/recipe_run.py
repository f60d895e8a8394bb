"""The run that a recipe's page is given."""

from typing import TYPE_CHECKING, Any

from tfxfer.recipes.shared.artifacts import Artifacts
from tfxfer.runs import seed_statistics
from tfxfer.runs.options import Options
from tfxfer.runs.run import Run as RecordedRun

if TYPE_CHECKING:
    import keras

    from tfxfer.data import Splits
    from tfxfer.features import Bank


FINISH = ("explanations", "neighbours", "export", "report")  # phases


class Run(RecordedRun):
    """A run of a recipe: its `options`, the `banks` it will keep, and what all pages do alike.

    Attributes:
        options: what the page was asked for.
        banks: feature banks by name.
        other_seeds: by seed, the metrics of the same page with other seeds; empty for a run of one seed.
        metrics_only: whether nothing but the metrics is kept, as of all seeds but the first.
    """

    metrics_only = False

    def __init__(self, recipe: str, record: dict[str, Any], options: Options):
        super().__init__(recipe, record, options.out, options.strategy, options.resume, options.quiet)
        self.options = options
        self.banks: dict[str, Bank] = {}
        self.other_seeds: dict[str, dict[str, float]] = {}

    def plan(self, *names: str, network: bool = True) -> None:
        """Says which phases the run will have, in their order; those of `finish` come after them.

        Args:
            network: whether a network is kept, which is explained and exported.
        """
        self.phases = [*names, *(FINISH if network else FINISH[-1:])]

    def load_data(self, dataset: str | None = None, image_size: int | None = None, seed: int | None = None) -> "Splits":
        """Loads the data set as the options say, but for what is given here."""
        from tfxfer import data

        chosen = self.options
        return data.load(
            chosen.dataset if dataset is None else dataset,
            chosen.data_dir,
            chosen.limit,
            image_size=chosen.image_size if image_size is None else image_size,
            validation=chosen.validation,
            test=chosen.test,
            seed=chosen.seed if seed is None else seed,
            skip_bad=chosen.skip_bad,
            strict=chosen.strict,
            image_key=chosen.image_key,
            label_key=chosen.label_key,
            aspect=chosen.aspect,
        )

    def training(self, part: str = "") -> dict[str, Any]:
        """Options for `train.fit`: those of every page, TensorBoard logs, strategy, and checkpoints to resume from.

        Args:
            part: names the fit, where a page has several.
        """
        chosen = self.options
        return super().training(part) | {
            "batch_size": chosen.batch_size,
            "seed": chosen.seed,
            "precision": chosen.precision,
            "engine": chosen.engine,
            "jit": chosen.jit,
            "keep": chosen.keep,
            "early_stopping": chosen.early_stopping,
        }

    @property
    def inference(self) -> dict[str, Any]:
        """Options for `features.extract`: what computes the features, and where."""
        return {"strategy": self.strategy, "engine": self.options.engine}

    def add(self, artifacts: Artifacts) -> None:
        """Keeps what a step left; facts that are dicts are merged with those of the same name."""
        self.banks |= artifacts.banks
        self.metrics |= artifacts.metrics
        for name, fact in artifacts.facts.items():
            known = self.facts.get(name)
            self.facts[name] = known | fact if isinstance(known, dict) and isinstance(fact, dict) else fact

    def save(self, banks: "dict[str, Bank]") -> None:
        """Writes the run's record as every run does. With several seeds the metrics are then those of all of them, see
        `seed_statistics.summary`, and the fact `by_seed` has those of each."""
        if self.other_seeds:
            by_seed = {str(self.options.seed): seed_statistics.figures(self.metrics)} | self.other_seeds
            times = {name: value for name, value in self.metrics.items() if name not in by_seed[str(self.options.seed)]}
            self.metrics = times | seed_statistics.summary(by_seed)
            self.facts["by_seed"] = by_seed
            if "sections" in self.facts:
                self.facts["sections"] = ["seeds", *self.facts["sections"]]
        super().save(banks)

    def finish(
        self,
        net: "keras.Model | None",
        splits: "Splits",
        tested: "Bank | None",
        *,
        pictures: "Bank | None" = None,
        project: bool | None = True,
        explain_size: int | None = None,
    ) -> None:
        """What every page ends with: explains the network, exports it, saves the run's record, writes its report.

        Args:
            net: the network that is kept; None where no network was trained.
            tested: logits or probabilities of all test images of `splits`, with their labels and ids.
            pictures: what is shown of the test, where that is more than `run_artifacts.pictures` of it.
            project: whether the embedding of test images is kept with its projections, for a page that has no others
                to show; None: the embedding is not kept either.
            explain_size: pixels a side at which class activation maps are made; None for the network's own.
        """
        from tfxfer import export, report
        from tfxfer.recipes.shared import neighbour_study, run_artifacts

        if net is not None and tested is not None:
            (scores,) = tested.values  # logits or probabilities
            shown = run_artifacts.pictures(splits, tested[scores])
            with self.phase("explanations"):
                if project is not None:
                    self.add(run_artifacts.embedding(net, shown, project))
                self.add(run_artifacts.explain(net, splits, shown, explain_size))
            with self.phase("neighbours"):
                self.add(neighbour_study.neighbours(net, splits, shown, self.inference))
            with self.phase("export"):
                export.saved_model(net, self.dir, shown["image"][:200])
            self.banks |= {"test": tested, "pictures": shown if pictures is None else pictures}
        self.save(self.banks)
        with self.phase("report", timed=False):
            report.write(self.dir)
