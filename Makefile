# `make book` and `make test` do all of their own set-up. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PIN := $(VENV)-lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --no-emit-index-url \
  --no-annotate --custom-compile-command "make lock"
# Colab's Python where there is one. PYENV_VERSION lets pyenv's stand-in through, and is nothing to any other.
COLAB_PYTHON ?= $(shell PYENV_VERSION=3.13 python3.13 -c 'import sys; print(sys.executable)' 2>/dev/null || echo $(PYTHON))
.DEFAULT_GOAL := help
.PHONY: help book test test-fast test-colab lint bench audit shots links lock colab-list address strip widgets serve dist release-notes push-notebooks drift clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

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
	.venv-colab/bin/python tools/apt.py bwrap bubblewrap
	.venv-colab/bin/python -m pytest -n 2 -m "not site and not lock"

lint: $(READY) ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check src

bench: $(READY) .venv-nbgrader/ready .venv-colab/ready ## print the speed and memory ratios
	$(BIN)/python benchmarks/bench.py

audit: $(READY) ## measure the built site against its bars (RUNS=1: quick; PAGES="intro 02": these; ROWS="look visits")
	$(BIN)/python tools/browser.py
	$(BIN)/python tools/build_book.py
	$(BIN)/python tools/audit_site.py $(if $(RUNS),--runs $(RUNS)) $(if $(PAGES),--pages $(PAGES)) $(if $(ROWS),--rows $(ROWS))

shots: $(READY) ## pictures of each page, light and dark, wide and narrow: _build/shots/index.html (PAGES="intro 02": these)
	$(BIN)/python tools/browser.py
	$(BIN)/python tools/build_book.py
	$(BIN)/python tools/shots.py $(if $(PAGES),--pages $(PAGES))

links: $(READY) ## ask whether the links to other sites answer (WRITE=1: make their list, tools/links.txt, anew first)
	$(BIN)/python tools/links.py $(if $(WRITE),--write)

lock: ## renew requirements.txt and requirements-nbgrader.txt from pyproject.toml
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet uv
	$(PIN) --upgrade --extra book --extra test --extra dev --extra grade --output-file requirements.txt
	$(PIN) --upgrade --extra grade --extra nbgrader --output-file requirements-nbgrader.txt

colab-list: ## renew requirements-colab.txt from Colab's own list (FROM=file, DATE=its day, CHECK=1 to look only)
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet uv packaging
	$(VENV)-lock/bin/python tools/colab.py $(if $(FROM),--from "$(FROM)") $(if $(DATE),--date $(DATE)) $(if $(CHECK),--check)

address: $(READY) ## write the course's public address everywhere, from _config.yml (URL=… changes it there)
	$(BIN)/python tools/address.py --write $(if $(filter undefined,$(origin URL)),,"$(URL)")

strip: $(READY) ## remove outputs and counts from the chapters, keep cell ids
	$(BIN)/python tools/strip.py chapters/*.ipynb

widgets: $(READY) ## rebuild the widget bundle and MathJax from their lock (needs npm)
	cd assets/widgets && npm ci --no-audit --no-fund && node build.mjs $(abspath $(VENV))/share/jupyter/nbextensions/anywidget/index.js

serve: book ## build, then serve the site at http://localhost:8000
	$(BIN)/python -m http.server 8000 --directory _build/html

dist: $(READY) ## the package as a wheel and a source archive, in dist/
	$(BIN)/python -m hatchling build --clean

release-notes: ## check that every place names this version (TAG=v1.2.3: and that tag), print its changes
	@$(PYTHON) tools/release.py "$$TAG"

push-notebooks: ## push _build/notebooks, where Colab's buttons lead, to the branch notebooks of origin
	$(PYTHON) tools/push_notebooks.py

drift: ## the tests of test-colab with the newest versions that pyproject.toml allows
	$(PYTHON) -m venv --clear .venv-drift
	.venv-drift/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[book,dev,grade,test]"
	.venv-drift/bin/python tools/drift.py -n 2 -m "not site and not lock"

clean: ## remove what was built, the environments included
	rm -rf _build dist .venv .venv-bench .venv-colab .venv-drift .venv-lock .venv-nbgrader .pytest_cache .hypothesis .ruff_cache assets/widgets/node_modules tools/audit/node_modules

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "The course needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv-nbgrader/ready: requirements-nbgrader.txt pyproject.toml
	$(PYTHON) -m venv .venv-nbgrader
	.venv-nbgrader/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-nbgrader.txt editables
	.venv-nbgrader/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv-colab/ready: requirements-colab.txt pyproject.toml
	$(COLAB_PYTHON) -m venv --clear .venv-colab
	.venv-colab/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-colab.txt
	.venv-colab/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
