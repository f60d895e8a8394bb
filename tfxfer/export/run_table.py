"""The command `tfxfer table`: what a run knows of each image, as a Parquet file for pandas and viewers of data sets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import log_softmax

from tfxfer.analysis.outliers import OutlierScorer
from tfxfer.analysis.projection import METHODS
from tfxfer.core.errors import InputError
from tfxfer.data.lazy_images import Files
from tfxfer.data.splits import SPLITS
from tfxfer.features import bank_parquet
from tfxfer.features.bank import Bank
from tfxfer.runs import loading
from tfxfer.runs.run_features import RunFeatures

NAME = "table.parquet"


def write_table(run_dir: str | Path, splits: Sequence[str] = SPLITS, out: str | Path | None = None) -> Path:
    """Writes a table with a row for each image of a run's data set.

    The data set is loaded again, and the saved network computes what is not in the cache yet. Columns:

    | column | value |
    |---|---|
    | `id`, `path`, `split` | the image; `path` is null for images that are no files of their own |
    | `label`, `prediction` | names of classes |
    | `probabilities` | float32 list, in the order of the classes |
    | `loss` | cross-entropy, float64 |
    | `embedding` | float32 list, the input of the head |
    | `pca_x`, `pca_y`, `tsne_x`, ... | projections, where the run has them (of some test images), else null |
    | `outlier_score` | Mahalanobis distance of the embedding from the nearest class mean, float64 |

    Outlier scores are by the moments of usual training images (`analysis.outliers`); null where these do not vary. The
    file's metadata `tfxfer` is JSON with `run` and `classes`.

    Args:
        run_dir: a finished run as `tfxfer.load` takes it.
        splits: some of train, validation and test.
        out: the file to write, which may not exist yet; by default table.parquet in the run's folder, which is
            replaced.

    Returns:
        The path of the file.

    Raises:
        InputError: the run trained no network, its data set cannot be loaded again, or the file exists.
    """
    run = loading.described(run_dir)
    target = run.dir / NAME if out is None else Path(out).expanduser()
    if unknown := [split for split in splits if split not in SPLITS]:
        raise InputError(f"split {unknown[0]!r}: expected some of {', '.join(SPLITS)}")
    if out is not None and target.exists():
        raise InputError(f"{target} exists: name another file with --out, or move it away")
    features = RunFeatures(run)
    train = features("train")
    parts = {
        split: train if split == "train" else features(split)
        for split in dict.fromkeys(splits)
        if features.splits.size(split)
    }
    scores = _outliers(train, parts, len(run.facts["classes"]))
    projections = _projections(run)
    rows = [_rows(features, split, bank, scores[split], projections) for split, bank in parts.items()]
    import pyarrow as pa

    columns = {name: pa.concat_arrays([part[name] for part in rows]) for name in rows[0]}
    bank_parquet.write(target, columns, {"run": str(run.dir), "classes": list(run.facts["classes"])})
    return target


def _rows(
    features: RunFeatures, split: str, bank: Bank, scores: np.ndarray | None, projections: dict[str, dict]
) -> dict[str, Any]:
    """Columns of Arrow for the images of a split."""
    import pyarrow as pa

    logs = log_softmax(np.asarray(bank["logits"], np.float64), axis=1)
    images, names = features.splits.rows[split].images, np.asarray(features.splits.classes)
    paths = images.paths.tolist() if isinstance(images, Files) else [None] * len(bank)
    return {
        "id": pa.array(bank.ids),
        "path": pa.array(paths, pa.string()),
        "split": pa.array([split] * len(bank), pa.string()),
        "label": pa.array(names[bank.labels].tolist(), pa.string()),
        "prediction": pa.array(names[logs.argmax(1)].tolist(), pa.string()),
        "probabilities": bank_parquet.column(np.exp(logs).astype(np.float32)),
        "loss": pa.array(-logs[np.arange(len(bank)), bank.labels]),
        "embedding": bank_parquet.column(np.asarray(bank["embedding"], np.float32).reshape(len(bank), -1)),
        **{
            name: pa.array(
                [places.get(number) for number in bank.ids.tolist()] if split == "test" else [None] * len(bank),
                pa.float64(),
            )
            for name, places in projections.items()
        },
        "outlier_score": pa.array([None] * len(bank) if scores is None else scores, pa.float64()),
    }


def _outliers(train: Bank, parts: dict[str, Bank], classes: int) -> dict[str, np.ndarray | None]:
    """Scores by split; None where features do not vary or images are too few."""
    x = np.asarray(train["embedding"])
    try:
        scorer = OutlierScorer(x, train.labels, classes)
    except InputError:
        return dict.fromkeys(parts)
    return {split: scorer.scores(np.asarray(bank["embedding"])) for split, bank in parts.items()}


def _projections(run: loading.Loaded) -> dict[str, dict[int, float]]:
    """Coordinates by column and id, of the saved network's features: of the bank "after", or else of "final"."""
    bank = next((run.banks[name] for name in ("after", "final") if name in run.banks), None)
    found: dict[str, dict[int, float]] = {}
    for method in METHODS if bank is not None else ():
        if bank is not None and method in bank.values:
            for axis, values in zip("xy", np.asarray(bank[method], np.float64).T):
                found[f"{method}_{axis}"] = dict(zip(bank.ids.tolist(), values.tolist()))
    return found
