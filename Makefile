.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
READ := $(VENV)/.read
ONE_OF_HYPOTHESIS := test_any_text_is_read
# Thousands of small databases: in memory where there are 4 GB of it, so that no test waits for a disk
SCRATCH = $(shell test "$$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $$4 }')" -gt 4000000 2>/dev/null && echo /dev/shm || echo "$${TMPDIR:-/tmp}")
export DAGSTER_DISABLE_TELEMETRY := 1

.PHONY: help setup demo test check dev bench chaos clean

help: ## Show what can be made
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(INSTALLED) $(READ) ## Create .venv and install everything the project needs

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m compileall -q socialanalyzer_dagster tests
	touch $@

# Pytest compiles tests its own way, and Hypothesis draws from the constants of all sources: once, not in every process
$(READ): $(INSTALLED)
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -qq -k $(ONE_OF_HYPOTHESIS) > /dev/null || test $$? -ne 5 || \
	{ echo "no test is called $(ONE_OF_HYPOTHESIS): name one in the Makefile that draws its input"; exit 2; }
	touch $@

demo: $(INSTALLED) ## Run one batch per platform against the sandbox, approve and sync them, show the result
	$(BIN)/socialanalyzer demo

test: export PYTHONDONTWRITEBYTECODE :=# the many processes of a test run share what one of them has compiled
test: setup ## Run every test, on SQLite and PostgreSQL
	@scratch=$$(mktemp -d "$(SCRATCH)/socialanalyzer-tests-XXXXXX") && trap 'rm -rf "$$scratch"' EXIT && \
	PYTEST_DEBUG_TEMPROOT="$$scratch" $(BIN)/python -m pytest -n 3 --dist loadgroup

check: $(INSTALLED) ## Lint, format check, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/test_house_rules.py

dev: $(INSTALLED) ## Serve the Dagster UI and daemon on 127.0.0.1:3000 with the sandbox running
	$(BIN)/socialanalyzer dev

bench: $(INSTALLED) ## Run the benchmarks (BENCH=overhead|realistic|known|rescore|plan|quality|import|throttling for one, OPTIONS for its options)
	$(BIN)/python -m benchmarks $(BENCH) $(OPTIONS)

chaos: $(INSTALLED) ## Kill 50 runs amid hostile vendors and generate 10,000 ledger histories (KILLS, HISTORIES, SEED)
	$(BIN)/python -m tests.chaos --kills $(or $(KILLS),50) --histories $(or $(HISTORIES),10000) $(if $(SEED),--seed $(SEED))

clean: ## Remove the environment, caches and the embedded home
	rm -rf $(VENV) .socialanalyzer .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
