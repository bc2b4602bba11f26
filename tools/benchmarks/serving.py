"""The embedded server under many clients, against direct calls of the same model."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import tensorflow as tf

from contract import features
from tools.benchmarks.images import FULL, Sizes, load_images
from tools.benchmarks.measurement import Show, measure_in_turn, seconds_of
from tools.benchmarks.serving_figures import (
    OK,
    LoadFigures,
    OverloadFigures,
    ServingFigures,
    SwitchFigures,
    percentile,
)
from tools.benchmarks.serving_images import HOSPITAL_PX, SMALL_PX, resize_image, write_bodies
from tools.benchmarks.serving_load import Load
from tools.benchmarks.serving_model import export_default_model, find_model
from tools.benchmarks.serving_server import Served, end_load, serve

NUM_CLIENTS = (1, 8, 32)
_MOST_CLIENTS = NUM_CLIENTS[-1]
_NUM_HOSPITAL_IMAGES = 32  # different ones; a request of one has 1.6 MB
_TIMES_CAPACITY = 10
# So that the clients, which share the server's cores, can send ten times what it answers.
_OVERLOAD_IMAGES = 4  # a request
_PUSHED = Path("output") / "serving" / "pneumonia"
# By whether the full set is measured.
_NUM_HOSPITAL_REQUESTS = {True: 128, False: 32}
_OVERLOAD_S = {True: 60.0, False: 15.0}
_SWITCH_S = {True: 60.0, False: 30.0}
_NUM_SWITCHES = 2


def measure(
    data: str | None, work_dir: Path, sizes: Sizes, show: Show, model: str | None = None
) -> ServingFigures:
    """Measure loads of small and of large images, then an overload, then changes of the version.

    Args:
        data: The source of the images, or None for drawn ones.
        work_dir: For everything that is written.
        sizes: How many images, how often.
        show: Receives a line for each measurement.
        model: Folder of a SavedModel or of versions; None for the newest pushed one, and for an
            untrained network where there is none.

    Raises:
        InputError: The images or the model cannot be used.
        RuntimeError: The server or its clients broke.
    """
    source = load_images(data, work_dir, sizes.num_training_images)
    originals = [image.path.read_bytes() for image in source.images]
    step = max(1, len(originals) // _NUM_HOSPITAL_IMAGES)
    chosen = {SMALL_PX: originals, HOSPITAL_PX: originals[::step][:_NUM_HOSPITAL_IMAGES]}
    images = {
        side_px: [resize_image(image, side_px, number) for number, image in enumerate(few)]
        for side_px, few in chosen.items()
    }
    bodies = {
        side_px: write_bodies(work_dir / f"bodies-{side_px}", few, 1)
        for side_px, few in images.items()
    }
    overload_bodies = write_bodies(work_dir / "bodies-overload", images[SMALL_PX], _OVERLOAD_IMAGES)
    push_dir = work_dir / "pushed"
    description = _put_model(model, push_dir / "1", work_dir)
    show(f"  model: {description}; load average {os.getloadavg()[0]:.1f}")
    is_full = sizes.num_training_images >= FULL.num_training_images
    num_requests = {
        SMALL_PX: len(originals),
        HOSPITAL_PX: _NUM_HOSPITAL_REQUESTS[is_full],
    }
    with serve(push_dir, work_dir / "server.log") as served:
        rounds = Rounds(served, DirectCalls(push_dir / "1"), sizes.num_rounds, show)
        loads = {
            (side_px, num_clients): rounds.measure(
                images[side_px], bodies[side_px], side_px, num_clients, num_requests[side_px]
            )
            for side_px in images
            for num_clients in NUM_CLIENTS
        }
        most = loads[SMALL_PX, _MOST_CLIENTS]
        capacity_per_s = most.images_per_s(most.ours_s)
        overload = overload_server(served, overload_bodies, capacity_per_s, _OVERLOAD_S[is_full])
        show(f"  overload: {overload.statuses}")
        switch = switch_versions(served, bodies[SMALL_PX], push_dir, _SWITCH_S[is_full])
        show(f"  {switch.num_switches} switches: {switch.statuses}")
    return ServingFigures(
        model=description, loads=tuple(loads.values()), overload=overload, switch=switch
    )


class Rounds:
    """Measures one load after the other of the same server.

    Args:
        served: The server.
        direct: The same model in this process.
        num_rounds: How often each side is measured.
        show: Receives a line for each measurement.
    """

    def __init__(self, served: Served, direct: DirectCalls, num_rounds: int, show: Show) -> None:
        self._served = served
        self._direct = direct
        self._num_rounds = num_rounds
        self._show = show

    def measure(
        self,
        images: list[bytes],
        bodies: Path,
        side_px: int,
        num_clients: int,
        num_requests: int,
    ) -> LoadFigures:
        """Let clients ask for images, and call the model directly for as many, in turn.

        Args:
            images: The images to send, again from the start where they end.
            bodies: The same as requests.
            side_px: Of the images.
            num_clients: At the same time, and images of a direct call.
            num_requests: Of each round.

        Raises:
            RuntimeError: A request failed.
        """
        asked = [images[number % len(images)] for number in range(num_requests)]
        loads: list[Load] = []
        ours_processor_s: list[float] = []
        bare_processor_s: list[float] = []

        def ours() -> float:
            before_s = self._served.processor_s()
            loads.append(_closed_load(self._served, bodies, num_clients, num_requests))
            ours_processor_s.append(self._served.processor_s() - before_s)
            return loads[-1].seconds

        def bare() -> float:
            before_s = time.process_time()
            seconds = seconds_of(lambda: self._direct.answer(asked, num_clients))()
            bare_processor_s.append(time.process_time() - before_s)
            return seconds

        self._show(f"  {side_px} px, {num_clients} clients")
        seconds = measure_in_turn({"ours": ours, "bare": bare}, self._num_rounds, self._show)
        # The first of each is the warm-up.
        figures = LoadFigures(
            side_px=side_px,
            num_clients=num_clients,
            num_images=num_requests,
            ours_s=seconds["ours"],
            bare_s=seconds["bare"],
            ours_processor_s=tuple(ours_processor_s[1:]),
            bare_processor_s=tuple(bare_processor_s[1:]),
            p50_s=tuple(percentile(load.latencies_s, 50) for load in loads[1:]),
            p99_s=tuple(percentile(load.latencies_s, 99) for load in loads[1:]),
            **_targets(side_px, num_clients),
        )
        ratio = figures.processor_ratio()
        self._show(f"  of processor: {ratio.median:.2f} ({ratio.low:.2f}-{ratio.high:.2f})")
        return figures


def _targets(side_px: int, num_clients: int) -> dict[str, float]:
    if side_px == HOSPITAL_PX:
        return {"target_processor": 0.8}
    return {"target": 0.7, "target_tail": 5.0} if num_clients == _MOST_CLIENTS else {}


class DirectCalls:
    """The model in this process."""

    def __init__(self, directory: Path) -> None:
        self._loaded = tf.saved_model.load(str(directory))

    def answer(self, images: list[bytes], batch_size: int) -> None:
        """Answer all images, so many in a call."""
        signature = self._loaded.signatures[features.SERVING_SIGNATURE]
        for start in range(0, len(images), batch_size):
            batch = tf.constant(images[start : start + batch_size])
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
    arguments = ("--clients", str(_MOST_CLIENTS), "--seconds", str(seconds))
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


def _closed_load(served: Served, bodies: Path, num_clients: int, num_requests: int) -> Load:
    load = served.load(bodies, "--clients", str(num_clients), "--requests", str(num_requests))
    if set(load.statuses) != {OK}:
        raise RuntimeError(f"expected answers of status {OK} only, got {load.statuses}")
    return load
