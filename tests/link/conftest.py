"""Fixtures of the link's tests: the fake device, compiled once with sanitizers."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from link.fake_device import ProcessTransport, build_fake_device

from edgekit.device.device import Device, Timeouts

PATIENT = Timeouts(answer_s=5.0, start_answer_s=5.0)
"""Long enough that a busy computer causes no retry."""

OpenDevice = Callable[..., Device]


@pytest.fixture(scope="session")
def fake_device_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """The fake device with bodies of up to the given number of bytes."""
    return cache(lambda max_body_bytes: build_fake_device(tmp_path_factory.mktemp("device"), max_body_bytes))


@pytest.fixture(params=[512, 64], ids=["body512", "body64"])
def fake_device_program(request: pytest.FixtureRequest, fake_device_of: Callable[[int], Path]) -> Path:
    """The fake device, with the default body size and with the smallest."""
    return fake_device_of(request.param)


@pytest.fixture
def open_device(fake_device_program: Path) -> Iterator[OpenDevice]:
    """Starts a fake device with the arguments given and returns a Device on it."""
    devices: list[Device] = []

    def start(*arguments: str, log: list[str] | None = None, timeouts: Timeouts = PATIENT) -> Device:
        transport = ProcessTransport(fake_device_program, *arguments)
        devices.append(Device(transport, log.append if log is not None else None, timeouts))
        return devices[-1]

    yield start
    for device in devices:
        device.close()


@pytest.fixture
def device(open_device: OpenDevice) -> Device:
    return open_device()
