"""Errors as clients see them: an HTTP status and a message.

TF Serving maps TensorFlow's status codes to HTTP's; these are the ones that occur.
"""

from __future__ import annotations


class ServingError(Exception):
    """A request that is not answered with a prediction.

    Args:
        status: HTTP status code, 400 to 599.
        message: For the client; holds nothing of an image or of a record.
        retry_after_s: When asking again may help, in seconds.
    """

    def __init__(self, status: int, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after_s = retry_after_s


class InvalidArgumentError(ServingError):
    """A request that cannot be right: its content is at fault, not the server."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)


def invalid_argument(message: str) -> ServingError:
    """Return the error of a request that cannot be right."""
    return InvalidArgumentError(message)


def unimplemented(message: str) -> ServingError:
    """Return the error of a request that no server of this API can answer."""
    return ServingError(501, message)


def not_found(message: str) -> ServingError:
    """Return the error of a model or a version that is not there."""
    return ServingError(404, message)


def too_large(message: str) -> ServingError:
    """Return the error of a body above its limit."""
    return ServingError(413, message)


def exhausted(message: str, retry_after_s: int) -> ServingError:
    """Return the error of a server that has enough to do."""
    return ServingError(429, message, retry_after_s)


def timed_out(message: str) -> ServingError:
    """Return the error of an answer that took too long."""
    return ServingError(504, message)
