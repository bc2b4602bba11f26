"""The bearer token of a server, as a server and its clients are given it: in a file.

Not on the command line, where every user of the machine could read it.
"""

from __future__ import annotations

from pathlib import Path

from contract.errors import InputError

TOKEN_VARIABLE = "PNEUMONIA_SERVING_TOKEN"  # of the server, where it is given no file


def read_token(path: Path) -> str:
    """Return the token in a file, without white space around it.

    Raises:
        InputError: The file cannot be read, or does not hold one word of visible ASCII characters,
            as an HTTP header needs it. The message does not quote the content: it is secret, or
            the file was named by mistake.
    """
    try:
        token = path.read_bytes().strip().decode("ascii", "replace")
    except OSError as error:
        raise InputError(
            f"--token-file: expected a file with a token at {path}: {error.strerror}"
        ) from error
    if not token or not all("!" <= character <= "~" for character in token):
        got = "something else" if token else "an empty file"
        raise InputError(
            f"--token-file: expected one token in {path}, of ASCII characters without spaces; "
            f"got {got}"
        )
    return token
