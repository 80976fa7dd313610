"""How bytes travel to a device and back: a serial port, a socket, an emulator, a local process."""

from __future__ import annotations

from typing import Protocol


class Transport(Protocol):
    """A byte pipe to one device. Not thread-safe. Failures raise :class:`edgekit.errors.DeviceError`."""

    def write(self, data: bytes) -> None:
        """Sends all of ``data``."""

    def read(self, timeout_s: float) -> bytes:
        """At least one byte as soon as there is one, all that has arrived; ``b""`` after ``timeout_s``.

        Raises DeviceError when the other side is gone for good.
        """

    def close(self) -> None:
        """Releases the port or ends the emulator. May be called twice."""
