"""How bytes reach the runner: standard input and output, a serial line, a pseudo-terminal, TCP."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import termios
import tty
from collections.abc import Callable
from typing import Protocol

from .bundle import BundleError

_CHUNK_BYTES = 65536
# Index of control flags, input and output speed in what termios.tcgetattr returns.
_CFLAG, _ISPEED, _OSPEED = 2, 4, 5


class Port(Protocol):
    """A byte pipe that keeps its order."""

    def read(self) -> bytes:
        """What has arrived, at least one byte; ``b""`` where nothing will come any more."""

    def write(self, data: bytes) -> None:
        """Sends all of ``data``. Where the other side has gone, which the next read notices, nothing."""


class DescriptorPort:
    """Reads from one file descriptor and writes to another, or to the same."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink

    def read(self) -> bytes:
        """As :meth:`Port.read`."""
        try:
            return os.read(self._source, _CHUNK_BYTES)
        except OSError:  # a line that was unplugged
            return b""

    def write(self, data: bytes) -> None:
        """As :meth:`Port.write`."""
        left = memoryview(data)
        with contextlib.suppress(OSError):
            while left:
                left = left[os.write(self._sink, left) :]


class TcpPort:
    """One client at a time, one after the other."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._client: socket.socket | None = None

    def read(self) -> bytes:
        """As :meth:`Port.read`."""
        while True:
            if self._client is None:
                self._client, _ = self._listener.accept()
                self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(OSError):
                data = self._client.recv(_CHUNK_BYTES)
                if data:
                    return data
            self._client.close()
            self._client = None

    def write(self, data: bytes) -> None:
        """As :meth:`Port.write`."""
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.sendall(data)


def open_standard() -> Port:
    """Standard input and output. What libraries print there goes to standard error from now on."""
    sink = os.dup(1)
    os.dup2(2, 1)
    if os.isatty(0):
        tty.setraw(0, termios.TCSANOW)  # Line editing would eat the frames' bytes.
    return DescriptorPort(0, sink)


def open_serial(path: str, baud: int) -> Port:
    """A serial line (or one end of a pseudo-terminal): 8 data bits, no parity, no flow control.

    Raises BundleError.
    """
    speed = getattr(termios, f"B{baud}", None)
    if speed is None or baud == 0:
        raise BundleError(f"this computer has no serial speed of {baud} baud.")
    try:
        line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        tty.setraw(line, termios.TCSANOW)
        attributes = termios.tcgetattr(line)
        attributes[_CFLAG] |= termios.CLOCAL | termios.CREAD
        attributes[_ISPEED] = attributes[_OSPEED] = speed
        termios.tcsetattr(line, termios.TCSANOW, attributes)
    except (OSError, termios.error) as error:
        raise BundleError(f"{path} cannot be used as a serial line: {error}.") from error
    return DescriptorPort(line, line)


def open_pty(say: Callable[[str], None]) -> Port:
    """A new pseudo-terminal; ``say`` gets the name by which a host opens its other end."""
    near, far = os.openpty()
    tty.setraw(far, termios.TCSANOW)
    # `far` stays open here, so that the line does not end when a host closes it.
    say(f"serving on {os.ttyname(far)}")
    return DescriptorPort(near, near)


def open_tcp(address: str, port: int, say: Callable[[str], None]) -> Port:
    """A TCP port; ``say`` gets the address and the port's number. Raises BundleError."""
    try:
        listener = socket.create_server((address, port))
    except OSError as error:
        raise BundleError(f"cannot listen on {address}:{port}: {error}.") from error
    say(f"listening on {address}:{listener.getsockname()[1]}")
    return TcpPort(listener)


def say(text: str) -> None:
    """A line for a person, on standard error."""
    sys.stderr.write(f"edgekit: {text}\n")
    sys.stderr.flush()
