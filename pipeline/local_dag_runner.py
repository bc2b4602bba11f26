"""TFX's LocalDagRunner, with nodes that wait for another process beside the others."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor

from tfx.dsl.compiler import constants
from tfx.orchestration.local import local_dag_runner
from tfx.orchestration.portable import runtime_parameter_utils, tfx_runner
from tfx.proto.orchestration import pipeline_pb2


class LocalDagRunner(tfx_runner.IrBasedRunner):
    """Runs a pipeline's nodes in their order, and some of them beside it.

    Args:
        beside: Ids of nodes that start as soon as their inputs are there, each in another thread,
            while the others go on. They should be such as mostly wait, and none of them may follow
            another one.
    """

    def __init__(self, beside: Collection[str] = ()) -> None:
        self._beside = frozenset(beside)

    def run_with_ir(
        self,
        pipeline: pipeline_pb2.Pipeline,
        run_options: pipeline_pb2.RunOptions | None = None,
    ) -> None:
        """Run a compiled pipeline.

        Args:
            pipeline: Its nodes in topological order, as TFX's compiler leaves them.
            run_options: Not supported: a part of a pipeline is run by TFX's own runner.

        Raises:
            ValueError: `run_options` is given, or of two nodes beside the others one follows the
                other.
            Exception: What a node raised. One beside the others is heard when its output is
                needed, or at the end; what has begun is waited for.
        """
        if run_options is not None:
            raise ValueError(
                "Expected a run of the whole pipeline, got run_options: run a part of it by "
                "tfx.orchestration.local.local_dag_runner.LocalDagRunner."
            )
        # The same for all nodes: TFX's runner would give each part of the pipeline another one.
        run_id = datetime.datetime.now().isoformat()
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
        )
        nodes = {node.pipeline_node.node_info.id: node for node in pipeline.nodes}
        waiting = {name: nodes[name] for name in nodes if name in self._beside}
        for name, node in waiting.items():
            if followed := self._beside & set(node.pipeline_node.upstream_nodes):
                raise ValueError(
                    f"Expected nodes beside the others that do not follow each other, got {name}, "
                    f"which follows {', '.join(sorted(followed))}: leave one of them out."
                )
        running: dict[str, Future[None]] = {}
        done: set[str] = set()
        with ThreadPoolExecutor(max(1, len(waiting))) as threads:

            def start_what_can() -> None:
                for name, node in list(waiting.items()):
                    if done.issuperset(node.pipeline_node.upstream_nodes):
                        running[name] = threads.submit(_run_node, pipeline, waiting.pop(name))

            for name, node in nodes.items():
                if name in self._beside:
                    continue
                start_what_can()
                for upstream in running.keys() & set(node.pipeline_node.upstream_nodes):
                    running[upstream].result()
                _run_node(pipeline, node)
                done.add(name)
            start_what_can()
            for future in running.values():
                future.result()


def _run_node(pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.Pipeline.PipelineOrNode) -> None:
    """Run one node by TFX's runner, as a pipeline that has no other."""
    alone = pipeline_pb2.Pipeline()
    alone.CopyFrom(pipeline)
    del alone.nodes[:]
    alone.nodes.add().CopyFrom(node)
    local_dag_runner.LocalDagRunner().run_with_ir(alone)
