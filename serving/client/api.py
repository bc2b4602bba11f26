"""The importable client: images in, one outcome each out, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType

from serving.bisection import answer_each
from serving.client.images import MAX_IMAGE_PIXELS, ReadyImage, name_images, prepare_image
from serving.client.outcomes import (
    Failure,
    Outcome,
    Prediction,
    RefusedRequestError,
    ServerUnavailableError,
    UnansweredError,
)
from serving.client.request import Requester
from serving.client.retry import RetryPolicy

# A request is closed by whichever comes first: X-rays differ in size a hundredfold.
_MAX_BATCH_BYTES = 8 * 2**20


class Client:
    """Asks a server of TensorFlow Serving's REST API about X-rays; a context manager.

    Args:
        url: Address of the server, without `/v1`.
        model: Name of the model.
        version_label: Such as "canary"; "" for the newest version that is served.
        batch_size: Most images per request, at least 1.
        timeout_s: Seconds to wait for the connection, and again for the answer.
        retry: When to ask again after 429, 502, 503, 504, a timeout or a broken connection.
        token: Sent as a bearer token; "" for none.
        max_image_pixels: Largest allowed height x width of an image.
        on_wait: Called with the reason, one line, before each wait for a busy or loading server.

    Raises:
        InputError: The address cannot be one of a server.
        ValueError: `batch_size` or `timeout_s` is not positive.

    Example:
        >>> with Client(url) as client:  # such as "http://localhost:8501"
        ...     [prediction] = client.predict([Path("xray.png")])
        >>> prediction.decision in ("pneumonia", "normal", "refer")
        True
    """

    def __init__(
        self,
        url: str = "http://localhost:8501",
        model: str = "pneumonia",
        *,
        version_label: str = "",
        batch_size: int = 16,
        timeout_s: float = 60.0,
        retry: RetryPolicy | None = None,
        token: str = "",
        max_image_pixels: int = MAX_IMAGE_PIXELS,
        on_wait: Callable[[str], None] = lambda _: None,
    ) -> None:
        if batch_size < 1 or timeout_s <= 0.0:
            raise ValueError(
                f"expected a positive batch_size and timeout_s, got {batch_size} and {timeout_s}"
            )
        self._batch_size = batch_size
        self._max_image_pixels = max_image_pixels
        self._requester = Requester(
            url, model, version_label, token, timeout_s, retry or RetryPolicy(), on_wait
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._requester.close()

    def predict(self, images: Iterable[bytes | Path]) -> list[Prediction]:
        """Judge images, all or nothing.

        Args:
            images: Content or path of a JPEG, PNG or DICOM file each.

        Returns:
            One prediction per image, in their order.

        Raises:
            UnansweredError: An image has no answer; it holds the answers of the others.
        """
        outcomes = list(self.predict_each(images))
        predictions = [each for each in outcomes if isinstance(each, Prediction)]
        if len(predictions) < len(outcomes):
            raise UnansweredError(outcomes)
        return predictions

    def predict_each(self, images: Iterable[bytes | Path]) -> Iterator[Outcome]:
        """Judge images one batch after the other, and yield an outcome for each, in their order.

        An image that cannot be used, or that the server refuses, does not touch the others. Once
        the server cannot be used, the images that remain are not read any more.

        Args:
            images: As in `predict`; read as needed, so they may be more than fit into memory.
        """
        named = name_images(images)
        prepared = (prepare_image(name, image, self._max_image_pixels) for name, image in named)
        unavailable = ""
        for batch in _batches(prepared, self._batch_size):
            ready = [each for each in batch if isinstance(each, ReadyImage)]
            answers: list[Outcome] = []
            try:
                for outcome in answer_each(ready, self._requester.predict, RefusedRequestError):
                    answers.append(self._second_answer(ready[len(answers)], outcome))
            except ServerUnavailableError as error:
                unavailable = str(error)
                answers += [
                    Failure(image.name, "server", unavailable) for image in ready[len(answers) :]
                ]
            in_order = iter(answers)
            for each in batch:
                yield each if isinstance(each, Failure) else next(in_order)
            if unavailable:
                for name, _ in named:
                    yield Failure(name, "server", unavailable)

    def _second_answer(
        self, image: ReadyImage, outcome: Prediction | RefusedRequestError
    ) -> Outcome:
        """Ask once more about an image that was refused alone.

        A server that batches runs images of several clients at once, and the image of another
        client may have been the reason: it is hardly beside this one again.

        Raises:
            ServerUnavailableError: The server cannot be used any more.
        """
        if isinstance(outcome, Prediction):
            return outcome
        try:
            return self._requester.predict([image])[0]
        except RefusedRequestError as error:
            return Failure(image.name, "refused", str(error))


def _batches(
    items: Iterable[ReadyImage | Failure], batch_size: int
) -> Iterator[list[ReadyImage | Failure]]:
    """Group items in their order; failures cost no place, as they are not sent."""
    batch: list[ReadyImage | Failure] = []
    num_ready = num_bytes = 0
    for item in items:
        batch.append(item)
        if isinstance(item, ReadyImage):
            num_ready += 1
            num_bytes += len(item.encoded)
        if num_ready == batch_size or num_bytes >= _MAX_BATCH_BYTES:
            yield batch
            batch, num_ready, num_bytes = [], 0, 0
    if batch:
        yield batch
