"""Writes colab.txt: the versions that Colab has of the packages that this environment has.

    curl -LO https://raw.githubusercontent.com/googlecolab/backend-info/main/pip-freeze.txt
    .venv/bin/python tests/constraints/colab.py pip-freeze.txt > tests/constraints/colab.txt

backend-info is Colab's own list of what its runtimes hold. `make .venv-colab/installed` installs what colab.txt lists,
then tfxfer on top of it, as a notebook does.
"""

import datetime
import importlib.metadata
import sys
from pathlib import Path

from packaging.utils import canonicalize_name


def main(freeze: str) -> None:
    ours = {canonicalize_name(each.metadata["Name"]) for each in importlib.metadata.distributions()}
    print(f"# Made by colab.py from Colab's list, {datetime.date.today():%d %B %Y}.")
    for line in Path(freeze).read_text().splitlines():
        name, _, version = line.partition("==")
        if version and canonicalize_name(name) in ours:
            print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
