"""Where a run's model comes from: hashes of data, code and model, versions, and the nodes' runs."""

from __future__ import annotations

import logging
import platform
from importlib import metadata

from contract import __version__
from contract.code_version import code_version
from evaluation.slice_metrics import Record
from report.lineage.stored_run import StoredRun, read_stored_run, relative_place
from report.sources import Sources
from serving.push_folder import content_digest

_PACKAGES = (
    *("tfx", "tensorflow", "keras", "tensorflow-transform", "tensorflow-model-analysis"),
    *("apache-beam", "keras-tuner"),
)
_LOGGER = logging.getLogger(__name__)
_CODE = ("models.preprocessing", "models.tune", "models.train", "models.ensemble")
# Fields of `Sources` with a folder each, for where no metadata store can be asked.
_FOLDERS = (
    *("examples", "schema", "statistics", "anomalies", "data_audit", "transform_graph"),
    *("model", "model_run", "baseline", "evaluation", "blessing"),
)


class Lineage(Record):
    """The lineage of the selected model.

    Attributes:
        data_fingerprint: Of the conversion, from the dataset card: a hash of every source file's
            name, size and time, of the settings and of the code; None where there is no card.
        records_digest: SHA-256 of the names and bytes of the records that the run has read.
        model_digest: SHA-256 of the names and bytes of the exported model's files.
        code_digest: Hash of the project's code, and of its libraries' versions, where the report
            was made.
        packages: Versions by package, the project and Python among them.
        stored_run: From the metadata store; None where it was out of reach.
        store_problem: Why it was out of reach; "" where it was not.
        folders: The artifacts' last folders by their role, where the store was out of reach.
    """

    data_fingerprint: str | None
    records_digest: str
    model_digest: str
    code_digest: str
    packages: dict[str, str]
    stored_run: StoredRun | None
    store_problem: str
    folders: dict[str, str]


def trace_lineage(sources: Sources) -> Lineage:
    """Trace the selected model back, as far as the metadata store can be asked."""
    stored_run, problem = _ask_store(sources)
    return Lineage(
        data_fingerprint=sources.card.fingerprint if sources.card else None,
        records_digest=content_digest(sources.examples),
        model_digest=content_digest(sources.exported_model),
        code_digest=code_version(*_CODE),
        packages=_package_versions(),
        stored_run=stored_run,
        store_problem=problem,
        folders={} if stored_run else _folders(sources),
    )


def _ask_store(sources: Sources) -> tuple[StoredRun | None, str]:
    if sources.metadata_file is None:
        return None, "on a cluster it is a service, whose page tells the nodes' runs"
    try:
        return read_stored_run(sources.metadata_file, sources.run.pipeline_name), ""
    except Exception as error:  # of several libraries: the hashes must not be lost with it
        _LOGGER.exception("The metadata store could not be read")
        return None, f"{type(error).__name__}: {error}"


def _package_versions() -> dict[str, str]:
    versions = {"pneumonia-pipeline": __version__, "python": platform.python_version()}
    return versions | {package: metadata.version(package) for package in _PACKAGES}


def _folders(sources: Sources) -> dict[str, str]:
    folders = {name: getattr(sources, name) for name in _FOLDERS}
    return {name: relative_place(str(path), None) for name, path in folders.items() if path}
