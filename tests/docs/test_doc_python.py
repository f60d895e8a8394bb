"""Every block of Python in the README and in the documentation names what there is, with arguments that it takes."""

import ast
import importlib
import inspect
from types import ModuleType

import pytest
from doc_pages import NAMES, blocks

import tfxfer
from tfxfer.recipes import RECIPES

FACES = {name: getattr(tfxfer, name) for name in ("analysis", "data", "export", "features", "model", "report", "train")}


def found(node: ast.expr, names: dict[str, object]) -> object | None:
    """What a dotted name stands for, if it begins with one that is known; an AttributeError if there is none."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute) and (owner := found(node.value, names)) is not None:
        return getattr(owner, node.attr)
    return None


def member(module: ModuleType, name: str) -> object:
    """What `from module import name` gives."""
    try:
        return getattr(module, name)
    except AttributeError:
        return importlib.import_module(f"{module.__name__}.{name}")


def check(source: str) -> int:
    """Raises where a block names what there is not; returns how many names of tfxfer it checked."""
    tree, names, count = ast.parse(source), dict(FACES), 0
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tfxfer"):
            module = importlib.import_module(node.module)
            names |= {alias.name: member(module, alias.name) for alias in node.names}
        if isinstance(node, ast.Import) and "tfxfer" in [alias.name for alias in node.names]:
            names["tfxfer"] = tfxfer
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and found(node, names) is not None:
            count += 1
        if isinstance(node, ast.Call) and (function := found(node.func, names)) is not None:
            given = {word.arg: None for word in node.keywords if word.arg}
            inspect.signature(function).bind(*node.args, **given)
    return count


@pytest.mark.parametrize("name", NAMES)
def test_python_of_a_page(name):
    for block in blocks(name, "python"):
        if "%pip" not in block:
            try:
                check(block)
            except (SyntaxError, AttributeError, ImportError, TypeError) as error:
                pytest.fail(f"{name}:\n{block}\n{error}")


def test_wrong_names_are_found():
    with pytest.raises(AttributeError):
        check("analysis.colapse(x)")
    with pytest.raises(TypeError):
        check('data.load("digits", size=3)')
    assert check('from tfxfer.data import corruptions\ncorruptions.corrupt(images, ids, "fog", 5)') == 1


def test_the_readme_runs(capsys):
    """Its lines of Python, with a small network in place of the one that takes minutes."""
    (source,) = blocks("README.md", "python")
    small = source.replace('"efficientnet_lite0"', '"cnn"').replace("image_size=48", "28, 'none'")
    small = small.replace('data.load("digits")', 'data.load("digits", limit=80)')
    small = small.replace("unfreeze=10", "unfreeze=1, epochs=1, tune_epochs=1")
    assert small.count("cnn") == small.count("limit=80") == small.count("tune_epochs=1") == 1
    exec(compile(small, "README.md", "exec"), {})
    assert "nc1" in capsys.readouterr().out


def test_recipes_are_functions_as_the_readme_says():
    for name in RECIPES:
        assert inspect.isfunction(importlib.import_module(f"tfxfer.recipes.{name}").main)
