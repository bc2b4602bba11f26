"""Problems of executors and of the components that name them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tools.kfp_emulator.documents import Documents
from tools.kfp_emulator.protojson import to_json

# Linux' MAX_ARG_STRLEN, the zero byte at the end included.
MAX_ARGUMENT_BYTES = 128 * 1024 - 1


def executor_problems(documents: Documents) -> Iterator[str]:
    """Yield a line for each executor or component that KFP cannot run."""
    for label, executor in sorted(documents.executors.items()):
        yield from _kind_problems(label, executor)
    first_with: dict[bytes, str] = {}
    for name, component in sorted(documents.spec.components.items()):
        place = f"components.{name}"
        if component.WhichOneof("implementation") == "dag":
            continue
        executor = documents.executors.get(component.executor_label)
        if executor is None:
            yield f"{place}: expected a known executor, got {component.executor_label!r}"
            continue
        if component.output_definitions.artifacts.get("executor-logs") is not None:
            yield f"{place}: expected no output executor-logs, which KFP adds"
        # The launcher gets the component as one argument.
        yield from _length_problem(to_json(component), place)
        if executor.WhichOneof("spec") != "container":
            continue
        container = executor.container.SerializeToString(deterministic=True)
        first = first_with.setdefault(container, name)
        if documents.spec.components[first] != component:
            # Workflow arguments are keyed by the container's hash, and the first one stays.
            yield (
                f"{place}: expected a container that differs from that of {first!r}, got the "
                "same; KFP would run this one with the other's component spec"
            )


def _kind_problems(label: str, executor: Any) -> Iterator[str]:
    place = f"deploymentSpec.executors.{label}"
    kind = executor.WhichOneof("spec")
    if kind == "resolver":
        yield f"{place}: expected a container, got a resolver, which KFP does not implement"
    elif kind == "importer":
        yield f"{place}: expected a container, got an importer, which is not emulated"
    elif kind != "container":
        yield f"{place}: expected a container, got {kind or 'nothing'}"
    else:
        container = executor.container
        if container.HasField("lifecycle"):
            yield (
                f"{place}: expected no lifecycle.preCacheCheck, got one; KFP never runs it, so "
                "what depends on it (span, fingerprint) would be missing"
            )
        if not container.image:
            yield f"{place}: expected an image"
        if not (container.command or container.args):
            yield f"{place}: expected a command"
        for argument in (*container.command, *container.args):
            yield from _length_problem(argument, place)


def _length_problem(argument: str, place: str) -> Iterator[str]:
    size = len(argument.encode())
    if size > MAX_ARGUMENT_BYTES:
        yield f"{place}: expected arguments of at most {MAX_ARGUMENT_BYTES} bytes, got {size}"
