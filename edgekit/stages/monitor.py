"""Watches the job's device: its text, its results, and whoever uses its link meanwhile."""

from __future__ import annotations

import itertools
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import Literal

from edgekit.config import override
from edgekit.device.device import GeneratedInput
from edgekit.device.messages import DeviceInfo
from edgekit.device.monitor import Monitor, Plan, Sample, Samples
from edgekit.errors import UsageError
from edgekit.monitor_views import JsonView, LineView, LiveView
from edgekit.stages.build import build
from edgekit.stages.device import locate_device, open_link
from edgekit.stages.job import Job
from edgekit.stages.quantize import INT8_MODEL
from edgekit.stages.train import TRAINING_REPORT
from edgekit.workspace import read_json, sha256_of_file

Source = Literal["noise", "pictures"]


def monitor(
    job: Job,
    *,
    run: Source | None = None,
    interval_s: float = 1.0,
    top: int = 5,
    results: int | None = None,
    listen_port: int = 0,
    json_output: bool = False,
) -> None:
    """Shows the device until interrupted, or until there were ``results`` results.

    ``run`` has the monitor run the model itself every ``interval_s``, on generated noise or on the test
    pictures that the settings name; without it, it shows what others ask for through ``listen_port`` on
    loopback (0: a free one). An emulated board is built where needed and emulated.
    """
    board = job.board()
    job = locate_device(job, board)
    firmware = None if job.settings.device.is_named else build(job)

    def class_names(info: DeviceInfo) -> Sequence[str]:
        return _class_names(job, info)

    plan = Plan(_samples(job, run), interval_s, results)
    kind = JsonView if json_output else LiveView if sys.stdout.isatty() else LineView
    with (
        closing(open_link(job, board, firmware)) as link,
        suppress(KeyboardInterrupt),  # how a monitor ends
        kind(board.name, class_names, top) as view,
        _noted_interrupts() as interrupted,
    ):
        Monitor(link, plan, view, interrupted).run(listen_port)


@contextmanager
def _noted_interrupts() -> Iterator[Callable[[], bool]]:
    """Has Ctrl-C and SIGTERM noted instead of raised, wherever the program happens to be."""
    noted = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: noted.set()) for number in numbers]
    try:
        yield noted.is_set
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _class_names(job: Job, info: DeviceInfo) -> Sequence[str]:
    """Those of the workspace's model, if it is the one that the device runs."""
    folder = job.workspace.model_folder
    model, report = folder / INT8_MODEL, folder / TRAINING_REPORT
    if not model.is_file() or not report.is_file() or sha256_of_file(model) != info.model_sha256:
        return ()
    return [str(name) for name in read_json(report)["class_names"]]


def _samples(job: Job, run: Source | None) -> Samples | None:
    if run is None:
        return None
    return _noise if run == "noise" else lambda info: _pictures(job, info)


def _noise(info: DeviceInfo) -> Iterator[Sample]:
    """Inputs that the device makes itself: nothing has to travel."""
    return (Sample(GeneratedInput(seed), f"noise {seed}") for seed in itertools.count())


def _pictures(job: Job, info: DeviceInfo) -> Iterator[Sample]:
    """The test pictures, again and again."""
    from edgekit.data.preprocessing import quantize_pixels

    tensor = info.inputs[0]
    if len(info.inputs) != 1 or len(tensor.shape) != 4 or tensor.shape[1] != tensor.shape[2]:
        raise UsageError(
            f"{info.model_name} does not read one square picture (its input is {tensor.shape}). "
            "Use --run noise."
        )
    shape = {"data.image_size": tensor.shape[1], "data.channels": tensor.shape[3]}
    pictures = replace(job, settings=override(job.settings, shape)).test_pictures
    for index in itertools.cycle(range(len(pictures.images))):
        pixels = pictures.images[index : index + 1]
        inputs = quantize_pixels(pixels, tensor.scale, tensor.zero_point)
        yield Sample([inputs], f"picture {index}", int(pictures.labels[index]))
