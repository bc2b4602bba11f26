"""Packaging: what Beam workers and containers install on top of the lock."""

import re
from pathlib import Path

from setuptools import find_packages, setup

_ROOT = Path(__file__).parent

# The rooms that run in a pod; `tools` stays out.
PACKAGES = (
    "contract",
    "ingestion",
    "evaluation",
    "models",
    "serving",
    "report",
    "components",
    "pipeline",
)
CONFIGS = "pipeline.configs"  # where an installed package has the folder configs/


def read_version() -> str:
    """Return the version in `contract/__init__.py`, without importing it.

    Raises:
        ValueError: The file holds no `__version__ = "..."` line.
    """
    path = _ROOT / "contract" / "__init__.py"
    match = re.search(r'^__version__ = "([^"]+)"$', path.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        raise ValueError(f'expected a line __version__ = "..." in {path}, found none')
    return match.group(1)


setup(
    name="pneumonia-pipeline",
    version=read_version(),
    description="A TFX pipeline that screens chest X-rays for pneumonia",
    packages=[
        *find_packages(include=[*PACKAGES, *(f"{package}.*" for package in PACKAGES)]),
        CONFIGS,
    ],
    package_dir={CONFIGS: "configs"},
    package_data={
        "models": ["schema/*.pbtxt"],
        "report": ["*/*.jinja", "*/*.css"],
        "pipeline": ["kubeflow/*.jinja"],
        CONFIGS: ["*.yaml"],
    },
    python_requires="==3.11.*",
    # Empty on purpose. The stack holds only under overrides.txt, which package
    # metadata cannot express: pip would refuse the set or pick another. Install
    # requirements.txt with --no-deps first, then this package with --no-deps.
    install_requires=[],
)
