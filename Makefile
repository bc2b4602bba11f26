# Every command of the project. `make` alone lists them.
PYTHON := .venv/bin/python
ARGS ?=
# The TensorFlow of the TensorFlow Serving that serving/deploy pins, for one optional check.
PYTHON_2_19 := .venv-tf-2.19/bin/python
# Of the tool that reads the image's locks.
PYTHON_AUDIT := .venv-audit/bin/python

# Of the container image. A tag never moves: the cluster's cache knows an image by its name.
DOCKER ?= docker
VARIANT ?= cpu
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' contract/__init__.py)
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
BASE ?= python:3.11-slim-bookworm
RUN_FLAGS ?=
IMAGE ?= pneumonia-pipeline:$(VERSION)$(if $(filter-out cpu,$(VARIANT)),-$(VARIANT))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run serve test test-tools test-fast test-serving test-export-2-19 test-flink lint format types kubeflow-local bench ablation flink-up flink-down lock image image-test image-bom image-audit ci clean setup setup-dev

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

run: setup ## Run the pipeline: make run ARGS="--data FOLDER", without ARGS on drawn images
	@$(PYTHON) local_runner.py $(ARGS)

serve: setup ## Serve the newest pushed model: make serve ARGS="--port 9000"
	@$(PYTHON) -m serving $(ARGS)

# As many processes as cores; the tests of one file share fixtures that take minutes. Bytecode is
# written whatever the environment says: some hundred processes would compile the project again.
PYTEST = PYTHONDONTWRITEBYTECODE= $(PYTHON) -m pytest -n auto --dist loadfile --no-loadscope-reorder

test: setup-dev ## Run the tests of all that is delivered: make test ARGS="tests/models" picks
	@$(PYTEST) $(or $(ARGS),--ignore=tests/tools)

test-tools: setup-dev ## Run the tests of the tools, and Kubeflow runs under KFP's emulation
	@$(PYTEST) tests/tools $(ARGS)

test-fast: setup-dev ## Run the tests but whole runs
	@$(PYTEST) -m "not slow" $(ARGS)

test-serving: setup-dev ## Ask a server for TF Serving's contract: TF_SERVING_URL=URL make test-serving
	@$(PYTHON) -m pytest tests/serving/contract $(ARGS)

test-export-2-19: setup-dev $(PYTHON_2_19) ## Ask the C++ library of TensorFlow 2.19 about exports
	@OTHER_TENSORFLOW_PYTHON=$(PYTHON_2_19) $(PYTHON) -m pytest tests/models/test_cpp_loader.py $(ARGS)

$(PYTHON_2_19): requirements-tf-2.19.txt
	@echo 'Setting up $(@D) from $<: about 1.5 GB'
	@$(PYTHON) -m venv --clear $(patsubst %/bin/python,%,$@)
	@$@ -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $< && touch $@

test-flink: setup-dev ## Run Beam's stages on a Flink cluster that loses machines (Java, Maven)
	@FLINK_TESTS=1 $(PYTHON) -m pytest tests/tools/flink_cluster tests/kubeflow/test_flink.py $(ARGS)

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

flink-up: setup ## Start a Flink cluster on this machine (Java, Maven), for runs with --config flink
	@$(PYTHON) -m tools.flink_cluster up

flink-down: ## End it, and empty its folder
	@$(PYTHON) -m tools.flink_cluster down

ci: lint types test test-tools ## All that CI checks: lint, types and tests

LEFT_OUT = $(addprefix --no-emit-package ,$(shell sed '/^\#/d' requirements-image-left-out.txt))

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
	$(call compile_lock,--override overrides.txt $(LEFT_OUT) requirements-image.in,requirements-image.txt)
	$(call compile_lock,--no-deps -c requirements.txt requirements-image-cpu.in,requirements-image-cpu.txt)
	$(call compile_lock,--no-deps requirements-gpu.in,requirements-gpu.txt)
	$(call compile_lock,requirements-build.in,requirements-build.txt)
	$(call compile_lock,requirements-audit.in,requirements-audit.txt)
	$(call compile_lock,requirements-tf-2.19.in,requirements-tf-2.19.txt)

image: ## Build the container image: make image DOCKER=podman BASE=python@sha256:... VARIANT=gpu
	@$(DOCKER) info >/dev/null 2>&1 || { \
		echo 'No container engine answers `$(DOCKER) info`: start one, or name another, such as DOCKER=podman' >&2; \
		exit 1; }
	@case '$(BASE)' in *@sha256:*) ;; *) \
		echo 'The base $(BASE) is a tag, which moves: a release names it by digest, BASE=python@sha256:...' >&2 ;; \
	esac
	@$(DOCKER) build --file Dockerfile --build-arg PYTHON_IMAGE=$(BASE) --build-arg VARIANT=$(VARIANT) \
		--build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --tag $(IMAGE) $(ARGS) .

# What `docker run` needs on this machine goes into RUN_FLAGS.
image-test: setup-dev ## Build the image and run the DAG in it, a container a task, without network and as uid 10001
	@if $(DOCKER) info >/dev/null 2>&1; then \
		$(MAKE) image IMAGE=pneumonia-pipeline:test; \
	else \
		echo 'No container engine answers `$(DOCKER) info`: nothing is built, and the tests skip' >&2; \
	fi
	@CONTAINER_IMAGE=pneumonia-pipeline:test CONTAINER_ENGINE='$(DOCKER)' CONTAINER_FLAGS='$(RUN_FLAGS)' \
		$(PYTHON) -m pytest tests/kubeflow/test_image.py -rs

IMAGE_LOCKS = requirements-image.txt requirements-$(if $(filter gpu,$(VARIANT)),gpu,image-cpu).txt \
	requirements-weights.txt

image-bom: $(PYTHON_AUDIT) ## Write the bill of materials of the image's packages: build/image-VARIANT.cdx.json
	@mkdir -p build
	@cat $(IMAGE_LOCKS) | $(PYTHON_AUDIT) -m cyclonedx_py requirements --output-reproducible \
		--output-file build/image-$(VARIANT).cdx.json -

image-audit: $(PYTHON_AUDIT) ## Ask PyPI for known vulnerabilities of the image's packages
	@$(PYTHON_AUDIT) -m pip_audit --strict --disable-pip --require-hashes --progress-spinner off \
		$(addprefix --requirement ,$(IMAGE_LOCKS)) $(ARGS)

$(PYTHON_AUDIT): requirements-audit.txt
	@$(PYTHON) -m venv --clear $(patsubst %/bin/python,%,$@)
	@$@ -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $< && touch $@

clean: ## Remove caches and build products; .venv and outputs stay
	@rm -rf build ./*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

setup:
	@scripts/setup.sh

setup-dev:
	@scripts/setup.sh dev
