"""Watches a device for as long as wanted, and lets others use its link meanwhile.

A serial port has one owner, so the monitor is it, and serves the link on a loopback port: `edgekit
verify --port socket://127.0.0.1:N` works through the monitor, which sees all that passes and changes
nothing. The monitor's own runs happen only while no client is connected, whole runs at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from edgekit.device.device import Device, GeneratedInput, Stimulus
from edgekit.device.messages import DeviceInfo
from edgekit.device.relay import LinkServer
from edgekit.device.transport import Transport
from edgekit.device.watch import Described, Event, LogLine, Result, WatchedTransport
from edgekit.errors import NoAnswerError, RequestRefusedError

_STEP_S = 0.05


@dataclass(frozen=True)
class Sample:
    """An input of the monitor's own: ``origin`` names it, ``label`` is its class where it is known."""

    stimulus: Stimulus
    origin: str
    label: int | None = None


class View(Protocol):
    """Shows what the monitor sees."""

    def log(self, text: str) -> None:
        """A line that the device printed."""

    def note(self, text: str) -> None:
        """Something that the monitor itself has to say."""

    def device(self, info: DeviceInfo) -> None:
        """Who the device is."""

    def result(self, result: Result, sample: Sample | None) -> None:
        """A result; ``sample`` is None where a client asked for it."""

    def client(self, connected: bool) -> None:
        """A client has come or gone."""


Samples = Callable[[DeviceInfo], Iterator[Sample]]


@dataclass(frozen=True)
class Plan:
    """What the monitor does by itself: nothing without ``samples``; else one each ``interval_s``.

    It ends after ``results`` results, whoever asked for them (None: never).
    """

    samples: Samples | None = None
    interval_s: float = 1.0
    results: int | None = None


class Monitor:
    """One device watched; see the module. Does not close ``transport``."""

    def __init__(self, transport: Transport, plan: Plan, view: View) -> None:
        self._watched = WatchedTransport(transport, self._show)
        self._plan = plan
        self._view = view
        self._info: DeviceInfo | None = None
        self._own: Device | None = None
        self._sample: Sample | None = None
        self._results = 0

    def run(self, port: int) -> None:
        """Watches until there were enough results, serving the link on ``port`` (0: a free one).

        Raises DeviceError where the port is taken or the device is lost.
        """
        with LinkServer(self._watched, port) as server:
            self._view.note(f"the link is served on {server.url}; end with Ctrl-C")
            self._greet()
            samples = self._samples()
            due_s, had_client = time.monotonic(), False
            while not self._enough():
                server.step(_STEP_S)
                if server.has_client != had_client:
                    had_client = server.has_client
                    self._own = None  # A client's greeting ends the monitor's own session.
                    self._view.client(had_client)
                if samples is not None and not had_client and time.monotonic() >= due_s:
                    self._run_one(next(samples))
                    due_s = time.monotonic() + self._plan.interval_s

    def _show(self, event: Event) -> None:
        if isinstance(event, LogLine):
            self._view.log(event.text)
        elif isinstance(event, Described):
            self._info = event.info
            self._view.device(event.info)
        else:
            self._results += 1
            self._view.result(event, self._sample)

    def _enough(self) -> bool:
        return self._plan.results is not None and self._results >= self._plan.results

    def _greet(self) -> None:
        """Asks the device once who it is, because results mean nothing without that."""
        try:
            self._device().info()
        except NoAnswerError as error:
            self._own = None
            self._view.note(f"{error} Its text is shown all the same.")

    def _samples(self) -> Iterator[Sample] | None:
        wanted = self._plan.samples
        return None if wanted is None or self._info is None else wanted(self._info)

    def _run_one(self, sample: Sample) -> None:
        self._sample = sample
        try:
            _run(self._device(), sample.stimulus)
        except (NoAnswerError, RequestRefusedError) as error:
            self._own = None
            self._view.note(str(error))
        finally:
            self._sample = None

    def _device(self) -> Device:
        if self._own is None:
            self._own = Device(_Borrowed(self._watched))
        return self._own


def _run(device: Device, stimulus: Stimulus) -> None:
    """One run whose outputs are fetched: the watcher sees them."""
    if not isinstance(stimulus, GeneratedInput):
        device.run(stimulus)
    elif device.run_generated(stimulus.seed).outputs is None:
        device.read_outputs()


class _Borrowed:
    """A transport that outlives the device that uses it."""

    def __init__(self, transport: Transport) -> None:
        self.write = transport.write
        self.read = transport.read

    def close(self) -> None:
        """Leaves the transport open."""
