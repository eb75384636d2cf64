# `make` only needs Python >= 3.11 with venv. All packages are installed into .venv.

PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
LANGUAGE := tests/test_language.py tests/test_public_names.py
PLUGINS := $(patsubst %/,%,$(wildcard plugins/*/))
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help demo test test-all lint messages docs clean
.DELETE_ON_ERROR:

help:
	@echo "make demo      run the analysis of a simulated Crab, into ./$(DEMO)"
	@echo "make test      run the quick tests (those on real data need GAMMAPY_DATA)"
	@echo "make test-all  run all tests, including the slow ones"
	@echo "make lint      ruff, mypy, import contracts, names, docstrings"
	@echo "make messages  list the messages of errors in messages.txt, to review their wording"
	@echo "make docs      build the documentation into docs/_build/html, and run its tutorials"
	@echo "make clean     remove .venv and all build products"
	@echo "PYTHON=python3.12 selects another Python."

demo: $(VENV)/.run
	$(BIN)/skyred demo -o $(DEMO) --overwrite
	@echo
	@echo "The run folder is $(DEMO)/: plots in $(DEMO)/plots, flux points in $(DEMO)/estimates,"
	@echo "the fit in $(DEMO)/fit.yaml, the outcome of each run in $(DEMO)/observations.ecsv."

test: $(VENV)/.dev
	@echo "Quick tests only: make test-all also runs the slow ones."
	$(BIN)/python -m pytest -m "not slow"

test-all: $(VENV)/.dev
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(foreach plugin,$(PLUGINS),$(BIN)/mypy $(plugin)/src &&) true
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q $(LANGUAGE)

messages: $(VENV)/.dev
	PYTHONPATH=tests/helpers $(BIN)/python -m pytest -n 0 -q -m "not slow" -p message_log \
		--messages messages.txt $(addprefix tests/,cli config fields inspection interfaces io plugins)

docs: $(VENV)/.dev
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "The documentation is in docs/_build/html/index.html"

clean:
	rm -rf $(VENV) build dist docs/_build docs/reference/generated docs/generated
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# One stamp file per set of packages, so that each is installed only once.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	"skyred needs Python >= 3.11; this is " + sys.version.split()[0] + ": make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/.made
	@echo "Installing skyred into $(VENV): a minute or two"
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml) | $(VENV)/.made
	@echo "Installing skyred, its plugins, and the test and docs dependencies into $(VENV): two minutes"
	@$(INSTALL) -e ".[test,docs]" $(PLUGINS:%=-e %)
	@touch $@
