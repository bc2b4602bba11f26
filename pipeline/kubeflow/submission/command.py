"""Submit a compiled pipeline to Kubeflow Pipelines: upload, start or schedule, follow.

Exit codes: 0 started, or with `--wait` blessed and pushed; 3 refused; 2 the input cannot be used,
by this command or by a task of the run, or KFP cannot be reached; 1 something broke; 130
interrupted.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from contract.command_line import EXIT_BAD_INPUT, EXIT_DONE, EXIT_INTERRUPTED, run_command
from contract.errors import InputError
from pipeline.kubeflow.submission.file import check_name, read_pipeline, without_caching
from pipeline.kubeflow.submission.options import parse_arguments
from pipeline.kubeflow.submission.parameters import parse_parameters
from pipeline.kubeflow.submission.schedule import parse_cron

if TYPE_CHECKING:
    from pipeline.kubeflow.submission.watch import Watch


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)
    console = Console(highlight=False, soft_wrap=True)
    return run_command(
        lambda: _submit(options, console),
        cannot="submit",
        interrupted="Interrupted before KFP had confirmed a run; no run is being followed.",
        redact=lambda text: _redact(text, options),
    )


def _submit(options: argparse.Namespace, console: Console) -> int:
    # First all checks that need no network.
    pipeline = read_pipeline(options.pipeline)
    if options.pipeline_name is None:
        name = check_name(pipeline.name, f"{options.pipeline}")
    else:
        name = check_name(options.pipeline_name, "--pipeline-name")
    parameters = parse_parameters(options.parameters, pipeline.parameters)
    cron = None if options.recurring is None else parse_cron(options.recurring)
    if options.no_cache:
        pipeline = without_caching(pipeline)

    # Imported here: kfp takes seconds, and a wrong file needs none of it.
    from pipeline.kubeflow.submission import upload
    from pipeline.kubeflow.submission.client import Connection, connect
    from pipeline.kubeflow.submission.errors import api_errors
    from pipeline.kubeflow.submission.watch import Watch

    connection = Connection(
        host=options.host,
        namespace=options.namespace,
        token=options.token,
        token_file=options.token_file,
        client_id=options.client_id,
        other_client_id=options.other_client_id,
        other_client_secret=options.other_client_secret,
        cookies=options.cookies,
        proxy=options.proxy,
        ssl_ca_cert=options.ssl_ca_cert,
        verify_tls=not options.skip_tls_verify,
        kube_context=options.kube_context,
        ui_host=options.ui_host,
    )
    client = connect(connection)
    namespace = options.namespace or client.get_user_namespace() or None
    name = options.pipeline_name or pipeline.name
    with api_errors(connection.address):
        version = upload.upload(client, pipeline, name, options.version, namespace)
        console.print(f"Uploaded {name}, version {version.name}", markup=False)
        request = upload.RunRequest(
            name=options.run_name or f"{name} {version.name}",
            experiment=upload.experiment_name(options.experiment),
            parameters=parameters,
            root=options.pipeline_root,
            namespace=namespace,
        )
        if cron is not None:
            recurring_id = upload.schedule_runs(client, version, request, cron)
            link = client.link("recurringrun", recurring_id)
            console.print(f"Schedule {recurring_id}: {cron} (seconds first)", markup=False)
            console.print("The clock is the cluster's: UTC, where it sets no other.")
            console.print(link, markup=False)
            return EXIT_DONE
        run_id = upload.start_run(client, version, request)
    link = client.link("runs", run_id)
    console.print(f"Run {run_id}\n{link}", markup=False)
    if not options.wait:
        return EXIT_DONE
    return _follow(Watch(client, connection.address, console, pipeline, namespace), run_id, options)


def _follow(watch: Watch, run_id: str, options: argparse.Namespace) -> int:
    link = watch.client.link("runs", run_id)
    try:
        verdict = watch.follow(run_id, options.poll_s, options.timeout_s)
    except KeyboardInterrupt:
        watch.console.print(f"Interrupted. The run goes on: {link}", markup=False)
        return EXIT_INTERRUPTED
    except InputError as error:
        line = f"{_redact(str(error), options)} The run goes on, as far as is known: {link}"
        _print_error("Lost sight of the run: ", line)
        return EXIT_BAD_INPUT
    watch.console.print(Text(_redact(verdict.text, options), style=verdict.style))
    watch.console.print(link, markup=False)
    return verdict.exit_code


def _print_error(title: str, text: str) -> None:
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    errors.print(Text(title, style="bold red").append(text, style="not bold default"))


def _redact(text: str, options: argparse.Namespace) -> str:
    """Cover secrets, which a proxy's message may repeat."""
    secrets = [options.token, options.other_client_secret, options.cookies]
    if options.token_file is not None and options.token_file.is_file():
        secrets.append(options.token_file.read_text(errors="replace").strip())
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text
