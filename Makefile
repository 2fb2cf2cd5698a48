# Everything a person types. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
export PYTHONDONTWRITEBYTECODE := 1
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 18,20,21,23
export JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION := 1

.PHONY: help setup demo test check format bench oracle weather openapi lock clean

help: ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready node_modules/.ready layers/vendor/python/.ready ## Python, Node and layer dependencies, pinned

$(VENV)/.ready: requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; call make PYTHON=/path/to/python3.11")'
	@echo "setup: Python environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

node_modules/.ready: package-lock.json
	@command -v node >/dev/null || { echo "Node 20 or newer is needed (22 recommended): https://nodejs.org"; exit 1; }
	@node -e 'if (+process.versions.node.split(".")[0] < 20) { console.error("Node 20 or newer is needed, this is " + process.version); process.exit(1) }'
	@echo "setup: CDK command line in node_modules"
	@npm ci --silent --no-audit --no-fund
	@touch $@

layers/vendor/python/.ready: layers/vendor/requirements.txt layers/build.py $(VENV)/.ready
	@echo "setup: vendor layer for this machine"
	@$(PY) layers/build.py --local
	@touch $@

demo: setup ## the whole product on this machine; ONCE=1 ends with one summary line; WORLD=dir for your own mail
	@$(PY) -m localcloud demo $(if $(ONCE),--once) $(if $(WORLD),--world "$(WORLD)") $(if $(SABOTAGE),--sabotage $(SABOTAGE)) $(if $(FRESH),--fresh)

test: setup ## every test: side by side what shares nothing, then one by one what shares the embedded cloud
	@$(PY) -m pytest -q -n 2 --dist loadfile -m "not cloud" $(PYTEST)
	@$(PY) -m pytest -q -m cloud $(PYTEST)

check: setup ## ruff, mypy, formatting
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

format: setup ## format the code
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

weather: setup ## bad input and bad weather: case | promised | seen
	@$(PY) -m tests.weather

bench: setup ## figures beside their targets; PART=main-job for one part
	@$(PY) -m bench $(PART)

.venv-oracle/.ready: requirements-oracle.txt
	@echo "oracle: real clients in .venv-oracle (about 400 MB)"
	@$(PYTHON) -m venv .venv-oracle
	@.venv-oracle/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-oracle.txt
	@touch $@

oracle: setup .venv-oracle/.ready ## clients that nobody here wrote against the simulators (installs about 400 MB)
	@$(PY) -m tests.oracle

openapi: setup ## write docs/openapi.json anew
	@$(PY) -m functions.api.openapi > docs/openapi.json

lock: ## compile the pinned, hashed requirements (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -q layers/vendor/requirements.in -o layers/vendor/requirements.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -q requirements-dev.in -c layers/vendor/requirements.txt -o requirements-dev.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -q requirements-oracle.in -o requirements-oracle.txt

clean: ## remove what the commands made (keeps .local, the demo's state)
	rm -rf $(VENV) .venv-oracle node_modules cdk.out layers/vendor/python bench/results
