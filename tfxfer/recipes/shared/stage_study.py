"""Features at the end of each stage, before and after tuning: what the report and `tfxfer compare` compute CKA from."""

import keras
import numpy as np

from tfxfer import model
from tfxfer.data import Splits
from tfxfer.features import inference
from tfxfer.features.bank import Bank
from tfxfer.model import folding
from tfxfer.recipes.shared.artifacts import Artifacts

IMAGES = 500  # test images whose features are kept


def stage_features(net: keras.Model, splits: Splits, split: str) -> dict[str, np.ndarray]:
    """Outputs of the stages for all images of a split, their maps averaged over places: float32 (n, d) by stage."""
    ends = {name: members[-1].output for name, members in model.stages(net).items()}
    pool = keras.layers.GlobalAveragePooling2D()
    staged = keras.Model(net.input, {name: pool(end) if len(end.shape) == 4 else end for name, end in ends.items()})
    forward = folding.Forward(staged).current()
    parts = [forward(batch["image"]) for batch in splits.batches(split, inference.images_per_batch(net))]
    return {name: np.concatenate([part[name].numpy() for part in parts]) for name in ends}


def stages(net: keras.Model, splits: Splits, when: str, known: Bank | None = None) -> Artifacts:
    """The bank "stages": `stage_features` of the first `IMAGES` test images, as `<when>/<stage>`.

    Args:
        known: such a bank of another time, whose features the new one has too.
    """
    subset = splits.only(test=slice(IMAGES))
    values = {f"{when}/{name}": x for name, x in stage_features(net, subset, "test").items()}
    others = {} if known is None else known.values
    return Artifacts({"stages": Bank({**others, **values}, subset.rows["test"].labels, subset.ids["test"])})
