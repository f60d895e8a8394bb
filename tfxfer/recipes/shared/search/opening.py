"""How a search begins: what is chosen among, at which size the pictures are seen, and the data at that size."""

import numpy as np

from tfxfer.core import distribute
from tfxfer.core.errors import InputError
from tfxfer.data import Splits, sources
from tfxfer.model import stage_table
from tfxfer.recipes.shared.recipe_run import Run
from tfxfer.recipes.shared.search import candidates, time_plan
from tfxfer.recipes.shared.search.journal import Journal
from tfxfer.recipes.shared.search.search import Search

MEASURED_AT = 96  # pixels at which a forward pass is timed


def open_search(run: Run, limit: float, goal: str, backbones: str | None, rank: bool) -> Search:
    """Loads the data at a size for which there is time, and prepares candidates and plan.

    Args:
        run: of the recipe.
        limit: seconds for the search.
        goal: what to choose by.
        backbones: names, comma-separated; None for those whose weights are on this machine.
        rank: whether to rank several; if not, the first is taken.

    Raises:
        InputError: several workers, or no backbone is available.
    """
    if distribute.workers(run.strategy) > 1:
        raise InputError(
            "transfer decides by what it measures, which several workers would do differently: use --strategy none or "
            "mirrored, and train the setting that it chooses with tfxfer mobilenet_mnist on all workers"
        )
    chosen, journal = run.options, Journal(run.dir / "checkpoints" / "search")
    names = candidates.names(backbones)
    names = names if rank else names[:1]
    loaded: list[Splits] = []
    size = journal.step("data", lambda: _load(run, names[0], limit, loaded), "extract")["size"]
    splits = loaded[0] if loaded else run.load_data(image_size=size)
    training = {name: getattr(chosen, name) for name in ("seed", "precision", "engine", "jit")}
    search = Search(
        journal,
        splits,
        limit,
        goal,
        build={"image_size": size, "weights": chosen.weights},
        training=training | {"strategy": run.strategy},
        inference=run.inference,
        seed=chosen.seed,
        say=run.say,
    )
    search.choose_candidates(names)
    search.plan()
    return search


def _load(run: Run, backbone: str, limit: float, loaded: list[Splits]) -> dict[str, int]:
    """Loads the data, at the size that was asked for or else the one for which there is time, and returns the size."""
    size = run.options.image_size or _image_size(run, backbone, limit)
    loaded.append(run.load_data(image_size=size))
    return {"size": size}


def _image_size(run: Run, backbone: str, limit: float) -> int:
    """The size for which there is time, from the number of pictures and a forward pass that is timed here."""
    images, side = _count(run)
    seconds = time_plan.seconds_per_image(stage_table.build(backbone, MEASURED_AT))
    return time_plan.image_size(seconds, MEASURED_AT, images, side, limit)


def _count(run: Run) -> tuple[int, int | None]:
    """How many pictures there are to train on, and their shorter side, None where they differ in size."""
    chosen, most = run.options, run.options.limit or np.iinfo(np.int64).max
    name = sources.full_name(chosen.dataset)
    if name.startswith("cifar10_corrupted"):
        return min(most, 40_000), 32
    train = sources.find(name, chosen.data_dir, chosen.image_key, chosen.label_key).train
    side = min(train.images.shape[1:3]) if train.images.dtype == np.uint8 else None
    return min(most, len(train.labels)), side
