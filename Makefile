# Everything a contributor types. The first target that needs it makes .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test soak lint format bench build clean

help: ## Say what there is to make
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.ready ## The whole job once, offline: sample papers, ranked, mailed into trendbot-demo/mail
	$(BIN)/trendbot demo

# Python keeps what it compiled, also where the environment says no: hundreds of processes are started.
test: $(VENV)/.browser ## All tests, on SQLite and a PostgreSQL of their own, in a Chromium
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest

soak: $(VENV)/.ready ## Kill trendbot 200 times on each database while it sends; counts the copies too many
	TRENDBOT_SOAK_ROUNDS=200 $(BIN)/python -m pytest -n0 -rP tests/acceptance/test_killed.py

lint: $(VENV)/.ready ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.ready ## Let ruff set the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.ready ## Measure every figure the documentation quotes
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

build: $(VENV)/.ready ## The wheel, in dist/
	$(BIN)/python -m build --wheel

clean: ## Remove what the other targets made
	rm -rf $(VENV) trendbot-demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Python 3.11 or newer, with exactly the versions in constraints.txt.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "trendbot needs Python 3.11 or newer; try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# A Chromium that runs, for the tests of the pages.
$(VENV)/.browser: $(VENV)/.ready
	.ci/browser $(BIN)
	touch $@
