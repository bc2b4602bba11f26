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
from contract.long_lived import lasting_imports
from contract.server_settings import (
    BatchSettings,
    Limits,
    ServerSettings,
    add_options,
    option_values,
)
from serving.backends import (
    BACKENDS,
    binary_command,
    choose_backend,
    docker_command,
    grpc_port,
)
from serving.example_requests import example_commands, server_url
from serving.push_folder import is_complete
from serving.token_file import TOKEN_VARIABLE, read_token


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
    # The embedded server reports errors itself; TensorFlow's lines are about absent GPUs.
    is_silent = backend == "embedded" and not options.verbose
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3" if is_silent else "2")
    if backend == "embedded":
        _warn_if_open(settings)
        # Imported here: the other ways need none of it.
        with lasting_imports():
            from serving.server.run import run_embedded

        run_embedded(
            settings, options.wait, _say, lambda url: _show_commands(options, settings, url)
        )
        return
    if backend == "binary" and settings.is_loopback:
        _say(
            f"Note: this program has no option for its address: ports {grpc_port(settings)} "
            f"(gRPC) and {settings.port} (REST) are open on all addresses of this machine"
        )
    _say("It listens once it has loaded the model.")
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
        labels=dict(options.label),
        token=_token(options.token_file),
        cors_origins=tuple(options.cors_origin),
        limits=Limits(**option_values(options, Limits)),
        batching=BatchSettings(**option_values(options, BatchSettings)),
        **option_values(options, ServerSettings),
    )


def _token(file: Path | None) -> str:
    return read_token(file) if file else os.environ.get(TOKEN_VARIABLE, "").strip()


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m serving",
        description=(__doc__ or "").splitlines()[0],
        epilog=(__doc__ or "").partition("\n\n")[2],
    )
    parser.add_argument(
        "--model-dir",
        metavar="DIR",
        type=Path,
        help="folder of numbered versions (default: output/serving/NAME)",
    )
    add_options(parser, ServerSettings)
    parser.add_argument(
        "--with",
        dest="backend",
        choices=BACKENDS,
        help="server to use (default: TensorFlow Serving where it is installed)",
    )
    parser.add_argument("--wait", action="store_true", help="start although no model is pushed yet")
    parser.add_argument(
        "--verbose", action="store_true", help="log every request, without its content"
    )
    embedded = parser.add_argument_group("embedded server")
    embedded.add_argument(
        "--label",
        metavar="NAME=VERSION",
        type=_label,
        action="append",
        default=[],
        help="serve a version under a label, too; may be repeated",
    )
    embedded.add_argument(
        "--token-file",
        metavar="FILE",
        type=Path,
        help="file with the bearer token that requests have to carry (default: the variable "
        f"{TOKEN_VARIABLE}, or no token)",
    )
    embedded.add_argument(
        "--cors-origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="origin of web pages that may read answers; may be repeated",
    )
    add_options(embedded, Limits)
    add_options(embedded, BatchSettings)
    return parser.parse_args(arguments)


def _label(text: str) -> tuple[str, int]:
    name, _, version = text.partition("=")
    if not name or not version.isascii() or not version.isdigit():
        raise argparse.ArgumentTypeError(f"expected NAME=VERSION, got {text!r}")
    return name, int(version)


def _warn_if_open(settings: ServerSettings) -> None:
    if not settings.is_loopback and not settings.token:
        _say(
            f"Note: anybody who reaches {settings.host} port {settings.port} can ask; set a "
            "token with --token-file"
        )


def _say(text: str) -> None:
    print(text, flush=True)
