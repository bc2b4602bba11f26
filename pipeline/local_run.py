"""A run on one machine: ingestion, then the DAG under TFX's local runner."""

from __future__ import annotations

import importlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from contract import nodes
from contract.long_lived import lasting_imports
from contract.plain_path import plain_path
from contract.settings import PipelineSettings
from ingestion.walking import shown
from pipeline.console import RunConsole
from pipeline.folder_lock import locked_folder
from pipeline.node_events import listen
from pipeline.summary import FILE_NAME, TOTAL, Summary, write_summary

_RUNNER = "pipeline.local_dag_runner"
# It waits for a fresh process, which works on another core while the report is written.
_BESIDE = (nodes.SERVABILITY_CHECK,)


def run_locally(
    settings: PipelineSettings,
    data: str | None,
    output_dir: Path,
    console: Console,
    log_file: Path,
) -> Summary:
    """Run everything and write `summary.json`, `report/`, and `study/` where the settings say so.

    Args:
        settings: The configuration.
        data: Source of X-rays, as `ingestion.open_source` takes it; None
            draws the synthetic set.
        output_dir: Where everything goes; what is there already is used again.
        console: Where progress is shown.
        log_file: Where the libraries log, named in the summary.

    Returns:
        What the summary holds.

    Raises:
        InputError: When the data, the configuration or the folder cannot be used, or another run
            works in it.
    """
    with locked_folder(output_dir):
        plain_dir = plain_path(output_dir)
        summary = _run(settings, data, plain_dir, console, log_file)
        summary = _with_folder(summary, plain_dir, output_dir.resolve())
        write_summary(summary, output_dir / FILE_NAME)
    return summary


def _with_folder(summary: Summary, plain_dir: Path, output_dir: Path) -> Summary:
    """Return the summary with the folder that the user gave in the place of `plain_path`'s."""
    if plain_dir == output_dir:
        return summary
    # As JSON text, so that no path is forgotten that the summary has now or gets later.
    plain, own = (
        json.dumps(shown(folder), ensure_ascii=False)[1:-1] for folder in (plain_dir, output_dir)
    )
    return Summary.model_validate_json(summary.model_dump_json().replace(plain, own))


def _run(
    settings: PipelineSettings,
    data: str | None,
    output_dir: Path,
    console: Console,
    log_file: Path,
) -> Summary:
    started_s = time.monotonic()
    work_dir = output_dir / "data"
    records_dir = work_dir / "records"
    with RunConsole(console, [], log_file) as run_console, listen(run_console):
        from ingestion.synthetic import write_synthetic_set
        from pipeline.job_server import arguments_of, check_job_servers, explained_job_servers

        beam_arguments = arguments_of(settings.beam)
        check_job_servers(beam_arguments)
        if data is None:
            with (
                run_console.step("Draw synthetic X-rays"),
                ThreadPoolExecutor(max_workers=1) as thread,
            ):
                drawn = thread.submit(
                    write_synthetic_set, work_dir / "synthetic", settings.data.synthetic
                )
                # Other processes draw. Meanwhile this one loads what it needs next.
                with lasting_imports():
                    for module in ("pipeline.pipeline", "pipeline.run_summary", _RUNNER):
                        importlib.import_module(module)
                source_path = str(drawn.result())
        else:
            source_path = data
        with lasting_imports():
            from ingestion.conversion import convert
            from ingestion.external import convert_external
            from ingestion.open_source import open_source

        with run_console.step("Open source"):
            source = open_source(source_path, work_dir, settings.data)
        with run_console.step("Convert"), explained_job_servers(beam_arguments):
            card = convert(source, settings.data, records_dir, settings.beam.pipeline_args)
        external = {}
        for name, each in settings.external.items():
            folder = work_dir / "external" / name
            # Before hours of training: a source that cannot be used ends the run now.
            with (
                run_console.step(f"Convert {name}"),
                explained_job_servers(beam_arguments),
            ):
                external_card = convert_external(
                    name,
                    each.source,
                    folder,
                    folder / "records",
                    settings.data,
                    settings.beam.pipeline_args,
                )
            external[name] = (str(folder / "records"), external_card.fingerprint)
        with run_console.step("Load TFX"):
            with lasting_imports():
                from components.external_evaluation import ExternalRecords
                from pipeline.local_dag_runner import LocalDagRunner
                from pipeline.metadata_store import connection_config, explained
                from pipeline.pipeline import Places, create_pipeline
                from pipeline.report_result import fetch_report
                from pipeline.run_summary import summarise_run
                from pipeline.study_result import fetch_study

            connection = connection_config(settings.metadata, output_dir / "metadata.sqlite")
            dag = create_pipeline(
                settings,
                Places(
                    records_dir=str(records_dir),
                    pipeline_root=str(output_dir / "pipeline"),
                    push_dir=str(output_dir / "serving" / settings.name),
                    trials_dir=str(output_dir / "trials"),
                    external={name: ExternalRecords(*each) for name, each in external.items()},
                ),
                connection,
                synthetic=card.synthetic,
            )
            run_console.expect([node.id for node in dag.components])
        with explained(settings.metadata), explained_job_servers(beam_arguments):
            LocalDagRunner(beside=_BESIDE).run(dag)
        timings_s = {**run_console.timings_s, TOTAL: time.monotonic() - started_s}
    study = fetch_study(settings, connection, output_dir) if settings.study.enabled else None
    report = fetch_report(settings, connection, output_dir) if settings.report.enabled else None
    return summarise_run(settings, card, connection, timings_s, log_file, study, report)
