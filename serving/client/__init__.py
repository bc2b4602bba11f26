"""The client of a model server: `from serving.client import Client`, or `python -m serving.client`.

It speaks the REST API of TensorFlow Serving, and so to the project's own server, too.
"""

from serving.client.api import Client
from serving.client.outcomes import Failure, Outcome, Prediction, UnansweredError
from serving.client.retry import RetryPolicy

__all__ = ["Client", "Failure", "Outcome", "Prediction", "RetryPolicy", "UnansweredError"]
