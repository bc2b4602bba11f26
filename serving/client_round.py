"""Asking about many images so that one that is refused does not take the others with it."""

from __future__ import annotations

from collections.abc import Sequence

from serving.client_images import ReadyImage
from serving.client_outcomes import Failure, Outcome, RefusedRequestError, ServerUnavailableError
from serving.client_request import Requester


class Round:
    """One pass over the images of a caller.

    Attributes:
        unavailable: Why the server cannot be asked any more; "" while it can.
    """

    def __init__(self, requester: Requester) -> None:
        self.unavailable = ""
        self._requester = requester

    def ask(self, images: Sequence[ReadyImage]) -> list[Outcome]:
        """Return an outcome for each image, in their order.

        A request that is refused is halved until what is refused stands alone.
        """
        if not images:
            return []
        if self.unavailable:
            return [Failure(image.name, "server", self.unavailable) for image in images]
        try:
            return list(self._requester.predict(images))
        except ServerUnavailableError as error:
            self.unavailable = str(error)
            return self.ask(images)
        except RefusedRequestError:
            if len(images) == 1:
                return [self._ask_again(images[0])]
        middle = len(images) // 2
        return self.ask(images[:middle]) + self.ask(images[middle:])

    def _ask_again(self, image: ReadyImage) -> Outcome:
        # A server that batches runs images of several clients at once, and one of another client
        # may have been the reason: it is hardly beside this one again.
        try:
            return self._requester.predict([image])[0]
        except RefusedRequestError as error:
            return Failure(image.name, "refused", str(error))
        except ServerUnavailableError as error:
            self.unavailable = str(error)
            return Failure(image.name, "server", self.unavailable)
