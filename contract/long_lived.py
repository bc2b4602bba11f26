"""Objects that live as long as their process, kept from Python's search for cyclic garbage.

TensorFlow, TFX and what they import leave millions of objects. While they are made, the search
walks all of them again and again: a third of the seconds of importing them. As the process ends it
walks them once more, for two seconds and a half.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from typing import NoReturn


@contextlib.contextmanager
def long_lived() -> Iterator[None]:
    """Take what the block makes, such as modules that it imports, for what stays.

    Nothing is searched in the block, and later what there is at its end is not. So no large
    garbage may be left in it.

    Example:
        >>> with long_lived():
        ...     import json
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def end_program(exit_code: int) -> NoReturn:
    """End the process, `atexit` and all, without a last search.

    Raises:
        SystemExit: Always.
    """
    gc.freeze()
    sys.exit(exit_code)
