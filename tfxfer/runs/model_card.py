"""`model_card.md` and `labels.txt`: what goes with a network to people who were not there when it was made.

Model cards: Mitchell et al. 2019, arXiv:1810.03993.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfxfer.analysis import intervals, metrics

if TYPE_CHECKING:
    from tfxfer.features import Bank

_PRIVATE = ("out", "data_dir", "resume")  # places on the machine where it was made

_USE = """\
`labels.txt` has the classes' names, a line each, in the order of `probabilities`. All forms take raw pixels, `image`:
uint8 (batch, {shape}); turning grey into RGB, resizing and scaling are inside.

{forms}"""

_SAVED_MODEL = """\
The SavedModel needs TensorFlow alone:

```python
served = tf.saved_model.load("saved_model").signatures
served["serving_default"](image=images)  # probabilities, class_index, class_name
served["serving_bytes"](image_bytes=[file.read_bytes()])  # the same of JPEG or PNG files of any size
served["embed"](image=images)  # embedding
```

Batches may have any size, also none. Pixels of another height, width or number of channels are refused;
`serving_bytes` turns and resizes what it decodes as training did. It takes JPEG and PNG alone;
`tfxfer predict saved_model FILES` reads WebP, BMP, GIF (the first frame) and TIFF too."""

_LITERT = """\
The LiteRT files:

```python
run = tf.lite.Interpreter("{file}").get_signature_runner("serving_default")
run(image=images)["probabilities"]
```"""

_ONNX = """\
The ONNX file:

```python
session = onnxruntime.InferenceSession("{file}")
session.run(["probabilities"], {{"image": images}})
```"""

_KERAS = """\
The Keras file gives logits, to train on:

```python
tfxfer.runs.loading.network("{file}")(images)
```"""

_FORMS = {  # of several of one kind, the first is shown
    "saved_model": _SAVED_MODEL,
    "litert": _LITERT,
    "litert_dynamic": _LITERT,
    "litert_int8": _LITERT,
    "onnx": _ONNX,
    "keras": _KERAS,
}

_LIMITS = """\
- Every picture gets one of these classes, also one that shows none of them.
- The figures hold for pictures that come about as the test images did: same cameras, same cutting, same shares of the
  classes. Other light, backgrounds or colours can cost much of the accuracy while probabilities stay high.
- Probabilities are the network's softmax, not calibrated.
- It was not examined for fairness between groups of people."""


def write(folder: Path, facts: dict[str, Any], test: "Bank | None", parity: dict[str, Any] | None = None) -> None:
    """Writes both files.

    Args:
        facts: of the run, as in run.json.
        test: features of test images with `logits` or `probabilities`, float (n, classes).
        parity: as `bundle` writes it.
    """
    names = [" ".join(name.split()) for name in facts["classes"]]
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    (folder / "model_card.md").write_text(_card(facts, names, test, parity), encoding="utf-8")


def scores(test: "Bank | None") -> np.ndarray | None:
    """What a bank has of the network's outputs: float (n, classes), or None."""
    return None if test is None else next((test[k] for k in ("logits", "probabilities") if k in test.values), None)


def arguments(facts: dict[str, Any]) -> dict[str, Any]:
    """A run's arguments without places on the machine where it was made."""
    given = {name: value for name, value in facts["arguments"].items() if name not in _PRIVATE}
    return {name: _public(value) if isinstance(value, str) else value for name, value in given.items()}


def _card(facts, names, test, parity) -> str:
    data, net = facts["data"], facts.get("model", {})
    best = facts.get("best") or net.get("name") or "network"
    sizes = ", ".join(f"{n:,} {split}" for split, n in data["sizes"].items())
    shape = ", ".join(map(str, data["image_shape"]))
    blocks = [
        f"# {_plain(best)} on {_plain(_public(data['name']))}",
        f"An image classifier of {len(names)} classes, trained by tfxfer's recipe `{facts['recipe']}` on "
        f"{facts['started'][:10]}.",
        "## Use",
        _USE.format(shape=shape, forms=_use(parity)),
        "## Test figures",
        *_figures(names, test, tested(facts)),
        "## Limits",
        _LIMITS,
        "## Data",
        f"{_plain(_public(data['name']))}: {sizes} images of {shape.replace(', ', ' x ')}. {copies(data)} sha256 "
        f"{data['sha256']}.",
        "## Training",
        _table(("argument", "value"), list(arguments(facts).items())),
    ]
    if "unfrozen" in net:  # runs of the first days have not
        before = f" sha256 of the backbone before: {net['backbone_sha256']}." if "backbone_sha256" in net else ""
        blocks.append(
            f"{net['unfrozen']} of the backbone's {net['layers']} layers and the head were trained; "
            f"{net['parameters']:,} parameters.{before}"
        )
    if weights := kept(facts.get("training", {})):
        blocks.append(weights)
    if parity:
        rows = [
            (row["file"], f"{row['bytes']:,}", f"{row['max_difference']:.2g}", f"{row['agreement']:.4f}")
            for row in parity["formats"].values()
        ]
        head = ("file", "bytes", "largest difference of a probability", "same class")
        blocks += ["## Files", _table(head, rows)]
        blocks.append(
            f"Each reloaded in a fresh process and compared with the network on {parity['images']} of the test images."
        )
    blocks += ["## Versions", ", ".join(f"{name} {version}" for name, version in facts["versions"].items())]
    return "\n\n".join(blocks) + "\n"


