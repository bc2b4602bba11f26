"""Serve the newest pushed model over TF Serving's REST API.

Exit codes: 0 ended by SIGTERM, 2 the arguments or the folder cannot be used, 130 interrupted;
TF Serving's own where it serves.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from contract.command_line import EXIT_DONE, run_command
from contract.errors import InputError
from serving.backends import (
    BACKENDS,
    binary_command,
    choose_backend,
    docker_command,
    grpc_port,
)
from serving.example_requests import example_commands, server_url
from serving.push_folder import is_complete
from serving.settings import BatchSettings, Limits, ServerSettings
from serving.token_file import TOKEN_VARIABLE, read_token

_MIB = 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    for name in ("absl", "asyncio", "tensorflow", "PIL"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if not options.verbose:
        logging.getLogger("uvicorn").setLevel(logging.WARNING)

    def work() -> int:
        serve(options)
        return EXIT_DONE

    return run_command(work, cannot="serve", interrupted="Stopped.")


def serve(options: argparse.Namespace) -> None:
    """Choose what serves, say so and start it; TF Serving takes this process's place.

    Raises:
        InputError: The options or the folder cannot be used.
    """
    settings = read_settings(options)
    _check_model_dir(settings.model_dir)
    backend, reason = choose_backend(settings, options.backend)
    _say(f"Serving with: {backend} ({reason})")
    # The embedded server tells of errors itself; TensorFlow's lines speak of absent GPUs.
    is_silent = backend == "embedded" and not options.verbose
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3" if is_silent else "2")
    if backend == "embedded":
        _warn_of_open_door(settings)
        # Imported here: the other ways need none of it.
        from serving.server.run import run_embedded

        run_embedded(
            settings, options.wait, _say, lambda url: _show_commands(options, settings, url)
        )
        return
    if backend == "binary" and settings.is_loopback:
        _say(
            f"Note: this program has no option for its address: ports {grpc_port(settings)} "
            f"(gRPC) and {settings.port} (REST) are open on all of this machine's"
        )
    _say("It does not listen before it has loaded the model.")
    _show_commands(options, settings, server_url(settings.host, settings.port))
    command = (binary_command if backend == "binary" else docker_command)(settings)
    program = shutil.which(command[0])
    assert program is not None  # that is how it was chosen
    os.execv(program, command)


def _check_model_dir(model_dir: Path) -> None:
    """Refuse the folder of a single model.

    Raises:
        InputError: It is one.
    """
    if not is_complete(model_dir):
        return
    if model_dir.name.isdigit():
        raise InputError(
            f"--model-dir: {model_dir} is a version; give its parent folder, {model_dir.parent}"
        )
    raise InputError(
        f"--model-dir: expected a folder of numbered versions, got {model_dir}, which is a model "
        f"itself; move the model into a folder {model_dir / '1'}"
    )


def _show_commands(options: argparse.Namespace, settings: ServerSettings, url: str) -> None:
    _say("Ask it from another terminal:")
    for command in example_commands(settings, url, options.token_file):
        _say(f"  {command}")


def read_settings(options: argparse.Namespace) -> ServerSettings:
    """Return the settings that the command line asks for.

    Raises:
        InputError: They cannot work.
    """
    return ServerSettings(
        model_dir=options.model_dir or Path("output") / "serving" / options.model_name,
        model_name=options.model_name,
        host=options.host,
        port=options.port,
        labels=dict(options.label),
        token=_token(options.token_file),
        cors_origins=tuple(options.cors_origin),
        poll_s=options.poll_s,
        shutdown_s=options.shutdown_s,
        limits=Limits(
            max_body_bytes=options.max_body_mib * _MIB,
            max_total_body_bytes=options.max_total_body_mib * _MIB,
            max_instances=options.max_instances,
            max_image_pixels=options.max_image_pixels,
            timeout_s=options.timeout_s,
            max_active_requests=options.max_active_requests,
            head_timeout_s=options.head_timeout_s,
        ),
        batching=BatchSettings(
            max_batch_size=options.max_batch_size, parallel_runs=options.parallel_runs
        ),
    )


def _token(file: Path | None) -> str:
    return read_token(file) if file else os.environ.get(TOKEN_VARIABLE, "").strip()


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m serving",
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--model-dir",
        metavar="DIR",
        type=Path,
        help="folder of numbered versions; by default output/serving/NAME",
    )
    add("--model-name", metavar="NAME", default="pneumonia", help="in the paths of requests")
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=8501, help="0 for any free one (embedded only)")
    add("--with", dest="backend", choices=BACKENDS, help="force what serves")
    add("--wait", action="store_true", help="start although no model is pushed yet")
    add("--verbose", action="store_true", help="log every request, without its content")
    embedded = parser.add_argument_group("embedded server")
    _add_embedded(embedded)
    return parser.parse_args(arguments)


def _add_embedded(group: argparse._ArgumentGroup) -> None:
    limits, batching = Limits(), BatchSettings()
    add = group.add_argument
    add(
        "--label",
        metavar="NAME=VERSION",
        type=_label,
        action="append",
        default=[],
        help="serve a version under a label, too; may be repeated",
    )
    add(
        "--token-file",
        metavar="FILE",
        type=Path,
        help=f"requests need its bearer token; else that of the variable {TOKEN_VARIABLE}",
    )
    add("--cors-origin", metavar="ORIGIN", action="append", default=[], help="may be repeated")
    add("--poll-s", type=float, default=2.0, help="between two looks for a new version")
    add("--shutdown-s", type=float, default=30.0, help="for running requests after SIGTERM")
    add("--timeout-s", type=float, default=limits.timeout_s, help="for one request")
    add(
        "--head-timeout-s",
        type=float,
        default=limits.head_timeout_s,
        help="for the head of a request, before its token is checked",
    )
    add("--max-body-mib", type=int, default=limits.max_body_bytes // _MIB, help="in one request")
    add(
        "--max-total-body-mib",
        type=int,
        default=limits.max_total_body_bytes // _MIB,
        help="in all requests that are being answered",
    )
    add("--max-instances", type=int, default=limits.max_instances, help="in one request")
    add("--max-image-pixels", type=int, default=limits.max_image_pixels, help="in one image")
    add(
        "--max-active-requests",
        type=int,
        default=limits.max_active_requests,
        help="requests that are being answered",
    )
    add("--max-batch-size", type=int, default=batching.max_batch_size, help="instances in a run")
    add("--parallel-runs", type=int, default=batching.parallel_runs, help="runs at a time")


def _label(text: str) -> tuple[str, int]:
    name, _, version = text.partition("=")
    if not name or not version.isascii() or not version.isdigit():
        raise argparse.ArgumentTypeError(f"expected NAME=VERSION, got {text!r}")
    return name, int(version)


def _warn_of_open_door(settings: ServerSettings) -> None:
    if not settings.is_loopback and not settings.token:
        _say(
            f"Note: whoever reaches {settings.host} port {settings.port} can ask; set a token "
            "with --token-file"
        )


def _say(text: str) -> None:
    print(text, flush=True)
