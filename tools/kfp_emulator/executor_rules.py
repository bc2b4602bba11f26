"""Problems of executors and of the components that name them.

`refused` is what KFP says itself; `passed_over` what it accepts, and ignores or gets wrong later.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tools.kfp_emulator.documents import Documents
from tools.kfp_emulator.protojson import to_json

# Linux' MAX_ARG_STRLEN, the zero byte at the end included.
MAX_ARGUMENT_BYTES = 128 * 1024 - 1
# Of the container's JSON, which is one argument of the driver. Argo puts a longer one into a file.
MAX_CONTAINER_BYTES = 128 * 1024
EXECUTOR_LOGS = "executor-logs"  # an output that KFP adds since 2.5


def refused(documents: Documents) -> Iterator[str]:
    """Yield a line for each executor or component that KFP refuses."""
    for label, executor in sorted(documents.executors.items()):
        yield from _kind_problems(label, executor)
    for name, component in sorted(documents.spec.components.items()):
        if component.WhichOneof("implementation") != "dag":
            place = f"components.{name}"
            if component.executor_label not in documents.executors:
                yield f"{place}: expected a known executor, got {component.executor_label!r}"
            # The launcher gets the component as one argument.
            yield from _length_problem(to_json(component), place)


def passed_over(documents: Documents) -> Iterator[str]:
    """Yield a line for each executor or component that does not do what it says."""
    for label, executor in sorted(documents.executors.items()):
        place = f"deploymentSpec.executors.{label}"
        if executor.container.HasField("lifecycle"):
            yield (
                f"{place}: expected no lifecycle.preCacheCheck, got one; KFP never runs it, so "
                "what depends on it (span, fingerprint) would be missing"
            )
        if not executor.container.image:
            yield f"{place}: expected an image"
        size = len(to_json(executor.container).encode())
        if size > MAX_CONTAINER_BYTES:
            yield f"{place}: expected at most {MAX_CONTAINER_BYTES} bytes of JSON, got {size}"
    for name, component in sorted(documents.spec.components.items()):
        place = f"components.{name}"
        if component.WhichOneof("implementation") == "dag":
            continue
        if component.output_definitions.artifacts.get(EXECUTOR_LOGS) is not None:
            yield f"{place}: expected no output {EXECUTOR_LOGS}, which KFP adds"
        if documents.stored_component(name) != component:
            yield (
                f"{place}: expected a container that differs from those of other components, got "
                "the same; KFP would run this one with the other's component spec"
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
        if not (container.command or container.args):
            yield f"{place}: expected a command"
        for argument in (*container.command, *container.args):
            yield from _length_problem(argument, place)


def _length_problem(argument: str, place: str) -> Iterator[str]:
    size = len(argument.encode())
    if size > MAX_ARGUMENT_BYTES:
        yield f"{place}: expected arguments of at most {MAX_ARGUMENT_BYTES} bytes, got {size}"
