"""A device at a port that has answered, at its profile's baud rate or at the one that most boards use."""

from __future__ import annotations

from collections.abc import Callable

from edgekit.device.device import Device, Timeouts
from edgekit.device.ports import DEFAULT_BAUD, open_port, split_baud
from edgekit.errors import DeviceError, NoAnswerError


def connect(
    url: str,
    baud: int,
    *,
    on_log: Callable[[str], None] | None = None,
    say: Callable[[str], None] = lambda _: None,
    timeouts: Timeouts | None = None,
) -> Device:
    """The device at the port ``url``, which has said who it is (:meth:`Device.info` costs nothing now).

    A device that is silent at ``baud`` is asked again at 115200, unless ``url`` names its rate itself or
    is not a serial port; ``say`` is told which rate it was. Raises as :func:`open_port` does, and
    NoAnswerError.
    """
    name, given_baud = split_baud(url, baud)
    fixed = "://" in url or name != url
    bauds = [given_baud] if fixed or baud == DEFAULT_BAUD else [baud, DEFAULT_BAUD]
    silence: list[NoAnswerError] = []
    for rate in bauds:
        device = Device(open_port(name, rate), on_log, timeouts, name)
        try:
            device.info()
        except NoAnswerError as error:
            device.close()
            silence.append(error)
            if rate != bauds[-1]:
                say(f"no answer at {rate} baud from {name}; trying {DEFAULT_BAUD}")
        except BaseException:
            device.close()
            raise
        else:
            if rate != bauds[0]:
                say(f"{name} answers at {rate} baud, not at the {bauds[0]} of its profile")
            return device
    if len(bauds) == 1:
        raise silence[0]
    raise DeviceError(f"{silence[-1]} Tried were {' and '.join(map(str, bauds))} baud.") from silence[-1]
