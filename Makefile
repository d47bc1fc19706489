# Two commands from a bare checkout: `make run` and `make test`. Needs Python >= 3.11 (pip, venv), git and make.
# Another interpreter: `make PYTHON=python3.12 test`; it gets a virtual environment of its own.

SHELL := /bin/sh
.DEFAULT_GOAL := help

ifneq ($(filter $(origin PYTHON),undefined default),)
PYTHON := $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$name; break; }; done)
VENV ?= .venv
else
VENV ?= .venv-$(notdir $(PYTHON))
endif

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# The quick tests are busy all the time; the others wait half of it, for servers, browsers and clocks.
UNIT_WORKERS ?= 2
WORKERS ?= 3
NODE_LOCKS := $(wildcard tests/interop/node/package-lock.json)
NODE_PACKAGES := $(NODE_LOCKS:package-lock.json=node_modules/.package-lock.json)
# Workers and the processes they start read compiled tests and sources instead of compiling them each for itself.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

.PHONY: help run test unit lint types imports pytest bench docs lock clean

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- the virtual environment: one stamp per lock file, so a changed lock is installed and an unchanged one is not

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "evergrant needs Python 3.11 or newer; none was found. Name one: make PYTHON=/path/to/python run" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "evergrant needs Python 3.11 or newer; $(PYTHON) is older or does not run" >&2; exit 1; }
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) || { echo "the module venv or pip is missing beside $(PYTHON); on Debian: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }

define install
	@echo "installing $(1)"
	@$(PIP) install --require-hashes -r requirements/build.txt -r $(1)
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
endef

$(VENV)/run.stamp: requirements/run.txt requirements/build.txt pyproject.toml | $(BIN)/python
	$(call install,requirements/run.txt)

$(VENV)/test.stamp: requirements/test.txt requirements/build.txt pyproject.toml | $(BIN)/python
	$(call install,requirements/test.txt)

$(VENV)/bench.stamp: requirements/bench.txt requirements/build.txt pyproject.toml | $(BIN)/python
	$(call install,requirements/bench.txt)

# The peers that interop tests drive. Without npm, or without a network, those tests are skipped and say so (CI: fail).
$(NODE_PACKAGES): %/node_modules/.package-lock.json: %/package-lock.json %/package.json
	@if command -v npm >/dev/null 2>&1; then echo "installing $*/package-lock.json"; \
		(cd $* && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.package-lock.json) \
		|| echo "npm ci failed in $*; what needs it will be skipped" >&2; fi

# ---- what people ask for

run: $(VENV)/run.stamp ## set everything up and start the demo issuer
	@$(BIN)/evergrant demo

test: lint types imports pytest ## set everything up and pass every gate and every test

unit: $(VENV)/test.stamp ## the quick tests only
	@$(PYTEST) -n $(UNIT_WORKERS) -m "not long"

bench: $(VENV)/bench.stamp ## measure refreshes against the peers, server and load on a core each
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks.postgres
	@$(BIN)/python -m benchmarks.keeper_leases
	@$(BIN)/python -m benchmarks.keeper_due
	@$(BIN)/python -m benchmarks.keeper_killed_grants
	@$(BIN)/python -m benchmarks.resource_verify
	@$(BIN)/python -m benchmarks.resource_frameworks
	@$(BIN)/python -m benchmarks.feed_latency

docs: $(VENV)/test.stamp ## regenerate the pages that are made from the code
	@for page in docs/generate/*.py; do echo "$$page"; PYTHONPATH=. $(BIN)/python $$page || exit 1; done

# ---- the gates one by one

lint: $(VENV)/test.stamp ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/test.stamp ## mypy --strict over src
	@$(BIN)/mypy

imports: $(VENV)/test.stamp ## imports point down
	@$(BIN)/lint-imports

# Real servers, browsers and kill -9 share the cores here. What fails is told, and run once more alone: a test that only
# a crowded machine fails passes then, a promise that is broken stays broken.
pytest: $(VENV)/test.stamp $(NODE_PACKAGES) ## every test
	@$(PYTEST) || { echo "running once more, alone, what failed"; \
		$(BIN)/python -m pytest -n 0 --last-failed --last-failed-no-failures none; }

lock: $(VENV)/test.stamp ## make the lock files again from pyproject.toml
	@sh requirements/lock $(BIN)/python

clean: ## remove what was made
	rm -rf $(VENV) build dist artifacts .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
