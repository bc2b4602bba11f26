"""Errors that are the input's fault, told apart from our own."""

from __future__ import annotations


class InputError(ValueError):
    """The data or the configuration cannot be used as it is.

    The message names what was expected, what came and how to fix it; runners
    print it without a traceback and exit with code 2.
    """
