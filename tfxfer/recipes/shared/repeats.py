"""The same page with several seeds: each is trained once, also where the run is interrupted between them."""

import gc
import json
import shutil
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tfxfer.core import atomic, distribute
from tfxfer.recipes.shared.recipe_run import Run
from tfxfer.runs import seed_statistics

if TYPE_CHECKING:
    import keras

    from tfxfer.data import Splits
    from tfxfer.features import Bank


def run_page(page: Callable[..., None], run: Run, own: Mapping[str, Any]) -> None:
    """Runs a page once for each seed. The first seed comes last: its run is kept whole, with the metrics of all.

    What a seed does is what a run with this `seed` alone does. A seed that is finished is not trained again when the
    run is resumed, and one that is not continues from its own checkpoints.

    Args:
        page: the page's function.
        run: the open run, for the first seed.
        own: the page's own options.
    """
    first, number = run.options.seed, run.options.seeds
    for seed in range(first + 1, first + number):
        run.say(f"seed {seed} ({seed - first} of {number}): only its metrics are kept")
        repeat = Repeat(run, seed)
        metrics = repeat.recorded()
        if metrics is None:
            metrics = repeat.measure(page, own)
        else:
            run.say(f"seed {seed} was finished before the run was interrupted")
        run.metrics[f"seconds/seed_{seed}"] = metrics.pop("seconds")
        run.other_seeds[str(seed)] = metrics
        del repeat
        gc.collect()  # networks and their graphs refer to each other
    if number > 1:
        run.say(f"seed {first} ({number} of {number}): this is the run that is kept")
    run.seed(first)
    page(run, **own)


class Repeat(Run):
    """A run with another seed within a run, of which nothing but the metrics is kept.

    Until the run is complete, the folder `checkpoints` of the run has its own checkpoints, and then its metrics.

    Args:
        run: the open run.
        seed: another seed than the run's.
    """

    metrics_only = True

    def __init__(self, run: Run, seed: int):
        super().__init__(run.recipe, run.arguments, run.options.with_seed(seed))
        self.strategy, self.chief, self.final = run.strategy, run.chief, run.final
        self.dir = run.dir / "checkpoints" / f"seed_{seed}"
        self.record = self.dir.with_name(f"seed_{seed}.json")

    def recorded(self) -> dict[str, float] | None:
        """The metrics, with "seconds" (of the whole seed), of a seed that is finished; else None."""
        content = self.record.read_bytes() if self.chief and self.record.exists() else b""
        content = distribute.broadcast(self.strategy, content)
        return json.loads(content) if content else None

    def measure(self, page: Callable[..., None], own: Mapping[str, Any]) -> dict[str, float]:
        """Runs the page with this seed, and records and returns what `recorded` reads."""
        started = time.perf_counter()
        self.seed(self.options.seed)
        page(self, **own)
        metrics = {key: float(value) for key, value in seed_statistics.figures(self.metrics).items()}
        metrics["seconds"] = time.perf_counter() - started
        with atomic.file(self.record, durable=True) as beside:
            beside.write_text(json.dumps(metrics))
        shutil.rmtree(self.dir, ignore_errors=True)
        return metrics

    def save_model(self, net: "keras.Model", history: dict[str, list[float]]) -> None:
        """Keeps no network; makes the folder, into which a page may write more."""
        self.dir.mkdir(parents=True, exist_ok=True)

    def save(self, banks: "dict[str, Bank]") -> None:
        """Keeps no record but the metrics, see `measure`."""

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
        """Explains, exports and reports nothing."""
