"""Check the image without Docker: `python -m tools.image_check.check`.

The Dockerfile's own steps are replayed in an empty folder (see `replay`), and what came out
is looked at and started there, with nothing of this checkout in its environment.

Exit codes: 0 the image's steps hold, 2 a step or a check failed, 1 something broke.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from contract.errors import InputError
from tools.image_check.content import check_content, folder_bytes, snapshot
from tools.image_check.dockerfile import parse_dockerfile
from tools.image_check.replay import Replay
from tools.image_check.stage import StageState, Step

EXIT_HOLDS = 0
EXIT_FAILED = 2

OWN_FOLDER = "/opt/pneumonia"
PACKAGES = ("pipeline", "components", "models")
STARTS = (
    ("python", "-m", "pipeline.kubeflow.entrypoint", "--help"),
    # What the entrypoint loads for a task: TensorFlow, TFX, all nodes and the object stores.
    ("python", "-c", "import pipeline.pipeline, pipeline.kubeflow.tfx_executor, s3fs"),
)
_NEEDED_BYTES = {"cpu": 6 * 10**9, "gpu": 14 * 10**9}
_SHOWN_COLUMNS = 76
_START_TIMEOUT_S = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)
    started_s = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="image-check-", dir=options.folder) as folder:
            _check_space(Path(folder), _NEEDED_BYTES[options.variant])
            check_image(options.context, Path(folder).resolve(), options.variant)
    except InputError as error:
        print(f"The image would not hold: {error}", file=sys.stderr)
        return EXIT_FAILED
    print(f"The image's steps hold; {time.monotonic() - started_s:.0f} s in all.")
    return EXIT_HOLDS


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.image_check.check", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--context",
        metavar="DIR",
        type=Path,
        default=Path.cwd(),
        help="the checkout with the Dockerfile (default: the working folder)",
    )
    parser.add_argument("--variant", choices=sorted(_NEEDED_BYTES), default="cpu")
    parser.add_argument(
        "--folder",
        metavar="DIR",
        type=Path,
        help="where the temporary folder is made (default: the system's)",
    )
    return parser.parse_args(arguments)


def check_image(
    context: Path,
    folder: Path,
    variant: str,
    own_folder: str = OWN_FOLDER,
    packages: Sequence[str] = PACKAGES,
    starts: Sequence[Sequence[str]] = STARTS,
) -> None:
    """Replay the Dockerfile of `context` below `folder`, look at the result, and start it.

    Args:
        context: The folder with the Dockerfile.
        folder: An empty folder.
        variant: Value of the argument VARIANT.
        own_folder: The image's folder with all of the project's own.
        packages: Top-level packages that must be in the image with all their files.
        starts: Commands that have to end with exit code 0, besides the image's own.

    Raises:
        InputError: A step, a check or a start failed.
    """
    try:
        text = (context / "Dockerfile").read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"expected a Dockerfile in {context}, got {error.strerror}. "
            "How to fix: run this in the checkout, or name it with --context."
        ) from error
    replay = Replay(context.resolve(), folder, own_folder, {"VARIANT": variant}, _print_step)
    image = replay.run(parse_dockerfile(text))
    own = Path(f"{replay.root}{own_folder}")
    check_content(image, own, context, packages)
    print(f"{'content':<13} {folder_bytes(own) / 1e9:.2f} GB, readable for every user")
    before = snapshot(own)
    for command in (*starts, image.command):
        _start(command, image, replay.root)
    if changed := sorted(before.symmetric_difference(snapshot(own))):
        raise InputError(
            f"expected a start to write nothing below {own_folder}, got {changed[0][0]} and "
            f"{len(changed) - 1} more. How to fix: point that cache to /tmp; a pod's root file "
            "system may be read-only."
        )


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"expected {needed / 1e9:.0f} GB of free space at {folder}, got {free / 1e9:.1f} GB. "
            "How to fix: give another place with --folder."
        )


def _start(command: Sequence[str], image: StageState, root: Path) -> None:
    """Run a command with the image's environment and nothing else."""
    started_s = time.monotonic()
    finished = subprocess.run(
        ["/usr/bin/env", "-i", *(f"{k}={v}" for k, v in image.environment.items()), *command],
        cwd=image.workdir,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_START_TIMEOUT_S,
        check=False,
    )
    if finished.returncode:
        raise InputError(
            f"expected {' '.join(command)} to start below {root}, got exit code "
            f"{finished.returncode}:\n{finished.stdout}{finished.stderr}"
            "How to fix: see its last line; a file may be missing in the image."
        )
    print(f"{'start':<13} {' '.join(command)}  {time.monotonic() - started_s:.1f} s")


def _print_step(step: Step) -> None:
    shown = str(step.instruction)
    if len(shown) > _SHOWN_COLUMNS:
        shown = f"{shown[: _SHOWN_COLUMNS - 3]}..."
    took = "not replayed: the system's" if step.seconds is None else f"{step.seconds:.1f} s"
    print(f"{step.stage:<13} {shown}  {took}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
