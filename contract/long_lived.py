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
def lasting_imports() -> Iterator[None]:
    """Import libraries in the block, as what stays.

    Nothing is searched in the block, and later nothing that there was at its end: young garbage of
    before is collected first. A block that finds everything imported keeps nothing.

    Example:
        >>> with lasting_imports():
        ...     import json
    """
    was_enabled, num_modules = gc.isenabled(), len(sys.modules)
    gc.collect(1)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > num_modules:
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
