"""`model_card.md` and `labels.txt`: what accompanies a network to people who were not there when it was made.

Model cards: Mitchell et al. 2019, arXiv:1810.03993.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfxfer.runs import card_text, corruption_facts, seed_statistics, tested_scores

if TYPE_CHECKING:
    from tfxfer.features.bank import Bank

_PRIVATE = ("out", "data_dir", "resume")  # arguments that name places on the machine where it was made


def write(
    folder: Path,
    facts: dict[str, Any],
    test: "Bank | None",
    parity: dict[str, Any] | None = None,
    calibrations: dict[str, Any] | None = None,
) -> None:
    """Writes both files.

    Args:
        facts: of the run, as in run.json.
        test: bank of test images with `logits` or `probabilities`, float (n, classes); None if none were kept.
        parity: as `export.bundle` writes it to parity.json; None for a run, whose only file is its SavedModel.
        calibrations: of the files, by format, as `export.bundle` writes them to calibration.json.
    """
    names = [" ".join(name.split()) for name in facts["classes"]]
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    (folder / "model_card.md").write_text(_card(facts, names, test, parity, calibrations or {}), encoding="utf-8")


def arguments(facts: dict[str, Any]) -> dict[str, Any]:
    """A run's arguments without places on the machine where it was made."""
    public = {name: value for name, value in facts["arguments"].items() if name not in _PRIVATE}
    return {name: _public(value) if isinstance(value, str) else value for name, value in public.items()}


def kept(training: dict[str, Any]) -> str:
    """A sentence on the epochs whose weights were kept; empty for runs that did not record it.

    Args:
        training: the run's fact: of one fit, or of several by name.
    """
    fits = {"": training} if "keep" in training else training
    fits = {fit: facts for fit, facts in fits.items() if isinstance(facts, dict) and "keep" in facts}
    if not fits:
        return ""
    epochs = [
        f"epoch {facts['weights_of_epoch'] + 1} of {facts['epochs']}" + (f" ({_plain(fit)})" if fit else "")
        for fit, facts in fits.items()
    ]
    best = any(facts["keep"] == "best" for facts in fits.values())
    return f"The weights are those of {', '.join(epochs)}: the {'lowest validation loss' if best else 'last'}."


def copies(data: dict[str, Any]) -> str:
    """A sentence on equal images in two of the splits.

    Args:
        data: the run's fact.
    """
    duplicates = data.get("duplicates", {})
    test, validation = (duplicates.get(f"across_{split}", 0) for split in ("test", "validation"))
    if not test and not validation:
        return "No image is in two of the splits."
    return (
        f"{test:,} of the test images are equal in every pixel to one in training or validation, and {validation:,} of "
        "the validation images to one in training."
    )


def _card(
    facts: dict[str, Any],
    names: list[str],
    test: "Bank | None",
    parity: dict[str, Any] | None,
    calibrations: dict[str, Any],
) -> str:
    data, net, calibration = facts["data"], facts.get("model", {}), facts.get("calibration")
    title = facts.get("best") or net.get("name") or "network"
    shape = ", ".join(map(str, data["image_shape"]))
    files = {"saved_model": "saved_model"}
    if parity:
        files = {name: row["file"] for name, row in parity["formats"].items()}
    blocks = [
        f"# {_plain(title)} on {_plain(_public(data['name']))}",
        f"An image classifier with {len(names)} classes, trained by tfxfer's recipe `{facts['recipe']}` on "
        f"{facts['started'][:10]}.",
        "## Use",
        card_text.use(shape, files, data.get("aspect", "squash")),
        "## Test scores",
        *_scores(names, test, corruption_facts.tested(facts)),
        *_over_seeds(facts),
        *(["## Probabilities", card_text.probabilities(calibration)] if calibration else []),
        "## Limits",
        card_text.limits(calibration),
        "## Data",
        *_data(facts, shape),
        "## Training",
        _table(("argument", "value"), list(arguments(facts).items())),
        *_training(facts),
        *(_files(parity, calibrations) if parity else []),
        "## Versions",
        ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
    ]
    return "\n\n".join(blocks) + "\n"


