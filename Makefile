# `make` needs Python >= 3.11 only and installs everything into .venv. `make help` lists the targets.

SHELL := /bin/sh
BIN := .venv/bin
ARGS :=
# Most tests wait for engines, sockets and clocks, so three processes keep two cores busy.
# Files run in the order of testpaths, the longest tests first: else one process ends long after the others.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder
NAME :=
SEED := 1
RUNS := 100
MINUTES := 10
PACKAGES := node_modules/.package-lock.json

# The newest interpreter that can create virtual environments; else any, so that bootstrap.py can say what is missing.
NEWEST_FIRST := python3.14 python3.13 python3.12 python3.11 python3
CAN_MAKE_VENV := import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in $(NEWEST_FIRST); do \
	if $$python -c '$(CAN_MAKE_VENV)' 2>/dev/null; then echo $$python; exit; fi; done; \
	command -v python3 || echo no-python)

# Scripts in .venv contain their path, so a checkout that was moved or copied needs a new .venv.
MOVED := $(shell test ! -e .venv/.checkout || test "$$(cat .venv/.checkout)" = "$$(pwd -P)" || echo moved)
BOOTSTRAP := scripts/bootstrap.py scripts/pip_settings.py pyproject.toml requirements/installer.txt

# Cached bytecode makes every start three times as fast.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up test test-fast test-plain test-lowest fuzz ingestion-faults check check-commits check-format check-lint check-types check-imports check-schema check-migrations \
	bench chaos soak codegen-matrix schema conformance migration node-packages assets engines lock fmt clean moved

help: ## List what `make` can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile

up: .venv/.up ## Start engines, API and workers: ARGS="--port 5010 --state-dir DIR"
	@exec $(BIN)/nexent-gql up $(ARGS)

test: .venv/.dev ## Run the tests: ARGS="tests/unit -k words"
	@exec $(BIN)/pytest $(PARALLEL) $(ARGS)

test-fast: .venv/.dev ## Run the unit tests and the core of the API (under two minutes on two cores)
	@exec $(BIN)/pytest $(PARALLEL) -m "not slow" $(ARGS)

# Every fast path has a setting, and what it speeds up works without it: docs/adr/0062.
PLAIN := NEXENT_API__COMPILED_SELECTIONS=false NEXENT_API__DIRECT_FRAMES=false
PLAIN_TESTS := $(addprefix tests/integration/test_,http.py sse.py websocket.py defer.py plain.py conversations.py runs_api.py)

test-plain: .venv/.dev ## Run tests of the API without compiled selections and direct frames
	@$(PLAIN) exec $(BIN)/pytest $(PARALLEL) $(PLAIN_TESTS) $(ARGS)

test-lowest: .venv/.dev ## Run the unit tests with the lowest versions of dependencies that pyproject.toml allows
	@exec $(BIN)/python scripts/lowest.py tests/unit $(PARALLEL) $(ARGS)

fuzz: .venv/.dev ## Send 5,000 generated requests, valid and invalid (about three minutes)
	@FUZZ_EXAMPLES=114 exec $(BIN)/pytest tests/e2e/test_foreign_fuzz.py $(ARGS)

ingestion-faults: .venv/.dev ## Ingest 300 documents while workers are killed ten times and Valkey once (some minutes)
	@INGESTION_DOCUMENTS=300 INGESTION_KILLS=10 exec $(BIN)/pytest tests/e2e/test_ingestion_faults.py -s $(ARGS)

check: check-commits check-format check-lint check-types check-imports check-schema check-migrations ## Check commits, format, lint, types, imports, schema and migrations

check-commits: .venv/.dev
	@echo "make: commit subjects" && $(BIN)/python scripts/commit_subjects.py

check-format: .venv/.dev
	@echo "make: format" && $(BIN)/ruff format --quiet --check --diff .

check-lint: .venv/.dev
	@echo "make: lint" && $(BIN)/ruff check --quiet .

check-types: .venv/.dev
	@echo "make: types" && $(BIN)/pyright

check-imports: .venv/.dev
	@echo "make: imports between layers" && $(BIN)/lint-imports --no-cache --no-logo

