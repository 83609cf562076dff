# `make run` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# The acceptance tests as two streams that take about as long, and what takes minutes: see slow-test.
PAGES := tests/acceptance/pages $(addprefix tests/acceptance/test_,monitoring.py webhooks.py)
FIRST_HALF := $(wildcard tests/integration/test_[a-l]*.py)
HOSTILE := tests/acceptance/abuse tests/integration/test_untrusted_input.py
SLOW_APPROVALS := $(addprefix tests/integration/approvals/test_,state_machine.py on_postgresql.py)
OPERATIONS := $(SLOW_APPROVALS) tests/acceptance/operations $(addprefix tests/integration/test_,move.py move_refusals.py upgrade.py)
SLOW := $(addprefix tests/acceptance/,faults matrix samples) $(HOSTILE) $(OPERATIONS)
PAIRS ?= 5

.PHONY: run test doors pages unit integration first-half second-half quick slow-test hostile samples operations faults matrix-one-machine matrix-servers pytest lint screenshots bench bench-against lock clean matrix mutants wire-test deploy-test

run: $(VENV)/.run
	@exec $(BIN)/aiops up $(ARGS)

# All at once on two cores, for what drives whole systems mostly waits; each shows its output when it has ended.
test: $(VENV)/.test
	@$(MAKE) --no-print-directory --output-sync=target --jobs 5 doors pages first-half second-half quick

# Hostile clients and input, files of other programs, what operators do, and faults. Faults come last: a machine that is
# busy with other things looks to them like one more.
slow-test: $(VENV)/.test
	@$(MAKE) --no-print-directory --output-sync=target --jobs 3 hostile samples operations
	@$(MAKE) --no-print-directory --output-sync=target --jobs 2 faults matrix-servers
	@$(MAKE) --no-print-directory matrix-one-machine

doors: $(VENV)/.test
	@$(BIN)/pytest tests/acceptance $(addprefix --ignore=,$(PAGES) $(SLOW)) $(ARGS)

pages: $(VENV)/.test
	@$(BIN)/pytest $(PAGES) $(ARGS)

unit: $(VENV)/.test
	@$(BIN)/pytest tests/unit $(ARGS)

integration: $(VENV)/.test
	@nice -n 5 $(BIN)/pytest tests/integration $(addprefix --ignore=,$(SLOW)) $(ARGS)

# The integration tests as two streams.
first-half: $(VENV)/.test
	@nice -n 5 $(BIN)/pytest $(filter-out $(SLOW),$(FIRST_HALF)) $(ARGS)

second-half: $(VENV)/.test
	@nice -n 5 $(BIN)/pytest tests/integration $(addprefix --ignore=,$(SLOW) $(FIRST_HALF)) $(ARGS)

quick: $(VENV)/.test
	@nice -n 19 $(MAKE) --no-print-directory lint
	@nice -n 19 $(BIN)/pytest tests/unit tests/contract $(ARGS)

hostile: $(VENV)/.test
	@$(BIN)/pytest $(HOSTILE) $(ARGS)

operations: $(VENV)/.test
	@$(BIN)/pytest $(OPERATIONS) $(ARGS)

samples faults: $(VENV)/.test
	@$(BIN)/pytest tests/acceptance/$@ $(ARGS)

matrix-one-machine: $(VENV)/.test
	@$(BIN)/pytest tests/acceptance/matrix -k "not postgresql" $(ARGS)

matrix-servers: $(VENV)/.test
	@$(BIN)/pytest tests/acceptance/matrix -k postgresql $(ARGS)

pytest: $(VENV)/.test
	@$(BIN)/pytest $(ARGS)

bench: $(VENV)/.test
	@$(BIN)/python -m tests.benchmarks $(ARGS)

bench-against: $(VENV)/.test
	@test -n "$(REF)" || { echo 'Name a commit: make bench-against REF=<commit> ARGS="a b d f j"'; exit 2; }
	@exec $(BIN)/python -m tests.benchmarks.against $(REF) --pairs $(PAIRS) $(ARGS)

matrix: $(VENV)/.test
	@MATRIX=full $(BIN)/pytest tests/acceptance/matrix $(ARGS)

mutants: $(VENV)/.test
	@$(BIN)/python -m tests.mutants $(ARGS)

# Tool servers that others wrote, in environments of their own: what they need differs from what aiops needs.
WIRE := .venv-wire
wire-test: $(VENV)/.test $(WIRE)/mcp1/.installed $(WIRE)/mcp2/.installed tests/wire/node_modules/.installed
	@$(BIN)/pytest tests/wire $(ARGS)

$(WIRE)/%/.installed: tests/wire/requirements-%.lock | $(VENV)/bin/python
	@echo "Installing into $(WIRE)/$*."
	@rm -rf $(WIRE)/$*
	@$(BIN)/python -m venv $(WIRE)/$* >/dev/null || { echo "Python cannot make a virtual environment: install python3-venv."; exit 1; }
	@$(WIRE)/$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

tests/wire/node_modules/.installed: tests/wire/package.json tests/wire/package-lock.json
	@command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || { echo "make wire-test needs Node.js 20 or newer with npm: install nodejs and npm."; exit 1; }
	@echo "Installing into tests/wire/node_modules."
	@npm ci --prefix tests/wire --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# What teams run aiops with: a Docker Engine of the tests' own, proxies, units and manifests.
deploy-test: $(VENV)/.test
	@$(BIN)/pytest tests/deploy $(ARGS)

# Every page in both themes, narrow and wide, in a folder to look through.
screenshots: $(VENV)/.test
	@SHOTS=$${SHOTS:-screenshots} $(BIN)/pytest tests/acceptance/pages/test_frame.py -k every_page $(ARGS)

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
	@echo "Installing into $(VENV): a minute or more the first time."
	@$(BIN)/python scripts/install.py requirements.lock
	@touch $@

$(VENV)/.test: requirements-test.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV), with what tests need: a minute or more the first time."
	@$(BIN)/python scripts/install.py requirements-test.lock
	@touch $@ $(VENV)/.run

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
lock:
	@command -v uv >/dev/null || { echo "Locking needs uv: pip install uv."; exit 1; }
	@$(LOCK) pyproject.toml --extra test -o requirements-test.lock
	@$(LOCK) pyproject.toml -c requirements-test.lock -o requirements.lock
	@$(LOCK) --no-strip-extras tests/wire/requirements-mcp1.in -o tests/wire/requirements-mcp1.lock
	@$(LOCK) --no-strip-extras tests/wire/requirements-mcp2.in -o tests/wire/requirements-mcp2.lock

clean:
	@rm -rf $(VENV) $(WIRE) tests/wire/node_modules build *.egg-info
