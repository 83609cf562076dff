# `make run` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
BESIDE := tests/acceptance/abuse tests/acceptance/pages

.PHONY: run test doors parts faults pytest lint bench lock clean matrix mutants

run: $(VENV)/.run
	@exec $(BIN)/aiops up $(ARGS)

# Two at a time, for what drives whole systems mostly waits; what runs beside the doors is shown when it has ended.
# Faults come last and alone: a machine that is busy with other things looks to them like one more.
test: $(VENV)/.test
	@$(MAKE) --no-print-directory --jobs 2 doors parts
	@$(MAKE) --no-print-directory faults

doors: $(VENV)/.test
	@$(BIN)/pytest tests/acceptance $(addprefix --ignore=,$(BESIDE) tests/acceptance/matrix) $(ARGS)

parts: lint
	@nice -n 10 $(BIN)/pytest tests/unit tests/contract tests/integration $(BESIDE) $(ARGS) >$(VENV)/parts.log 2>&1; \
		ended=$$?; cat $(VENV)/parts.log; exit $$ended

faults: $(VENV)/.test
	@$(BIN)/pytest tests/acceptance/matrix $(ARGS)

pytest: $(VENV)/.test
	@$(BIN)/pytest $(ARGS)

bench: $(VENV)/.test
	@$(BIN)/python -m tests.benchmarks $(ARGS)

matrix: $(VENV)/.test
	@MATRIX=full $(BIN)/pytest tests/acceptance/matrix $(ARGS)

mutants: $(VENV)/.test
	@$(BIN)/python -m tests.mutants $(ARGS)

lint: $(VENV)/.test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy aiops workers config
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m tests.audit

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "aiops needs Python 3.11 or newer: install python3 and python3-venv."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "aiops needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1): set PYTHON to a newer one."; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null || { rm -rf $(VENV); echo "Python cannot make a virtual environment: install python3-venv."; exit 1; }

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing (about a minute the first time)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: requirements-test.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing what tests need…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

LOCK := uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
lock:
	@command -v uv >/dev/null || { echo "Locking needs uv: pip install uv."; exit 1; }
	@$(LOCK) --extra test -o requirements-test.lock
	@$(LOCK) -c requirements-test.lock -o requirements.lock

clean:
	@rm -rf $(VENV) build *.egg-info
