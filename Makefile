# The same task names here and in .ci/run. `make` alone lists them.
# A fresh machine needs Python 3.11 and make; everything else is set up in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
GOOGLEAPIS := build/googleapis/.copied
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/build/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help run test test-full lint format generate check-generated breaking bench bench-codec chaos lock tools clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "Seawall needs Python 3.11 or newer, this is %d.%d; say which with: make PYTHON=python3.11" % v[:2])'
	@echo "==> Setting up $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(GOOGLEAPIS): $(STAMP) tools/copy_googleapis.py
	@$(BIN)/python tools/copy_googleapis.py build/googleapis
	@touch $@

run: $(STAMP) ## Start the demo on localhost:50051; Ctrl-C ends it
	@$(BIN)/seawall demo

test: $(STAMP) ## Unit, composition, property, scenario and end-to-end tests with short counts
	@$(BIN)/pytest -m "not full"
	@echo "==> Passed. Next: make run (the demo), make test-full (real servers, full counts), make bench"

test-full: $(STAMP) ## All tests with full counts
	@$(BIN)/pytest

lint: $(STAMP) $(GOOGLEAPIS) ## ruff, mypy, import-linter, buf
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/buf format --diff --exit-code protos
	@$(BIN)/buf lint

format: $(STAMP) ## Format Python and protos
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/buf format --write protos

generate: $(STAMP) $(GOOGLEAPIS) ## Generate generated/ and the demo's descriptor set
	@$(BIN)/buf generate
	@$(BIN)/python tools/demo_descriptors.py

check-generated: generate ## Fail where generated code is not what the protos say
	@git diff --exit-code --stat -- generated gateway/demo/*.binpb && test -z "$$(git status --porcelain generated)"

# Against main, or on main itself against the commit before. Name another with AGAINST=…
AGAINST ?= $(shell test "$$(git rev-parse HEAD)" = "$$(git rev-parse -q --verify main)" && echo HEAD~1 || echo main)

breaking: $(STAMP) $(GOOGLEAPIS) ## Fail where a proto breaks what it promised before
	@if git cat-file -e $(AGAINST):buf.yaml 2>/dev/null; then \
	  rm -rf build/against && mkdir -p build/against/build && cp -r build/googleapis build/against/build && \
	  git archive $(AGAINST) buf.yaml protos | tar -x -C build/against && \
	  $(BIN)/buf breaking --against build/against; \
	else echo "nothing to compare with: $(AGAINST) has no protos here"; fi

bench: $(STAMP) ## Seawall beside Envoy and hand-written gateways, one run, one table
	@$(BIN)/python -m bench

chaos: $(STAMP) ## Ten faults, beside Envoy and what people write today; about 35 minutes
	@$(BIN)/python -m bench.chaos

bench-codec: $(STAMP) ## The JSON codec against json_format, one run, one table
	@$(BIN)/python -m bench.codec

tools: ## grpcurl, grpc-health-probe and ghz into build/bin (needs Go)
	@mkdir -p build/bin
	@for tool in github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4 \
	  github.com/grpc-ecosystem/grpc-health-probe@v0.4.61 github.com/bojand/ghz/cmd/ghz@v0.120.0; do \
	  echo "==> $$tool"; GOBIN=$(CURDIR)/build/bin go install "$$tool" || exit 1; done

lock: $(STAMP) ## Resolve dependencies anew into requirements.lock
	@$(BIN)/pip-compile --quiet --extra dev -o requirements.lock pyproject.toml

clean: ## Remove what the other targets made
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
