"""The command line of `kubeflow/submit.py`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; exits with code 2 where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="kubeflow/submit.py",
        description="Upload a compiled pipeline to Kubeflow Pipelines and start or schedule it.",
        epilog="Exit codes: 0 started, or with --wait blessed and pushed; 3 refused; 2 bad input "
        "or KFP out of reach; 1 broken; 130 interrupted.",
        allow_abbrev=False,
    )
    parser.add_argument("pipeline", type=Path, metavar="PIPELINE.yaml", help="from compile.py")
    _add_run(parser)
    _add_waiting(parser)
    _add_connection(parser)
    options = parser.parse_args(arguments)
    if options.recurring is not None and options.wait:
        parser.error("expected either --recurring or --wait, got both: a schedule has no end")
    if options.timeout_s is not None and not options.wait:
        parser.error("expected --timeout-s together with --wait, got it alone")
    return options


def _add_run(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to run")
    group.add_argument("--experiment", metavar="NAME", help="made where missing (default: Default)")
    group.add_argument("--run-name", metavar="NAME", help="(default: pipeline and version)")
    group.add_argument("--pipeline-name", metavar="NAME", help="(default: the file's own)")
    group.add_argument(
        "--version", metavar="NAME", help="of what is uploaded (default: time and content's hash)"
    )
    group.add_argument(
        "--pipeline-root", metavar="URI", help="where artifacts go, e.g. s3://bucket/pipelines"
    )
    group.add_argument(
        "--param",
        dest="parameters",
        metavar="KEY=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="run parameters, e.g. --param epochs=5 data_dir=/mnt/data/records",
    )
    group.add_argument("--no-cache", action="store_true", help="run every task anew")
    group.add_argument(
        "--recurring",
        metavar="CRON",
        help="schedule it: five cron fields, or six with seconds first, e.g. '0 3 * * 0'",
    )


def _add_waiting(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("following the run")
    group.add_argument("--wait", action="store_true", help="follow it and print the verdict")
    group.add_argument("--timeout-s", type=_seconds, metavar="N", help="stop following after N s")
    group.add_argument(
        "--poll-s", type=_seconds, metavar="N", default=5.0, help="look every N s (default: 5)"
    )


def _add_connection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("reaching KFP (as kfp.Client's arguments)")
    group.add_argument("--host", metavar="URL", help="(default: KF_PIPELINES_ENDPOINT, cluster)")
    group.add_argument("--namespace", metavar="NS", help="your profile, where KFP has many users")
    tokens = group.add_mutually_exclusive_group()
    tokens.add_argument(
        "--token", "--existing-token", metavar="TOKEN", help="others may see it in `ps`"
    )
    tokens.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="read anew for each request (default: KF_PIPELINES_SA_TOKEN_PATH)",
    )
    group.add_argument("--ssl-ca-cert", type=Path, metavar="FILE", help="of the TLS authority")
    group.add_argument("--skip-tls-verify", action="store_true", help="trust any certificate")
    group.add_argument("--client-id", "--iap-client-id", metavar="ID", help="identity-aware proxy")
    group.add_argument("--other-client-id", metavar="ID", help="of a desktop log-in there")
    group.add_argument("--other-client-secret", metavar="SECRET", help="of the same")
    group.add_argument("--cookies", metavar="TEXT", help="e.g. authservice_session=...")
    group.add_argument("--proxy", metavar="URL", help="HTTP proxy")
    group.add_argument("--kube-context", metavar="NAME", help="without --host")
    group.add_argument("--ui-host", metavar="URL", help="for links (default: --host)")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected seconds above 0, got {text}")
    return value
