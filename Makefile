# Everything a developer or a user types. `make` alone lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := $(sort $(wildcard libs/*)) $(sort $(wildcard services/*))
TOOLCHAIN := toolchains/ultralytics
CORE := $(VENV)/.core
DEV := $(VENV)/.dev
TRAINING := $(TOOLCHAIN)/.venv/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
T ?=

.DEFAULT_GOAL := help

##@ Use
.PHONY: demo up
demo: $(CORE) $(TRAINING) ## Install, then run the whole loop: pictures in, boxes on a video out (ARGS="--data DIR ...")
	$(BIN)/azaion demo $(ARGS)

up: $(CORE) $(TRAINING) ## Install, then run every service in one process until Ctrl-C
	$(BIN)/azaion up

##@ On a server
.PHONY: secrets pin device rehearsal dashboards
secrets: ## Make what `docker compose up` needs to be told by nobody: passwords, keys, certificates, once, in deploy/secrets (HOST=name)
	$(PYTHON) deploy/make_secrets.py $(addprefix --host ,$(HOST))
	chmod -R a+rX deploy/settings deploy/prometheus deploy/grafana deploy/alertmanager deploy/rabbitmq deploy/blob-store # servers read these under users of their own

pin: ## Write compose.pinned.yaml: the images of others by the digests that their tags have now
	$(PYTHON) deploy/pin_images.py

device: ## Make deploy/secrets/devices/NAME: all that one edge device needs, with accounts of its own (NAME=roof HOST=name)
	@[ -n "$(NAME)" ] || { echo "make device NAME=roof HOST=server.example.org"; exit 2; }
	$(PYTHON) deploy/make_secrets.py $(addprefix --host ,$(HOST)) $(addprefix --device ,$(NAME))

rehearsal: $(CORE) ## Run compose.yaml for real, with every container killed in turn: about 15 minutes (DATA=DIR WEIGHTS=model.pt)
	@[ -n "$(DATA)" ] || { echo "make rehearsal DATA=DIR: a folder with pictures and labels"; exit 2; }
	PYTHONPATH=deploy $(BIN)/python -m rehearsal --data $(DATA) $(if $(WEIGHTS),--weights $(WEIGHTS))

dashboards: $(CORE) ## Write Grafana's dashboards anew from deploy/grafana/make_dashboards.py
	$(BIN)/python deploy/grafana/make_dashboards.py

##@ Develop
.PHONY: setup check format lint types contracts unit test test-faults bench schemas reference lock clean help
setup: $(DEV) $(TRAINING) ## Make both environments: the core and the ultralytics toolchain

check: lint types contracts unit ## Format, lint, types, import contracts, unit tests: under a minute

format: $(DEV) ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/hadolint deploy/docker/*.Dockerfile deploy/rehearsal/standins/*.Dockerfile

types: $(DEV)
	$(BIN)/mypy libs services tests benchmarks deploy

contracts: $(DEV)
	$(BIN)/lint-imports

unit: $(DEV) # two processes; what takes long or needs the toolchain is for `make test`
	$(BIN)/pytest -q -n 2 -m "not slow and not toolchain" libs services

test: $(DEV) $(TRAINING) ## Install, then run every test (T=path for some of them)
	$(BIN)/lint-imports
	$(BIN)/pytest -n 3 $(T)
	$(TOOLCHAIN)/.venv/bin/python -m pytest -q $(TOOLCHAIN)/tests

test-faults: $(DEV) $(TRAINING) ## The long fault runs of docs/reliability.md: about an hour
	$(BIN)/pytest -s -m faults tests/faults

bench: $(DEV) $(TRAINING) ## Measure against peers, as ratios (MODEL=x.onnx VIDEO=y.mp4 for inference too)
	$(BIN)/python benchmarks/ingest.py
	$(BIN)/python benchmarks/augment.py
	$(BIN)/python benchmarks/streams.py
	$(BIN)/python benchmarks/seal_open.py
	$(BIN)/python benchmarks/api.py
	$(if $(MODEL),$(BIN)/python benchmarks/infer_video.py --model $(MODEL) --video $(VIDEO))

schemas: $(DEV) ## Write the golden schemas of events and jobs anew, after a deliberate change
	$(BIN)/python -m azaion_common.contracts.schemas tests/contract/schemas

reference: $(DEV) ## Write docs/settings.md and docs/commands.md anew from the program
	$(BIN)/python -m azaion_common.platform.cli.reference docs

lock: $(DEV) ## Write constraints.txt anew from what is installed, and the hashes of those packages' files from the index
	(head -1 constraints.txt; $(BIN)/python -m pip freeze --exclude-editable) > constraints.new && mv constraints.new constraints.txt
	$(PYTHON) -m venv .lock && .lock/bin/pip install --quiet uv==0.13.9
	.lock/bin/uv pip compile --quiet --no-deps --generate-hashes --no-annotate --no-header --python-version 3.11 \
	  constraints.txt deploy/docker/requirements-*.txt --output-file deploy/docker/hashes.txt
	rm -rf .lock

clean: ## Remove both environments and caches (keeps azaion-home)
	rm -rf $(VENV) $(TOOLCHAIN)/.venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

help: ## This list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*##/ {printf "  \033[36m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.11 ..."; exit 1; }
	@echo "Making the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --upgrade 'pip>=25.1' 'setuptools>=80'

$(CORE): $(BIN)/python constraints.txt $(PACKAGES:%=%/pyproject.toml)
	@echo "Installing the core into $(VENV): about a minute"
	@$(PIP) --no-build-isolation $(PACKAGES:%=--editable %) --editable 'libs/azaion_common[production,traces]'
	touch $@

$(DEV): $(CORE) pyproject.toml
	@echo "Installing what tests and checks need: about a minute"
	@$(PIP) --group dev
	touch $@

$(TRAINING): $(wildcard $(TOOLCHAIN)/requirements*.txt) $(TOOLCHAIN)/pyproject.toml $(TOOLCHAIN)/install.sh
	@PYTHON=$(PYTHON) $(TOOLCHAIN)/install.sh
	touch $@
