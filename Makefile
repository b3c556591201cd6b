# Everything a contributor runs. Needs git, make and Python >= 3.11; the rest goes into .venv.
#   make test PYTHON=python3.12     the same in a virtual environment of its own
#   make test ARGS="-k premium"     more arguments for pytest

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell sh tools/find-python.sh)
VENV ?= .venv$(if $(filter command environment,$(firstword $(origin PYTHON))),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
ARGS ?=
# Much of the whole suite waits, for processes and deadlines: one worker more than processors.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The stamps carry a checksum of what they were made from, so anything new makes them anew.
checksum = $(shell { $(1); } 2>/dev/null | cksum | cut -d ' ' -f 1)
INSTALLED := $(VENV)/.installed-$(call checksum,$(PYTHON) -VV; pwd; cat requirements/pip.txt requirements/dev.txt)
PROJECT := $(INSTALLED)-$(call checksum,cat pyproject.toml moddy/__init__.py)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: venv
venv: $(PROJECT) ## Make the virtual environment; the other targets do so by themselves

.PHONY: sandbox
sandbox: $(PROJECT) ## Try Moddy with an in-memory Discord and website; needs no token
	@$(BIN)/python -m moddy sandbox $(ARGS)

.PHONY: run
run: $(PROJECT) ## Run Moddy with the settings of the environment and .env
	@$(BIN)/python -m moddy $(ARGS)

.PHONY: test
test: $(PROJECT) ## Run every test
	@$(BIN)/python -m pytest --numprocesses=$(WORKERS) $(ARGS)

.PHONY: test-quick
test-quick: $(PROJECT) ## Run the tests that need no server, process or browser
	@$(BIN)/python -m pytest --numprocesses=auto -m "not slow" $(ARGS)

.PHONY: pictures
pictures: $(PROJECT) ## Take a picture of every layout into build/pictures; UPDATE_PICTURES=1 writes those of docs/
	@PICTURES=build/pictures $(BIN)/python -m pytest --numprocesses=$(WORKERS) \
		tests/pictures $(if $(UPDATE_PICTURES),tests/sandbox) $(ARGS)

.PHONY: lint
lint: $(PROJECT) ## Check style, formatting, types and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict
	@$(BIN)/lint-imports
	@$(BIN)/hadolint Dockerfile

.PHONY: bench
bench: $(PROJECT) ## Measure Moddy beside FastAPI and httpx; ARGS="sqlite --rounds 3" for a part
	@$(BIN)/python -m pip install --quiet --root-user-action ignore --require-hashes --requirement requirements/bench.txt
	@$(BIN)/python -m bench $(ARGS)

.PHONY: lock
lock: $(INSTALLED) ## Write the lock files anew from pyproject.toml; UPGRADE=1 takes newer versions
	@$(call compile,dev) pyproject.toml --extra fast --extra sandbox --extra sentry --group dev
	@$(call compile,runtime) pyproject.toml --extra fast --extra sentry --constraint requirements/dev.txt
	@$(call compile,bench) --group bench --constraint requirements/dev.txt
	@$(call compile,build) --group build --constraint requirements/dev.txt
	@$(call compile,pip) --group pip

# The image gets the versions the tests ran with, hence the constraints.
compile = $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--no-header $(if $(UPGRADE),--upgrade) --output-file requirements/$(1).txt

.PHONY: clean
clean: ## Remove the virtual environments and every cache
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist

$(INSTALLED):
	@sh tools/make-venv.sh "$(VENV)" "$(PYTHON)" requirements/pip.txt requirements/dev.txt
	@touch $@

$(PROJECT): $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --quiet --root-user-action ignore --no-deps --no-build-isolation --no-index --editable .
	@rm -f $(INSTALLED)-*
	@touch $@
