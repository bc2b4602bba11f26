"""The client's command line, read and checked."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from contract.errors import InputError


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.client",
        description="Ask a model server about chest X-rays.",
        epilog="Exit codes: 0 every image was answered, 1 some were, 2 none was or the "
        "arguments cannot be used, 130 interrupted.",
    )
    parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="+",
        type=Path,
        help="JPEG, PNG or DICOM file, or a folder of them (with its folders)",
    )
    parser.add_argument(
        "--url",
        default="http://localhost:8501",
        help="of a server of TensorFlow Serving's REST API (default: %(default)s)",
    )
    parser.add_argument(
        "--model", metavar="NAME", default="pneumonia", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--version-label",
        metavar="LABEL",
        default="",
        help="version to ask, such as stable or canary (default: the newest that is served)",
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object per image, errors included"
    )
    parser.add_argument(
        "--batch-size",
        metavar="N",
        type=_number(int, 1),
        default=16,
        help="the most images per request (default: %(default)s)",
    )
    parser.add_argument(
        "--timeout-s",
        metavar="S",
        type=_number(float, 0.001),
        default=60.0,
        help="for the connection, and for the answer, in seconds (default: %(default)s)",
    )
    parser.add_argument(
        "--retries",
        metavar="N",
        type=_number(int, 0),
        default=4,
        help="how often a busy or unreachable server is asked again (default: %(default)s)",
    )
    parser.add_argument(
        "--token-file", metavar="FILE", type=Path, help="file with the server's bearer token"
    )
    return parser.parse_args(arguments)


def read_token(path: Path | None) -> str:
    """Return the token in a file, without white space around it; "" for None.

    Raises:
        InputError: The file cannot be read, or holds no token that can stand in a header.
    """
    if path is None:
        return ""
    try:
        token = path.read_bytes().strip()
    except OSError as error:
        raise InputError(f"expected a file with a token at {path}: {error.strerror}") from error
    text = token.decode("ascii", "replace")
    # The content is not shown: it is secret, or a file given by mistake.
    if not text or not all("!" <= character <= "~" for character in text):
        raise InputError(
            f"expected one token in {path}, of ASCII characters without spaces; got "
            + ("an empty file" if not text else "something else")
        )
    return text


def _number(kind: Callable[[str], float], least: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value < math.inf:
            raise argparse.ArgumentTypeError(
                f"expected {'a whole number' if kind is int else 'a number'} "
                f"of at least {least:g}, got {text!r}"
            )
        return value

    return parse
