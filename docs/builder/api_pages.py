"""Pages on the Python interface: one for each face, from the stub that says what is in it, and the docstrings."""

import ast
import itertools
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "tfxfer"
# face -> title of its page, in the order of the path from data to report
FACES = {
    "": "tfxfer",
    "data": "data",
    "data/corruptions": "data.corruptions",
    "model": "model",
    "features": "features",
    "train": "train",
    "analysis": "analysis",
    "runs": "runs",
    "report": "report",
    "export": "export",
}


def pages() -> dict[str, str]:
    """Pages by their paths."""
    return {f"reference/{_file(face)}.md": _page(face, title) for face, title in FACES.items()}


def names(face: str) -> tuple[dict[str, str], list[str]]:
    """What a face offers: functions, classes and values with the module they stand in, and modules."""
    own, modules = {}, []
    for node in ast.parse((PACKAGE / face / "__init__.pyi").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module is None:
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            own |= {alias.name: node.module for alias in node.names}
    return own, modules


def _page(face: str, title: str) -> str:
    own, modules = names(face)
    module = ".".join(["tfxfer", *filter(None, face.split("/"))])
    parts = [f"# {title}", _docstring(PACKAGE / face / "__init__.py")]
    own = dict(sorted(own.items(), key=lambda pair: (pair[0][0].isupper(), pair[0].lower())))
    if not face:
        parts.append(f"What runs have written is read by {' and '.join(_link(own[name], name) for name in own)}.")
        return "\n\n".join([*parts, _contents(), ""])
    parts += [_member(module, name, PACKAGE / face / f"{where.replace('.', '/')}.py") for name, where in own.items()]
    for name in sorted(modules):
        if (path := PACKAGE / face / f"{name}.py").exists():
            shown = [member for member in _public(path) if own.get(member) != name]
            parts += [
                f"## {title}.{name}",
                _docstring(path),
                *(_member(f"{module}.{name}", member, path) for member in shown),
            ]
    return "\n\n".join([*parts, ""])


def _member(module: str, name: str, path: Path) -> str:
    """A function or a class, by the name that users give it, or another value of a module in the file `path`."""
    if kind := _public(path).get(name):
        return f"```{{eval-rst}}\n.. auto{kind}:: {module}.{name}\n```"
    return f"```{{py:data}} {module}.{name}\n{_remark(path, name)}\n```"


def _link(where: str, name: str) -> str:
    return f"{{py:func}}`tfxfer.{name} <tfxfer.{where.partition('.')[0]}.{name}>`"


def _contents() -> str:
    pages = "\n".join(_file(face) for face in FACES if face)
    return f"```{{toctree}}\n:maxdepth: 1\n\n{pages}\n```"


def _public(path: Path) -> dict[str, str]:
    """Names of a module's public functions and classes, in its order, and which of both they are."""
    kinds = {ast.FunctionDef: "function", ast.ClassDef: "class"}
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name: kinds[type(node)] for node in body if type(node) in kinds and not node.name.startswith("_")}


def _remark(path: Path, name: str) -> str:
    """The string below the line that gives a name its value, if there is one."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for node, after in itertools.pairwise(body):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if name in [getattr(target, "id", None) for target in targets]:
            told = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            return ast.literal_eval(after.value) if told else ""
    return ""


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def _file(face: str) -> str:
    return face.replace("/", "_") or "python"
