"""Answer a request with a body: read its tensors, run the model, write the outputs."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from serving.server.images import check_images
from serving.server.metrics import Metrics
from serving.server.queue import RunQueue
from serving.server.rest.document import describe, parse_document, signature_name
from serving.server.rest.errors import ServingError, invalid_argument
from serving.server.rest.inputs import PredictInputs, read_inputs
from serving.server.rest.outputs import write_outputs
from serving.server.rest.paths import Target
from serving.server.versions import VersionPool
from serving.settings import Limits

if TYPE_CHECKING:  # it brings TensorFlow
    from serving.server.saved_model import SavedModel

_OFF_LOOP_BYTES = 64 * 1024  # a larger body is read in a thread, so that others are served


class Answerer:
    """Answers the requests that come with a body.

    Args:
        pool: The versions.
        queue: Runs them.
        limits: Of requests.
        metrics: Receives scores.
        threads: For large bodies; not those that the model runs in.
    """

    def __init__(
        self,
        pool: VersionPool,
        queue: RunQueue,
        limits: Limits,
        metrics: Metrics,
        threads: Executor,
    ) -> None:
        self._pool = pool
        self._queue = queue
        self._limits = limits
        self._metrics = metrics
        self._threads = threads

    async def answer(self, target: Target, body: bytes) -> bytes:
        """Answer `:predict`, `:classify` or `:regress`.

        Raises:
            ServingError: The request is wrong, or cannot be answered now.
        """
        document = await self._off_loop(len(body), parse_document, body)
        if target.action != "predict":
            self._refuse_examples(target, document)
        with self._lease(target) as model:
            signature = _input_signature(model, signature_name(document))
            inputs = await self._off_loop(len(body), self._read, document, signature)
            outputs = await self._queue.predict(model, signature, inputs.arrays)
        self._metrics.observe_scores(outputs)
        return write_outputs(outputs, inputs.is_row_form)

    async def _off_loop(self, num_bytes: int, function: Any, *arguments: Any) -> Any:
        if num_bytes < _OFF_LOOP_BYTES:
            return function(*arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *arguments)

    def _lease(self, target: Target) -> contextlib.AbstractContextManager[SavedModel]:
        return self._pool.lease(target.name, target.version, target.label)

    def _read(self, document: dict[str, Any], signature: Any) -> PredictInputs:
        inputs = read_inputs(document, signature, self._limits.max_instances)
        check_images(inputs.arrays, self._limits.max_image_pixels)
        return inputs

    def _refuse_examples(self, target: Target, document: dict[str, Any]) -> None:
        """Answer `:classify` and `:regress` as TF Serving does for signatures of `:predict`.

        Raises:
            ServingError: Always.
        """
        name = signature_name(document)
        examples = document.get("examples")
        if not isinstance(examples, list) or not examples:
            raise invalid_argument(
                f"JSON Value: {describe(document)} When method is classify, key 'examples' is "
                "expected, as a list that is not empty"
            )
        with self._lease(target) as model:
            signature = model.signatures.get(name)
        if signature is None:
            raise invalid_argument(f"No signature was found with the name: {name[:80]}")
        kind = {"classify": "classification", "regress": "regression"}[target.action]
        method_name = f"tensorflow/serving/{target.action}"
        if signature.method_name != method_name:
            raise invalid_argument(
                f"Expected {kind} signature method_name to be {method_name}. "
                f"Was: {signature.method_name}"
            )
        raise ServingError(501, f"the embedded server answers no :{target.action}")


def _input_signature(model: SavedModel, name: str) -> Any:
    signature = model.signatures.get(name)
    if signature is None:
        raise invalid_argument(f'Serving signature name: "{name[:80]}" not found in signature def')
    if not signature.inputs:
        raise invalid_argument(f"Failed to get input map for signature: {name[:80]}")
    return signature
