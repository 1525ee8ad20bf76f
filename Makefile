# make demo: see it work. make test: tests and linters. make bench: how fast it is.
# make docs: the pages as a site. All set up .venv first, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEMO := demo
# Options of the benchmark: make bench BENCH=--quick; make bench BENCH=--list
BENCH ?=
# How many processes run the tests.
JOBS ?= auto

.PHONY: demo test lint bench docs install clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "genai needs Python 3.11 or later: make PYTHON=python3.12"; exit 1; }
	@echo "setting up $(VENV) (the first time takes a few minutes: torch is large)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(INSTALLED)

demo: $(INSTALLED)
	@BIN=$(BIN) OUT=$(DEMO) sh tools/demo/run.sh

test: lint
	@$(BIN)/pytest -n $(JOBS)

lint: $(INSTALLED)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache >.lint-imports 2>&1 || { cat .lint-imports; exit 1; }

bench: $(INSTALLED)
	@$(BIN)/python -m tools.bench $(BENCH)

docs: $(INSTALLED)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "the site is in build/site: open build/site/index.html"

clean:
	rm -rf $(VENV) $(DEMO) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .lint-imports
