"""The JSON of a model's status and metadata."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format

from serving.server.rest.errors import not_found
from serving.server.rest.paths import Target
from serving.server.versions import VersionPool

if TYPE_CHECKING:  # it brings TensorFlow
    from serving.server.saved_model import SavedModel


def write_status(pool: VersionPool, target: Target) -> bytes:
    """Return the states of all versions, or of the version asked for by number.

    A label changes nothing: TF Serving does not look at it here.

    Raises:
        ServingError: No such model or version was ever served.
    """
    version = target.version
    states = pool.states() if target.name == pool.name else []
    if version is not None:
        states = [state for state in states if state.version == version]
    if not states:
        wanted = "any versions" if version is None else f"version {version}"
        raise not_found(f"Could not find {wanted} of model {target.name[:80]}")
    return _pretty(
        {
            "model_version_status": [
                {
                    "version": str(state.version),
                    "state": state.state.value,
                    "status": {
                        "error_code": "UNKNOWN" if state.error else "OK",
                        "error_message": state.error,
                    },
                }
                for state in states
            ]
        }
    )


def write_metadata(model: SavedModel, name: str) -> bytes:
    """Return the signatures of a version."""
    signature_def = {
        key: json_format.MessageToDict(
            definition,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        for key, definition in model.signature_def.items()
    }
    return _pretty(
        {
            "model_spec": {"name": name, "signature_name": "", "version": str(model.version)},
            "metadata": {"signature_def": {"signature_def": signature_def}},
        }
    )


def _pretty(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()