def _scores(names: list[str], test: "Bank | None", images: str) -> list[str]:
    if test is None or tested_scores.outputs(test) is None:
        return ["None were kept."]
    untested = tested_scores.not_tested(test, names)
    return [
        f"Accuracy {tested_scores.accuracy(test, images)}.",
        _table(("class", "precision", "recall", "F1", "images"), tested_scores.by_class(test, names)),
        *([_plain(untested)] if untested else []),
    ]


def _over_seeds(facts: dict[str, Any]) -> list[str]:
    """The accuracy over several seeds, of which this network is the first."""
    values = [metrics.get("test/accuracy") for metrics in facts.get("by_seed", {}).values()]
    if len(values) < 2 or None in values:
        return []
    first, *others = facts["by_seed"]
    return [
        f"This is the network of seed {first}. With seeds {', '.join(others)} as well, each trained in the same way, "
        f"the accuracy is {seed_statistics.text(values)} (mean and standard deviation over {len(values)} seeds)."
    ]


def _data(facts: dict[str, Any], shape: str) -> list[str]:
    data = facts["data"]
    sizes = ", ".join(f"{n:,} {split}" for split, n in data["sizes"].items())
    blocks = [
        f"{_plain(_public(data['name']))}: {sizes} images of {shape.replace(', ', ' x ')}. {copies(data)} sha256 "
        f"{data['sha256']}."
    ]
    if "corrupted" in facts:
        blocks.append(f"Corrupted images: {_plain(corruption_facts.public_remark(facts))}.")
    return blocks


def _training(facts: dict[str, Any]) -> list[str]:
    """What was trained and which epoch was kept, as far as the run recorded it."""
    net, blocks = facts.get("model", {}), []
    if "unfrozen" in net:
        start = (
            f" sha256 of the backbone before training: {net['backbone_sha256']}." if "backbone_sha256" in net else ""
        )
        blocks.append(
            f"{net['unfrozen']} of the backbone's {net['layers']} layers and the head were trained; "
            f"{net['parameters']:,} parameters.{start}"
            + (f" Its weights were Keras's file {_plain(net['weights_file'])}." if "weights_file" in net else "")
        )
    weights = kept(facts.get("training", {}))
    return [*blocks, weights] if weights else blocks


def _files(parity: dict[str, Any], calibrations: dict[str, Any]) -> list[str]:
    head: tuple[str, ...] = ("file", "bytes", "largest difference in probability", "same class")
    rows: list[tuple[str, ...]] = [
        (row["file"], f"{row['bytes']:,}", f"{row['max_difference']:.2g}", f"{row['agreement']:.4f}")
        for row in parity["formats"].values()
    ]
    remark = ""
    if calibrations:
        head = (*head, "temperature", "abstains below")
        rows = [(*row, *_calibrated(calibrations.get(name))) for row, name in zip(rows, parity["formats"])]
        remark = " `calibration.json` has temperatures and thresholds in full."
    return [
        "## Files",
        _table(head, rows),
        f"Each was reloaded in a fresh process and compared with the network on {parity['images']} of the test images."
        + remark,
    ]


def _calibrated(calibration: dict[str, Any] | None) -> tuple[str, str]:
    """The temperature and the threshold of a file, as the card's table shows them."""
    if not calibration:
        return "", ""
    least = calibration["threshold"]
    return f"{calibration['temperature']:.4g}", "never" if least is None else f"{least:.4f}"


def _table(head: tuple[str, ...], rows: Sequence[tuple]) -> str:
    lines = [head, ["---"] * len(head), *([_plain(str(cell)) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*\[\]|<>])", r"\\\1", " ".join(text.split()))


def _public(value: str) -> str:
    """A value without the folders in it: the card goes to people to whom they mean nothing."""
    kind, colon, path = value.rpartition(":")
    if "/" not in path or path.partition("/")[0] == "cifar10_corrupted":  # a part of a data set that goes by name
        return value
    return f"{kind}{colon}{Path(path).name or path}"
