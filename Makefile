# make demo: install what the quickstart needs into .venv, run it, say where its report is.
# make test: install what the tests need into .venv as well, run them.
# make test-oldest: the tests with the oldest TensorFlow that setup.cfg allows, in .venv-oldest.
PYTHON ?= python3
BIN := .venv/bin
# Faster where there is uv: make demo INSTALLER="uv pip install --python .venv"
INSTALLER := $(BIN)/pip install

.PHONY: demo browser test test-oldest lint audit plotly clean

demo: .venv/demo
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m tfxfer.recipes.quickstart
	@echo "Open $$(ls -td $(CURDIR)/saved_models/quickstart/2* | head -n 1)/report.html in a browser."

# The report is tested in a real browser: Debian's, where apt may install it; without one its tests fail and say so.
browser:
	@command -v chromium google-chrome > /dev/null || { apt-get update -q && apt-get install -qy chromium; } > /dev/null \
		|| echo "no Chromium and none could be installed: the report's tests will fail"

test: .venv/installed browser
	$(BIN)/pytest -n 2 --dist loadfile

test-oldest: .venv-oldest/installed browser
	.venv-oldest/bin/pytest -n 2 --dist loadfile

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
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14) and "tfxfer needs Python 3.11 to 3.13, this is " + sys.version.split()[0] + ": make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv || { echo "On Debian and Ubuntu: apt install python3-venv"; exit 1; }

# pip would compile all packages, which takes half of its time. The first run compiles what it imports, and keeps it:
# many containers forbid that by PYTHONDONTWRITEBYTECODE, which pip does not heed either.
.venv/demo: setup.cfg pyproject.toml | $(BIN)/pip
	$(INSTALLER) --no-compile --editable .
	touch $@

.venv/installed: setup.cfg pyproject.toml | $(BIN)/pip
	$(INSTALLER) --editable '.[test]'
	touch .venv/demo $@

# The version is the lower bound in setup.cfg; what else there is, is as new as goes with it.
.venv-oldest/installed: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)) and "the oldest TensorFlow needs Python 3.11 or 3.12, this is " + sys.version.split()[0] + ": make test-oldest PYTHON=python3.12")'
	$(PYTHON) -m venv .venv-oldest || { echo "On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	.venv-oldest/bin/pip install --editable '.[test]' "$$(sed -n 's/^ *tensorflow>=\([0-9.]*\),.*/tensorflow==\1.0/p' setup.cfg)"
	touch $@

# The part of plotly.js that reports need, built anew after a change of its version: needs node and the npm registry.
plotly:
	cd tfxfer/report/assets/plotly && npm ci --ignore-scripts && npm run build && rm -r node_modules

clean:
	rm -rf .venv .venv-oldest build *.egg-info