def kept(training: dict[str, Any]) -> str:
    """Of which epoch the weights are, of several fits each one's; nothing for runs that did not record it."""
    fits = {"": training} if "keep" in training else training
    fits = {fit: facts for fit, facts in fits.items() if isinstance(facts, dict) and "keep" in facts}
    if not fits:
        return ""
    each = [
        f"epoch {facts['weights_of_epoch'] + 1} of {facts['epochs']}" + (f" ({_plain(fit)})" if fit else "")
        for fit, facts in fits.items()
    ]
    best = any(facts["keep"] == "best" for facts in fits.values())
    return f"The weights are those of {', '.join(each)}: " + ("the lowest validation loss." if best else "the last.")


def _use(parity: dict[str, Any] | None) -> str:
    """How to run what is there: a run's SavedModel, or an export's files."""
    written = {"saved_model": "saved_model"}
    if parity:
        written = {name: row["file"] for name, row in parity["formats"].items()}
    shown = {text: file for name, file in reversed(written.items()) for text in [_FORMS[name]]}
    return "\n\n".join(text.format(file=file) for text, file in reversed(shown.items()))


def tested(facts: dict[str, Any]) -> str:
    """What a run's figures are of: test images, or corrupted ones, and how."""
    if "corrupted" not in facts:
        return "test images"
    given = facts["arguments"]
    return f"test images under {given['corruption']} of severity {given['severities']}"


def copies(data: dict[str, Any]) -> str:
    """A sentence on equal images in two of the splits, by what a run's facts say of its data."""
    found = data.get("duplicates", {})
    tested, validated = (found.get(f"across_{split}", 0) for split in ("test", "validation"))
    if not tested and not validated:
        return "No image is in two of these."
    return (
        f"Of the test images {tested:,} are equal in every pixel to one in training or validation, of the validation "
        f"images {validated:,} to one in training."
    )


def _figures(names: list[str], test: "Bank | None", what: str) -> list[str]:
    found = scores(test)
    if found is None:
        return ["None were kept."]
    return [
        f"Accuracy {measured(test, what)}.",
        _table(("class", "precision", "recall", "F1", "images"), by_class(test, names)),
        *([_plain(untested)] if (untested := not_tested(test, names)) else []),
    ]


def interval(test: "Bank") -> tuple[float, float]:
    """95% interval of the accuracy on a bank's images, clustered by the image they were made of."""
    return intervals.accuracy(scores(test).argmax(1) == test.labels, test.bases)


def measured(test: "Bank", what: str = "test images") -> str:
    """Accuracy on a bank's images with its confidence interval, in words."""
    share, (low, high) = metrics.accuracy(test.labels, scores(test).argmax(1)), interval(test)
    images = len(np.unique(test.bases))
    made, by = (f", made of {images:,}", ", clustered by image") if images < len(test) else ("", "")
    return f"{share:.4f} (95% interval {low:.4f} to {high:.4f}, Wilson{by}) on {len(test):,} {what}{made}"


def by_class(test: "Bank", names: list[str]) -> list[tuple[str, ...]]:
    """Rows of class, precision, recall, F1 and number of images, the last one their mean over the classes tested."""
    rows = metrics.per_class(test.labels, scores(test).argmax(1), names)
    mean = {"class": "mean of classes", **metrics.macro(rows), "support": len(test)}
    return [
        (row["class"], *(score(row[name]) for name in metrics.SCORES), f"{row['support']:.0f}") for row in [*rows, mean]
    ]


def not_tested(test: "Bank", names: list[str]) -> str:
    """A sentence on the classes without test images; empty where every class has some."""
    none = [name for number, name in enumerate(names) if number not in test.labels]
    shown = ", ".join(none[:5]) + (f" and {len(none) - 5} more" if len(none) > 5 else "")
    return f"No test images of {shown}: no scores (—), and not counted in the mean of classes." if none else ""


def score(value: float) -> str:
    """A score as tables show it; a dash where there is none."""
    return "—" if np.isnan(value) else f"{value:.3f}"


def _table(head: tuple[str, ...], rows: list[tuple]) -> str:
    lines = [head, ["---"] * len(head), *([_plain(str(cell)) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _plain(text: str) -> str:
    """Text that Markdown takes as it is, on one line."""
    return re.sub(r"([\\`*\[\]|<>])", r"\\\1", " ".join(text.split()))


def _public(value: Any) -> str:
    """A value without the folders in it: a card goes to others, to whom they say nothing."""
    kind, colon, path = str(value).rpartition(":")
    if "/" not in path or path.partition("/")[0] == "cifar10_corrupted":  # a part of a data set, which goes by name
        return str(value)
    return f"{kind}{colon}{Path(path).name or path}"
