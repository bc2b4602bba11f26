"""The embedded server under many clients, against direct calls of the same model."""

from __future__ import annotations

import base64
import json
import os
import shutil
import threading
import time
from pathlib import Path

import tensorflow as tf

from benchmarks.images import FULL, Sizes, load_images
from benchmarks.measurement import Tell, measure_in_turn, seconds_of
from benchmarks.serving_figures import (
    OK,
    OverloadFigures,
    ServingFigures,
    SwitchFigures,
    percentile,
)
from benchmarks.serving_load import Load
from benchmarks.serving_model import export_default_model, find_model
from benchmarks.serving_server import Served, end_load, serve
from models import features

NUM_CLIENTS = 32
_BATCH_SIZE = 32  # of the direct calls: as many as there are clients
_TIMES_CAPACITY = 10
# So that the clients, which share the server's cores, can send ten times what it answers.
_OVERLOAD_IMAGES = 4  # a request
_PUSHED = Path("output") / "serving" / "pneumonia"
_OVERLOAD_S = {True: 60.0, False: 15.0}  # by whether the full set is measured
_SWITCH_S = {True: 60.0, False: 30.0}
_NUM_SWITCHES = 2


def measure(
    data: str | None, work_dir: Path, sizes: Sizes, tell: Tell, model: str | None = None
) -> ServingFigures:
    """Measure throughput, then an overload, then changes of the version.

    Args:
        data: The source of the images, or None for drawn ones.
        work_dir: For everything that is written.
        sizes: How many images, how often.
        tell: Receives a line for each measurement.
        model: Folder of a SavedModel or of versions; None for the newest pushed one, and for an
            untrained network where there is none.

    Raises:
        InputError: The images or the model cannot be used.
        RuntimeError: The server or its clients broke.
    """
    source = load_images(data, work_dir, sizes.num_training_images)
    images = [image.path.read_bytes() for image in source.images]
    push_dir = work_dir / "pushed"
    description = _put_model(model, push_dir / "1", work_dir)
    tell(f"  model: {description}; load average {os.getloadavg()[0]:.1f}")
    bodies = _write_bodies(work_dir / "bodies", images, 1)
    large_bodies = _write_bodies(work_dir / "large_bodies", images, _OVERLOAD_IMAGES)
    with serve(push_dir, work_dir / "server.log") as served:
        loads: list[Load] = []

        def ours() -> float:
            loads.append(_closed_load(served, bodies, len(images)))
            return loads[-1].seconds

        direct = DirectCalls(push_dir / "1")
        sides = {"ours": ours, "bare": seconds_of(lambda: direct.answer(images))}
        seconds = measure_in_turn(sides, sizes.num_rounds, tell)
        rounds = loads[1:]
        is_full = sizes.num_training_images >= FULL.num_training_images
        capacity_per_s = len(images) / percentile(seconds["ours"], 50)
        overload = overload_server(served, large_bodies, capacity_per_s, _OVERLOAD_S[is_full])
        tell(f"  overload: {overload.statuses}")
        switch = switch_versions(served, bodies, push_dir, _SWITCH_S[is_full])
        tell(f"  {switch.num_switches} switches: {switch.statuses}")
    return ServingFigures(
        model=description,
        num_clients=NUM_CLIENTS,
        num_images=len(images),
        ours_s=seconds["ours"],
        bare_s=seconds["bare"],
        p50_s=tuple(percentile(load.latencies_s, 50) for load in rounds),
        p99_s=tuple(percentile(load.latencies_s, 99) for load in rounds),
        overload=overload,
        switch=switch,
    )


class DirectCalls:
    """The model in this process, called with full batches."""

    def __init__(self, directory: Path) -> None:
        self._loaded = tf.saved_model.load(str(directory))

    def answer(self, images: list[bytes]) -> None:
        """Answer all images."""
        signature = self._loaded.signatures[features.SERVING_SIGNATURE]
        for start in range(0, len(images), _BATCH_SIZE):
            batch = tf.constant(images[start : start + _BATCH_SIZE])
            signature(**{features.IMAGE_BYTES: batch})[features.PROBABILITY].numpy()


def overload_server(
    served: Served, bodies: Path, capacity_per_s: float, seconds: float
) -> OverloadFigures:
    """Send ten times the images that the server can answer, several in a request."""
    due_per_s = _TIMES_CAPACITY * capacity_per_s / _OVERLOAD_IMAGES
    before_mb = served.resident_mb()
    halfway_mb: list[float] = []
    halfway = threading.Timer(seconds / 2, lambda: halfway_mb.append(served.resident_mb()))
    halfway.start()
    load = served.load(bodies, "--rate", str(due_per_s), "--seconds", str(seconds))
    halfway.join()
    return OverloadFigures(
        capacity_per_s=capacity_per_s,
        images_per_request=_OVERLOAD_IMAGES,
        due_per_s=due_per_s,
        sent_per_s=sum(load.statuses.values()) / seconds,
        seconds=seconds,
        statuses=load.statuses,
        num_unsent=load.num_unsent,
        slowest_s=max(load.latencies_s + load.refusals_s),
        before_mb=before_mb,
        halfway_mb=halfway_mb[0],
        after_mb=served.resident_mb(),
    )


def switch_versions(served: Served, bodies: Path, push_dir: Path, seconds: float) -> SwitchFigures:
    """Push further versions while clients ask.

    Raises:
        RuntimeError: None of them was served before the clients ended.
    """
    arguments = ("--clients", str(NUM_CLIENTS), "--seconds", str(seconds))
    clients = served.start_load(bodies, *arguments)
    num_switches = 0
    for version in range(2, 2 + _NUM_SWITCHES):
        incoming = push_dir / f".incoming-{version}"
        shutil.copytree(push_dir / "1", incoming)
        incoming.rename(push_dir / str(version))
        while clients.poll() is None and served.available_versions() != [version]:
            time.sleep(0.2)
        num_switches += clients.poll() is None
    load = end_load(clients)
    if not num_switches:
        raise RuntimeError(f"expected a change of versions within {seconds:.0f} s, got none")
    return SwitchFigures(num_switches=num_switches, statuses=load.statuses)


def _put_model(model: str | None, directory: Path, work_dir: Path) -> str:
    found = find_model(model, _PUSHED)
    if found is None:
        return export_default_model(directory, work_dir)
    shutil.copytree(found, directory)
    return str(found)


def _closed_load(served: Served, bodies: Path, num_requests: int) -> Load:
    load = served.load(bodies, "--clients", str(NUM_CLIENTS), "--requests", str(num_requests))
    if set(load.statuses) != {OK}:
        raise RuntimeError(f"expected answers of status {OK} only, got {load.statuses}")
    return load


def _write_bodies(path: Path, images: list[bytes], images_per_request: int) -> Path:
    """Write requests of so many images each, one a line; a rest that fills none is left out."""
    starts = range(0, len(images) - images_per_request + 1, images_per_request)
    path.write_bytes(
        b"".join(_body(images[start : start + images_per_request]) + b"\n" for start in starts)
    )
    return path


def _body(images: list[bytes]) -> bytes:
    instances = [{"b64": base64.b64encode(image).decode()} for image in images]
    return json.dumps({"instances": instances}).encode()
