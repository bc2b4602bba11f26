"""Getting a compiled pipeline, its run or its schedule into KFP."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfp.client.client import kfp_server_api

from contract.errors import InputError
from pipeline.kubeflow.submission.client import Client, quiet
from pipeline.kubeflow.submission.errors import AlreadyThereError, describe
from pipeline.kubeflow.submission.file import CompiledPipeline

_EQUALS = 1  # of KFP's filters
_DEFAULT_EXPERIMENT_VARIABLE = "KF_PIPELINES_DEFAULT_EXPERIMENT_NAME"
_OVERRIDE_EXPERIMENT_VARIABLE = "KF_PIPELINES_OVERRIDE_EXPERIMENT_NAME"


@dataclasses.dataclass(frozen=True)
class Version:
    """A version of a pipeline in KFP."""

    pipeline_id: str
    version_id: str
    name: str


@dataclasses.dataclass(frozen=True)
class RunRequest:
    """What a run is to be.

    Attributes:
        name: As the UI shows it.
        experiment: Name of one, made where it is missing.
        parameters: Only those that differ from the pipeline's defaults.
        root: Where artifacts go, None for the installation's default.
        namespace: Of the experiment, None where KFP has one user.
    """

    name: str
    experiment: str
    parameters: Mapping[str, Any]
    root: str | None
    namespace: str | None


def upload(
    client: Client,
    pipeline: CompiledPipeline,
    pipeline_name: str,
    version_name: str | None,
    namespace: str | None,
) -> Version:
    """Upload a version, and make the pipeline where it is missing.

    Args:
        client: Of KFP.
        pipeline: What to upload.
        pipeline_name: As the UI shows it.
        version_name: None for a time stamp with the first digits of the content's hash.
        namespace: Of the pipeline, None for the shared ones.

    Raises:
        InputError: The version's name is taken, or there are several pipelines of this name.
    """
    # With milliseconds: the same file may be submitted twice in a second, by parallel jobs.
    now = datetime.datetime.now().isoformat(timespec="milliseconds")
    stamp = re.sub(r"[-:]", "", now).replace("T", "-").replace(".", "-")
    name = version_name or f"{stamp}-{pipeline.digest[:8]}"
    with quiet(), tempfile.TemporaryDirectory() as folder:
        pipeline_id = _find_pipeline(client, pipeline_name, namespace)
        if pipeline_id is None:
            # Made empty: an upload would name the first version like the pipeline.
            made = client.pipelines.pipeline_service_create_pipeline(
                pipeline=kfp_server_api.V2beta1Pipeline(
                    display_name=pipeline_name, namespace=namespace
                )
            )
            pipeline_id = made.pipeline_id
        # A copy, so that what was checked is what is sent, under a name that KFP takes for YAML.
        copy = Path(folder) / "pipeline.yaml"
        copy.write_bytes(pipeline.content)
        try:
            version = client.upload_pipeline_version(str(copy), name, pipeline_id=pipeline_id)
        except kfp_server_api.ApiException as error:
            raise _version_error(error, name, pipeline_name) from error
    return Version(pipeline_id, version.pipeline_version_id, name)


def start_run(client: Client, version: Version, request: RunRequest) -> str:
    """Start a run of a version; return its id."""
    with quiet():
        run = client.run_pipeline(
            _experiment_id(client, request),
            request.name,
            pipeline_id=version.pipeline_id,
            version_id=version.version_id,
            params=dict(request.parameters),
            pipeline_root=request.root,
        )
    run_id: str = run.run_id
    return run_id


def schedule_runs(client: Client, version: Version, request: RunRequest, cron: str) -> str:
    """Schedule runs of a version, one at a time; return the schedule's id.

    Missed times are not made up for: the next run sees all data anyway.

    Args:
        client: Of KFP.
        version: What to run; later uploads do not change it.
        request: What each run is to be.
        cron: Six fields, seconds first.
    """
    with quiet():
        recurring = client.create_recurring_run(
            _experiment_id(client, request),
            request.name,
            cron_expression=cron,
            max_concurrency=1,
            no_catchup=True,
            params=dict(request.parameters),
            pipeline_id=version.pipeline_id,
            version_id=version.version_id,
            pipeline_root=request.root,
        )
    recurring_id: str = recurring.recurring_run_id
    return recurring_id


def experiment_name(given: str | None) -> str:
    """Return the experiment's name, with the environment variables that kfp's users know."""
    name = given or os.environ.get(_DEFAULT_EXPERIMENT_VARIABLE) or "Default"
    return os.environ.get(_OVERRIDE_EXPERIMENT_VARIABLE) or name


def _experiment_id(client: Client, request: RunRequest) -> str:
    try:
        experiment = client.create_experiment(request.experiment, namespace=request.namespace)
    except ValueError as error:
        raise InputError(
            f"--experiment: expected one that KFP can identify, got {request.experiment!r}: {error}"
            " How to fix: name another."
        ) from error
    experiment_id: str = experiment.experiment_id
    return experiment_id


def _find_pipeline(client: Client, name: str, namespace: str | None) -> str | None:
    # `get_pipeline_id` of kfp looks among the shared pipelines only.
    predicate = {"operation": _EQUALS, "key": "display_name", "stringValue": name}
    found = (
        client.list_pipelines(
            filter=json.dumps({"predicates": [predicate]}), namespace=namespace
        ).pipelines
        or []
    )
    if len(found) > 1:
        raise InputError(
            f"expected one pipeline named {name!r}, got {len(found)}. "
            "How to fix: name another with --pipeline-name."
        )
    return found[0].pipeline_id if found else None


def _version_error(error: Any, name: str, pipeline_name: str) -> Exception:
    described = describe(error, "")
    if not isinstance(described, AlreadyThereError):
        return error
    return InputError(
        f"--version: expected a name that is free, got {name!r}, which {pipeline_name!r} has "
        "already. How to fix: give another, or leave --version out for a time stamp."
    )
