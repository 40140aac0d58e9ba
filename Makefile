# Two commands are enough: `make demo` renders a video, `make test` runs the tests.
# Both set up what they need in ./.venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# uv installs four times faster than pip. Where it cannot reach a registry that only pip is
# configured for, pip does the same from the same lock.
define install
	@echo "Installing $(1) (a minute or so the first time) …"
	@$(BIN)/uv pip install -q --python $(BIN)/python --compile-bytecode --no-deps --require-hashes -r $(1) \
	  || { echo "uv could not install $(1); using pip instead."; \
	       $(BIN)/python -m pip install -q --no-deps --require-hashes -r $(1); }
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
endef

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(STAMP)-venv: requirements-setup.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; set PYTHON=… to one."; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-setup.lock
	@touch $@

$(STAMP)-runtime: $(STAMP)-venv requirements.lock pyproject.toml
	$(call install,requirements.lock)
	@touch $@

$(STAMP)-dev: $(STAMP)-venv requirements-dev.lock pyproject.toml
	$(call install,requirements-dev.lock)
	@touch $@ $(STAMP)-runtime

.PHONY: setup setup-dev
setup: $(STAMP)-runtime ## Set up what rendering needs
setup-dev: $(STAMP)-dev ## Set up what developing needs

.PHONY: demo
demo: $(STAMP)-runtime ## Render the ten-question example into a finished video
	@$(BIN)/trivia render examples/ten_questions.json

.PHONY: up down
up: $(STAMP)-runtime ## Start a fleet on this machine, in the background
	@$(BIN)/trivia up

down: ## Stop it; renders under way go on after the next `make up`
	@test ! -x $(BIN)/trivia || $(BIN)/trivia down

.PHONY: deploy-plan deploy
deploy-plan: $(STAMP)-runtime ## Show what a deployment to Google Cloud would change
	@$(BIN)/python -m infra.deploy plan

deploy: $(STAMP)-runtime ## Deploy to Google Cloud; asks before it changes anything
	@$(BIN)/python -m infra.deploy apply

.PHONY: test
test: $(STAMP)-dev ## Run the tests
	@$(BIN)/python -m tests.programs
	@$(BIN)/python -m pytest -n 2 -m "not faults and not load and not image"

.PHONY: lint
lint: $(STAMP)-dev ## Check formatting, types and layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# checkov's pins conflict with the program's, so it has an environment of its own.
AUDIT := .venv-audit

$(AUDIT)/.stamp: $(STAMP)-venv requirements-audit.lock
	@echo "Installing requirements-audit.lock (once) …"
	@$(PYTHON) -m venv $(AUDIT)
	@$(BIN)/uv pip install -q --python $(AUDIT)/bin/python --no-deps --require-hashes -r requirements-audit.lock \
	  || { echo "uv could not install requirements-audit.lock; using pip instead."; \
	       $(AUDIT)/bin/python -m pip install -q --no-deps --require-hashes -r requirements-audit.lock; }
	@touch $@

.PHONY: audit
audit: $(AUDIT)/.stamp ## Audit the Terraform code and the Dockerfile with checkov, offline
	@$(AUDIT)/bin/checkov --directory . --framework terraform dockerfile --skip-path tests \
	  --skip-download --quiet --compact

.PHONY: sbom secrets licences
sbom: $(STAMP)-dev ## Write the bill of materials, sbom.cdx.json (CycloneDX)
	@$(BIN)/python -m tests.sbom > sbom.cdx.json

secrets: $(STAMP)-dev ## List what looks like a secret and is new, and take it into .secrets.baseline
	@$(BIN)/python -m tests.secret_scan

licences: $(STAMP)-dev ## Write the table of docs/licences.md anew
	@$(BIN)/python -m tests.licences

.PHONY: format
format: $(STAMP)-dev ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: faults
faults: $(STAMP)-dev ## Kill, stall and damage things: the slow fault suite
	@$(BIN)/python -m tests.programs
	@$(BIN)/python -m pytest -m faults

.PHONY: fuzz
fuzz: $(STAMP)-dev ## Try hostile configs, question sets, images and streams for TRIVIA_FUZZ_SECONDS (600)
	@TRIVIA_FUZZ_SECONDS=$${TRIVIA_FUZZ_SECONDS:-600} $(BIN)/python -m pytest tests/fuzz --timeout=0

.PHONY: image-test
image-test: $(STAMP)-dev ## Build the container image with buildah and run it, as root on Debian (10 min)
	@$(BIN)/python -m pytest -m image -s tests/infra/test_image_built.py

.PHONY: load load-jobs
load: $(STAMP)-dev ## Carry a day's rate of videos through Prefect's server, then load-jobs (45 min)
	@$(BIN)/python -m tests.programs
	@$(BIN)/python -m bench.load
	@$(MAKE) load-jobs

load-jobs: $(STAMP)-dev ## Many jobs at once
	@$(BIN)/python -m tests.programs
	@$(BIN)/python -m pytest -m load

.PHONY: simulate
simulate: $(STAMP)-dev ## Simulate a day of 80,000 videos under both scaling policies (2 min)
	@$(BIN)/python -m bench.simulate

.PHONY: bench
bench: $(STAMP)-dev ## Measure the cost of a render beside a bare encode
	@$(BIN)/python -m bench.full_encode

.PHONY: text-fit
text-fit: $(STAMP)-dev ## Count the questions of DATA=file (JSON lines) that fit their frames
	@test -n "$(DATA)" || { echo "Say which file: make text-fit DATA=questions.jsonl"; exit 2; }
	@$(BIN)/python -m bench.text_fit "$(DATA)"

.PHONY: images
images: $(STAMP)-dev ## Draw the pictures of docs/images again
	@$(BIN)/python -m bench.contact_sheets
	@$(BIN)/python -m bench.dashboard_images

LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: lock
lock: $(STAMP)-venv ## Resolve the dependencies again
	@$(LOCK) requirements-setup.in -o requirements-setup.lock
	@$(LOCK) pyproject.toml -o requirements.lock
	@$(LOCK) --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	@$(LOCK) requirements-audit.in -o requirements-audit.lock

.PHONY: clean
clean: ## Remove rendered work and caches; the environment stays
	@rm -rf .trivia .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis bench/out
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
