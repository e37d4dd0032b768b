# `make book` and `make test` do all of their own set-up. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PIN := $(VENV)-lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --no-emit-index-url \
  --no-annotate --custom-compile-command "make lock"
.DEFAULT_GOAL := help
.PHONY: help book test test-fast test-colab lint bench lock strip widgets serve clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

book: $(READY) ## build the site: _build/html/index.html
	$(BIN)/python tools/build_book.py
	@echo "Open _build/html/index.html"

test: $(READY) .venv-nbgrader/ready ## lint, then every test, the browser's and the whole book included
	$(BIN)/ruff check .
	$(BIN)/python tools/browser.py
	$(BIN)/python tools/apt.py bwrap bubblewrap
	$(BIN)/python tools/build_book.py
	$(BIN)/python -m pytest -n 2 -m "not colab"

test-fast: $(READY) ## the tests that take seconds
	$(BIN)/python -m pytest -n 2 -m "not slow and not site"

test-colab: .venv-colab/ready ## the fast tests and the chapters with Colab's versions
	.venv-colab/bin/python -m pytest -n 2 -m "not site and not lock"

lint: $(READY) ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check src

bench: $(READY) .venv-nbgrader/ready ## print the speed and memory ratios
	$(BIN)/python benchmarks/bench.py

lock: ## renew requirements.txt and requirements-nbgrader.txt from pyproject.toml
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet uv
	$(PIN) --upgrade --extra book --extra test --extra dev --extra grade --output-file requirements.txt
	$(PIN) --upgrade --extra grade --extra nbgrader --output-file requirements-nbgrader.txt

strip: $(READY) ## remove outputs and counts from the chapters, keep cell ids
	$(BIN)/python tools/strip.py chapters/*.ipynb

widgets: $(READY) ## rebuild the widget bundle and MathJax from their lock (needs npm)
	cd assets/widgets && npm ci --no-audit --no-fund && node build.mjs $(abspath $(VENV))/share/jupyter/nbextensions/anywidget/index.js

serve: book ## build, then serve the site at http://localhost:8000
	$(BIN)/python -m http.server 8000 --directory _build/html

clean: ## remove what was built, the environments included
	rm -rf _build .venv .venv-bench .venv-colab .venv-lock .venv-nbgrader .pytest_cache .hypothesis .ruff_cache assets/widgets/node_modules

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "The course needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv-nbgrader/ready: requirements-nbgrader.txt pyproject.toml
	$(PYTHON) -m venv .venv-nbgrader
	.venv-nbgrader/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-nbgrader.txt hatchling editables
	.venv-nbgrader/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv-colab/ready: requirements-colab.txt pyproject.toml
	$(PYTHON) -m venv .venv-colab
	.venv-colab/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-colab.txt
	.venv-colab/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
