# make demo: install what the quickstart needs into .venv, run it, say where its report is.
# make test: install what the tests need into .venv as well, run them. make check: their quicker part.
# make docs: the documentation, in build/docs. make docs-notebooks: what its notebooks show, made anew.
# make test-numerical: the tests of numbers with TensorFlow's other arithmetic, oneDNN off where it is on by itself.
# make test-matrix: all tests with the oldest TensorFlow that setup.cfg allows, with the newest of all, and as in Colab.
PYTHON ?= python3
BIN := .venv/bin
# Faster where there is uv: make demo INSTALLER="uv pip install --python .venv"
INSTALLER := $(BIN)/pip install

PYTEST := bin/pytest -n 2 --dist loadfile --no-loadscope-reorder
NUMERICAL := tests/analysis tests/data tests/export/test_signatures.py tests/features tests/model tests/train
QUICKSTART := tests/recipes/test_recipes.py::test_quickstart tests/recipes/test_notebooks.py::test_a_notebook_runs[quickstart]

.PHONY: demo browser docs docs-notebooks check test test-numerical test-matrix test-oldest test-newest test-colab test-colab-short
.PHONY: lint audit plotly clean

demo: .venv/demo
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m tfxfer.recipes.quickstart
	@echo "Open $$(ls -td $(CURDIR)/saved_models/quickstart/2* | head -n 1)/report.html in a browser."
	@echo "Your own pictures: . .venv/bin/activate; tfxfer transfer FOLDER"

# Warnings are errors; the pages open without a server or a network.
docs: .venv/docs
	$(BIN)/python docs/build.py

# A quarter of an hour: the executed copies in docs/notebooks are part of the repository.
docs-notebooks: .venv/installed
	$(BIN)/python docs/execute_notebooks.py

# The report is tested in a real browser: Debian's, where apt may install it; without one its tests fail and say so.
browser:
	@command -v chromium google-chrome > /dev/null || { apt-get update -q && apt-get install -qy chromium; } > /dev/null \
		|| echo "no Chromium and none could be installed: the report's tests will fail"

test: .venv/installed browser
	.venv/$(PYTEST)

check: .venv/installed
	.venv/$(PYTEST) --ignore tests/recipes --ignore tests/benchmarks --ignore tests/robustness --ignore tests/report

# TensorFlow uses oneDNN by itself where the CPU has AVX-512.
test-numerical: .venv/installed
	TF_ENABLE_ONEDNN_OPTS=$$(grep -q avx512f /proc/cpuinfo && echo 0 || echo 1) .venv/$(PYTEST) $(NUMERICAL)

test-matrix: test-oldest test-newest test-colab

test-oldest test-newest test-colab: test-%: .venv-%/installed browser
	.venv-$*/$(PYTEST)

test-colab-short: .venv-colab/installed browser
	.venv-colab/$(PYTEST) tests/core $(QUICKSTART)

lint: .venv/installed audit
	$(BIN)/ruff check --output-format concise .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive tfxfer benchmarks

# Fails on a known vulnerability of an installed package; says how many the package index has no word about.
audit: .venv/installed
	@$(BIN)/pip-audit --local --skip-editable --progress-spinner off >.venv/audit.txt 2>&1 || { cat .venv/audit.txt; exit 1; }
	@echo "pip-audit: no known vulnerabilities; not audited: $$(grep -c 'could not be audited' .venv/audit.txt)"

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14) and "tfxfer needs Python 3.11 to 3.13, this is " + sys.version.split()[0] + ": make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv || { echo "On Debian and Ubuntu: apt install python3-venv"; exit 1; }

# pip would compile all packages, which takes half of its time. The first run compiles what it imports, and keeps it:
# many containers forbid that by PYTHONDONTWRITEBYTECODE, which pip does not heed either.
.venv/demo: setup.cfg pyproject.toml | $(BIN)/pip
	$(INSTALLER) --no-compile --editable .
	touch $@

.venv/installed: setup.cfg pyproject.toml | $(BIN)/pip
	$(INSTALLER) --editable '.[test]'
	touch .venv/demo $@

.venv/docs: setup.cfg pyproject.toml | $(BIN)/pip
	$(INSTALLER) --editable '.[docs]'
	touch .venv/demo $@

# A Python by its version: the shell's own, or one that pyenv has installed.
python = $$(python$(1) -c 'import sys; print(sys.executable)' 2> /dev/null \
	|| ls -d "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$(1).*/bin/python$(1) 2> /dev/null | tail -n 1 | grep . \
	|| echo 'no-python$(1):-install-it')

# The version is the lower bound in setup.cfg; what else there is, is as new as goes with it.
.venv-oldest/installed: setup.cfg pyproject.toml
	$(call python,3.11) -m venv .venv-oldest
	.venv-oldest/bin/pip install --editable '.[test]' "$$(sed -n 's/^ *tensorflow>=\([0-9.]*\),.*/tensorflow==\1.0/p' setup.cfg)"
	touch $@

.venv-newest/installed: setup.cfg pyproject.toml
	$(call python,3.12) -m venv .venv-newest
	.venv-newest/bin/pip install --editable '.[test]'
	touch $@

# As a notebook installs it: on top of what Colab has, of which what is imported by then has to stay.
.venv-colab/installed: setup.cfg pyproject.toml tests/constraints/colab.txt
	$(call python,3.13) -m venv .venv-colab
	.venv-colab/bin/pip install --no-deps --requirement tests/constraints/colab.txt
	.venv-colab/bin/pip install --editable '.[test]'
	grep -E '^(numpy|protobuf|scipy|tensorflow)==' tests/constraints/colab.txt > .venv-colab/kept
	.venv-colab/bin/pip freeze | grep -Fxf .venv-colab/kept | diff .venv-colab/kept -
	touch $@

# The part of plotly.js that reports need, built anew after a change of its version: needs node and the npm registry.
plotly:
	cd tfxfer/report/assets/plotly && npm ci --ignore-scripts && npm run build && rm -r node_modules

clean:
	rm -rf .venv .venv-oldest .venv-newest .venv-colab build *.egg-info
