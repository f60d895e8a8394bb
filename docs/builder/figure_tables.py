"""Tables of what was measured, from the files of benchmarks/measured/: no figure of them is typed into a page."""

import importlib.util
import json
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TABLES = BENCHMARKS / "measured" / "tables"
_PLACE = re.compile(r"<!-- figures: (\w+) -->")


def fill(markdown: str) -> str:
    """A page with its tables."""
    return _PLACE.sub(lambda place: table(place[1]), markdown)


def table(name: str) -> str:
    """A table of benchmarks/measured/tables, in Markdown, with what it was measured on; `recipes` is that of all."""
    if name == "recipes":
        return _recipes().table()
    path = TABLES / f"{name}.json"
    if not path.exists():
        raise ValueError(f"<!-- figures: {name} -->: there is no {path}")
    about = json.loads(path.read_text(encoding="utf-8"))
    lines = _rows([about["columns"], ["---"] * len(about["columns"]), *about["rows"]])
    return f"{lines}\n\n{provenance(about)}"


def provenance(about: dict) -> str:
    """Command, machine, versions and date of a table, in small print."""
    names = {
        "tensorflow": "TensorFlow",
        "keras": "Keras",
        "fastai": "fastai",
        "torch": "PyTorch",
        "onnxruntime": "ONNX Runtime",
        "openvino": "OpenVINO",
    }
    versions = [f"{names.get(name, name.capitalize())} {number}" for name, number in about["versions"].items()]
    seed = [f"seed {about['seed']}"] if "seed" in about else []
    facts = ", ".join([about["machine"], *versions, *seed, about["date"]])
    command = about["command"] if about["command"].startswith("as ") else f"`{about['command']}`"
    return f"{{.provenance}}\n{command}. {facts}. {about.get('remark', '')}".strip()


def of_recipe(name: str) -> str:
    """The figures of a recipe that were kept, beside the published ones, in Markdown; empty where none were."""
    _, runs = _recipes().TABLE.get(name, ("", {}))
    parts = []
    for run, (measured_on, figures) in runs.items():
        about = json.loads((BENCHMARKS / "measured" / f"{run}.json").read_text(encoding="utf-8"))
        rows = [(_recipes().figure(about["metrics"], key), published or "") for _, key, published in figures]
        rows = [(label, *row) for label, row in zip(_labels([label for label, *_ in figures]), rows)]
        if not any(published for *_, published in rows):
            rows, head = [row[:2] for row in rows], ["", "measured"]
        else:
            head = ["", "measured", "published"]
        versions = {key: about["versions"][key] for key in ("tensorflow", "keras")}
        facts = {"machine": f"{about['machine']['cpus']} cores", "date": about["started"][:10]}
        facts |= {"versions": {"python": about["machine"]["python"], **versions}, "command": command(about)}
        lines = _rows([head, ["---"] * len(head), *rows])
        parts.append(f"{measured_on[0].upper()}{measured_on[1:]}:\n\n{lines}\n\n{provenance(facts)}")
    return "\n\n".join(parts)


def _labels(labels: list[str]) -> list[str]:
    """In full: an "after" that follows "silhouette before" is "silhouette after"."""
    return [before.replace("before", "after") if now == "after" else now for before, now in zip(["", *labels], labels)]


def command(about: dict) -> str:
    """The command line of a kept run."""
    left_out = {"recipe", "out", "resume", "data_dir"}
    words = []
    for name, value in about["arguments"].items():
        flag = f"--{name.replace('_', '-')}"
        if name in left_out or value is None or value is False:
            continue
        words.append(flag if value is True else f"{flag} {value if value != '' else chr(34) * 2}")
    return " ".join(["tfxfer", about["recipe"], *words])


def _rows(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def _recipes() -> ModuleType:
    """benchmarks/measured.py, which knows what of a recipe is shown."""
    spec = importlib.util.spec_from_file_location("measured", BENCHMARKS / "measured.py")
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # the file is there
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module
