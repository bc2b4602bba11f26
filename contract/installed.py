"""Versions of installed packages, whichever of its variants a package is installed as."""

from __future__ import annotations

import functools
from importlib import metadata

# The image for processors has TensorFlow without its CUDA kernels: the same version and modules.
_VARIANTS = {"tensorflow": ("tensorflow", "tensorflow-cpu")}


@functools.cache  # reading what a package says of itself takes milliseconds
def version_of(package: str) -> str:
    """Return the version of an installed package.

    Raises:
        importlib.metadata.PackageNotFoundError: It is not installed in any variant.
    """
    *others, last = _VARIANTS.get(package, (package,))
    for name in others:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return metadata.version(last)