check-schema: .venv/.dev
	@echo "make: generated files match the code" && $(BIN)/nexent-gql schema --check \
		&& $(BIN)/python scripts/page_documents.py --check && $(BIN)/python scripts/schema_page.py --check && $(BIN)/python scripts/conformance_page.py --check

check-migrations: .venv/.dev
	@echo "make: migrations lead to the tables of the code" && $(BIN)/nexent-gql migrate --check

bench: .venv/.dev benchmarks/peers/$(PACKAGES) benchmarks/peers/postgraphile/$(PACKAGES) ## Run benchmarks beside other servers: ARGS="--short", ARGS="fanout tokens"
	@exec $(BIN)/python -m benchmarks $(ARGS)

chaos: .venv/.dev ## Inject faults by seed and check the guarantees: SEED=1 RUNS=100
	@exec $(BIN)/python -m tests.chaos --seed $(SEED) --runs $(RUNS)

soak: .venv/.dev ## Run a steady load and report what grows: MINUTES=10
	@exec $(BIN)/python -m tests.soak --minutes $(MINUTES)

codegen-matrix: .venv/.dev ## Generate, compile and run clients in other languages (slow): ARGS=genqlient
	@exec $(BIN)/python -m tests.codegen $(ARGS)

schema: .venv/.dev ## Write schema.graphql, its introspection JSON, the page's documents and the generated pages of docs/
	@$(BIN)/nexent-gql schema
	@$(BIN)/python scripts/page_documents.py
	@for page in schema errors configuration conformance; do $(BIN)/python scripts/$${page}_page.py || exit 1; done

conformance: .venv/.dev ## Write docs/conformance.md from lock files and tests
	@$(BIN)/python scripts/conformance_page.py

migration: .venv/.dev ## Write a migration from the difference between code and database: NAME="what changes"
	@if [ -z "$(NAME)" ]; then echo 'make: say what changes: make migration NAME="add a column"' >&2; exit 2; fi
	@exec $(BIN)/python -m nexent_gql.migrations "$(NAME)"

domain: .venv/.dev ## Write a working domain with migration and tests: NAME=notes
	@if [ -z "$(NAME)" ]; then echo 'make: name the domain in the plural: make domain NAME=notes' >&2; exit 2; fi
	@exec $(BIN)/python scripts/new_domain.py $(NAME)

node-packages: $(addsuffix /$(PACKAGES),tests/foreign clients/typescript benchmarks/peers benchmarks/peers/postgraphile) ## Install the npm packages of foreign clients and benchmarks

assets: ## Fetch GraphiQL's files from the npm registry instead of a CDN
	@$(PYTHON) scripts/fetch_assets.py

engines: ## Get the engines that only tests need (Elasticsearch, MinIO) into a cache outside the checkout: ARGS=minio
	@$(PYTHON) scripts/engines.py $(ARGS)

lock: .venv/.dev ## Resolve dependencies and write the lock files: ARGS=--upgrade takes newer versions
	@exec $(BIN)/python scripts/lock.py $(ARGS)

fmt: .venv/.dev ## Format the code and apply automatic fixes
	@$(BIN)/ruff check --quiet --fix-only . && $(BIN)/ruff format --quiet .

clean: ## Remove environments, caches and builds; keep state folders
	@rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	@find nexent_gql workers tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.up: $(BOOTSTRAP) requirements/up.txt $(MOVED)
	@$(MAKE_VENV) up
	@touch .venv/.up

.venv/.dev: $(BOOTSTRAP) requirements/dev.txt $(MOVED)
	@$(MAKE_VENV) dev
	@touch .venv/.up .venv/.dev

%/$(PACKAGES): %/package-lock.json | .venv/.dev
	@echo "make: installing the node packages of $*" && $(BIN)/python scripts/npm.py ci --silent --prefix $* && touch $@

MAKE_VENV = python="$(PYTHON)"; command -v "$$python" >/dev/null || { \
	echo "make: no Python found: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }; \
	"$$python" scripts/bootstrap.py
