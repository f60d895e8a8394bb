"""The decorator that makes a recipe of a page: its signature, checks, defaults and record; and the pages themselves."""

import importlib
import inspect
import json
import pydoc
import subprocess
from typing import Annotated

import pytest
import warm

import tfxfer
from tfxfer.core.errors import InputError
from tfxfer.recipes import RECIPES, mobilenet_mnist
from tfxfer.recipes.shared import Run, recipe
from tfxfer.runs.option import Option, parts
from tfxfer.runs.options import ON_EVERY_PAGE, SHARED, Options, Unfreeze

SEEN: list[tuple] = []


@recipe(dataset="digits", image_size=28, epochs=3, batch_size=32, cache="auto")
def main(run: Run, unfreeze: Unfreeze = 2, colour: Annotated[str, Option("What to paint.")] = "red") -> None:
    """A page that trains nothing."""
    SEEN.append((run.options, unfreeze, colour))
    run.note("test", {"figure": 1})
    run.save({})


def recorded(tmp_path):
    (folder,) = (tmp_path / "test_recipe_run").iterdir()
    return json.loads((folder / "run.json").read_text())["arguments"]


def test_a_page_gets_its_own_options_and_the_shared_ones(tmp_path):
    assert main("mnist", epochs=7, colour="blue", out=str(tmp_path)) == {"test/figure": 1.0}
    options, unfreeze, colour = SEEN.pop()
    assert (options.dataset, options.epochs, options.keep, unfreeze, colour) == ("mnist", 7, "best", 2, "blue")
    arguments = recorded(tmp_path)
    assert list(arguments) == list(inspect.signature(main).parameters)
    assert (arguments["epochs"], arguments["colour"], arguments["keep"]) == (7, "blue", "best")


def test_an_option_that_a_page_does_not_have_breaks_loudly(tmp_path):
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'"):
        main(epoch=1)
    with pytest.raises(TypeError, match="'views'"):
        main(views=2)
    with pytest.raises(AttributeError, match=r"this page has no option 'views': name it in its @recipe"):
        Options(dataset="digits").views  # noqa: B018
    with pytest.raises(TypeError, match="not shared: epoch"):
        recipe(epoch=1)
    with pytest.raises(TypeError, match=r"expected Annotated\[type, Option"):

        @recipe(dataset="digits")
        def page(run: Run, size: int = 3) -> None: ...


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"epochs": 0}, "epochs 0: expected at least 1"),
        ({"epochs": "7"}, r"epochs '7': expected a whole number"),
        ({"epochs": True}, r"epochs True: expected a whole number"),
        ({"epochs": 2.5}, r"epochs 2\.5: expected a whole number"),
        ({"learning_rate": "fast"}, r"learning_rate 'fast': expected a number"),
        ({"learning_rate": float("nan")}, "learning_rate nan: expected a finite number above zero"),
        ({"validation": 1}, "validation 1: expected a share between 0 and 1"),
        ({"limit": 0}, "limit 0: expected at least 1"),
        ({"seed": -1}, "seed -1: expected at least 0"),
        ({"seed": None}, r"seed None: expected a whole number"),
        ({"strict": "yes"}, r"strict 'yes': expected True or False"),
        ({"unfreeze": 1.5}, r"unfreeze 1\.5: expected a whole number or text"),
        ({"colour": 3}, r"colour 3: expected text"),
        ({"keep": "first"}, "keep 'first': expected one of best, last"),
        ({"out": ""}, "out '': expected a folder"),
    ],
)
def test_wrong_values_are_refused_before_anything_is_done(tmp_path, options, complaint):
    with pytest.raises(InputError, match=complaint):
        main(**{"out": str(tmp_path / "runs")} | options)
    assert list(tmp_path.iterdir()) == []
    assert SEEN == []


def test_views_need_augmentation():
    with pytest.raises(InputError, match=r"views 4: expected 0, or --augment as well"):
        mobilenet_mnist.main(views=4)


def test_help_says_what_every_option_means():
    text = " ".join(pydoc.render_doc(main, renderer=pydoc.plaintext).split())
    text = text.replace("main( ", "main(")  # from Python 3.13 on, long signatures stand on several lines
    assert "main(dataset: str = 'digits', data_dir: str | None = None, image_size: int | None = 28, unfreeze" in text
    assert "A page that trains nothing. Args: dataset: digits, mnist_sample, mnist," in text
    assert "colour: What to paint." in text


LEFT_OUT = {  # options that would change nothing there
    "transfer": {"early_stopping", "keep", "learning_rate"},
    "few_shot": {"early_stopping", "keep"},
    "study": {"keep", "early_stopping", "learning_rate", "precision", "jit"},
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_page_fits_on_a_page(name):
    """At most 60 lines of `main`, its signature included; every option has a sentence."""
    page = importlib.import_module(f"tfxfer.recipes.{name}").main
    lines, _ = inspect.getsourcelines(page.__wrapped__)
    (first,) = (number for number, line in enumerate(lines) if line.startswith("def main("))
    assert len(lines) - first <= 60
    assert "locals()" not in "".join(lines)
    left_out = LEFT_OUT.get(name, set())
    assert set(ON_EVERY_PAGE) - left_out == set(ON_EVERY_PAGE) & set(page.annotations)
    for option in page.annotations.values():
        assert parts(option)[1].help.endswith(".")


def test_shared_options_stand_once():
    """A page's own options have other names than the shared ones, and the defaults of a page are the ones it names."""
    for name in RECIPES:
        page = importlib.import_module(f"tfxfer.recipes.{name}").main
        own = set(inspect.signature(page.__wrapped__).parameters) - {"run"}
        assert not own & set(SHARED), name


def test_a_recipe_runs_as_a_module_and_from_python_alike(tmp_path):
    words = ["--dataset", "digits", "--limit", "60", "--epochs", "1", "--backbone", "cnn", "--image-size", "28"]
    done = subprocess.run(
        [*warm.python(), "-m", "tfxfer.recipes.pretrain", *words, "--out", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    facts = tfxfer.load(done.stdout.splitlines()[-1]).facts
    assert facts["recipe"] == "pretrain"
    assert facts["arguments"]["batch_size"] == 128
