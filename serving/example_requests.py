"""The commands that show a user that a server answers."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from contract.server_settings import ServerSettings
from serving.token_file import TOKEN_VARIABLE

_IMAGE = "xray.jpeg"
_ANY_ADDRESS = {"//0.0.0.0:": "//127.0.0.1:", "//[::]:": "//[::1]:"}


def server_url(host: str, port: int) -> str:
    """Return the URL of a server that listens on `host`."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def example_commands(settings: ServerSettings, url: str, token_file: Path | None) -> list[str]:
    """Return three shell commands: the status, a prediction with the client, one with curl.

    Args:
        settings: Settings of the server.
        url: Of the server, without `/v1`.
        token_file: Where the token comes from, if it comes from a file.
    """
    for any_address, this_machine in _ANY_ADDRESS.items():
        url = url.replace(any_address, this_machine)
    model_url = f"{url}/v1/models/{settings.model_name}"
    curl, client = "curl -s", f"{_python()} -m serving.client {_IMAGE} --url {url}"
    if settings.model_name != ServerSettings.model_name:
        client += f" --model {shlex.quote(settings.model_name)}"
    if settings.token and token_file is not None:
        path = shlex.quote(str(token_file))
        curl += f' -H "Authorization: Bearer $(cat {path})"'
        client += f" --token-file {path}"
    elif settings.token:
        curl += f' -H "Authorization: Bearer ${TOKEN_VARIABLE}"'
        client += f" --token-file <(printenv {TOKEN_VARIABLE})"
    head, tail = '{"instances": [{"b64": "', '"}]}'
    body = f"(printf '{head}'; base64 < {_IMAGE} | tr -d '\\n'; printf '{tail}')"
    return [
        f"{curl} {shlex.quote(model_url)}",
        client,
        f"{body} | {curl} --data-binary @- {shlex.quote(f'{model_url}:predict')}",
    ]


def _python() -> str:
    """Return this interpreter as a user in this folder would name it."""
    relative = os.path.relpath(sys.executable)
    return sys.executable if relative.startswith(os.pardir) else shlex.quote(relative)
