"""Serial ports and sockets as transports: ``/dev/ttyUSB0``, ``COM7:921600``, ``socket://host:port``,
``rfc2217://host:port``.

pyserial is imported when a port is opened. Opening never relies on anything that the board says by
itself, because whatever arrives before the port is open is lost.
"""

from __future__ import annotations

import contextlib
import errno
import re
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edgekit.device.transport import Transport
from edgekit.errors import DeviceError, PortUnavailableError, UsageError
from edgekit.text import printable_name

if TYPE_CHECKING:
    import serial

DEFAULT_BAUD = 115200

_CONNECT_TIMEOUT_S = 5.0
"""To a socket on the local network, or the other end is not there."""
_WRITE_TIMEOUT_S = 5.0
"""For one frame. Only a stuck USB adapter or a peer that stopped reading takes longer."""
_POLL_S = 0.05
"""Longest wait inside pyserial. Its timeout stays fixed, because changing it renegotiates the whole port
on rfc2217://."""
_SHORT_POLL_S = 0.001
_LARGEST_READ_BYTES = 1 << 16

_HINT_PERMISSION = (
    "Your user may not open it: on Linux, add it to the port's group (`sudo usermod -aG dialout $USER`, "
    "then log in again) or install the board's udev rule."
)
_HINT_BUSY = "Another program has it open (a serial monitor, an IDE, another edgekit): close that one."


def open_port(url: str, baud: int = DEFAULT_BAUD) -> Transport:
    """Opens the port that ``url`` names, at ``baud`` unless the name ends in ``:<baud>`` itself.

    Raises DeviceError where it is missing (naming the ports that exist), busy or not permitted, and
    UsageError for a name that cannot be a port.
    """
    if url.startswith("socket://"):
        return _open_socket(url)
    name, baud = split_baud(url, baud)
    return _open_serial(name, baud)


def split_baud(url: str, default_baud: int) -> tuple[str, int]:
    """Port name and baud rate of ``COM7:921600``; ``default_baud`` where it says none."""
    match = re.fullmatch(r"(?P<name>[^:]+):(?P<baud>[1-9][0-9]*)", url)
    return (match["name"], int(match["baud"])) if match else (url, default_baud)


def port_names() -> list[str]:
    """The serial ports of this computer, as the operating system lists them."""
    return [port.name for port in serial_ports()]


@dataclass(frozen=True)
class SerialPort:
    """A serial port of this computer. ``usb_id`` is "vid:pid" in small hexadecimal, None for no USB port."""

    name: str
    usb_id: str | None
    description: str

    def __str__(self) -> str:
        """What a person needs to tell it from others."""
        facts = [fact for fact in (self.description, self.usb_id) if fact]
        return f"{self.name} ({', '.join(facts)})" if facts else self.name


def serial_ports() -> list[SerialPort]:
    """The serial ports of this computer, sorted by name, with what their USB devices say of themselves."""
    from serial.tools import list_ports

    ports = []
    for port in sorted(list_ports.comports(), key=lambda port: str(port.device)):
        usb_id = None if port.vid is None else f"{port.vid:04x}:{port.pid:04x}"
        words = [port.description, port.serial_number and f"serial number {port.serial_number}"]
        description = ", ".join(printable_name(word) for word in words if word and word != "n/a")
        ports.append(SerialPort(port.device, usb_id, description))
    return ports


def matching_ports(usb_ids: Sequence[str]) -> list[SerialPort]:
    """The ports whose USB ids are among ``usb_ids`` ("vid:pid", any case)."""
    wanted = {usb_id.lower() for usb_id in usb_ids}
    return [port for port in serial_ports() if port.usb_id in wanted]


def detect_port(board: str, usb_ids: Sequence[str], say: Callable[[str], None] = lambda _: None) -> str:
    """The one port with a USB id of ``usb_ids``, those that ``board`` is recognised by.

    Raises UsageError listing the ports where there are several, or where no id is known; DeviceError
    saying what is plugged in where there is none.
    """
    ports = serial_ports()
    plugged_in = "; ".join(map(str, ports)) or "no serial port at all"
    if not usb_ids:
        raise UsageError(
            f"the serial port of {board} comes through an adapter of your choice, so it is not recognised by "
            f"itself. Name it with --port. Here now: {plugged_in}."
        )
    found = matching_ports(usb_ids)
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} ports could be {board}: {'; '.join(map(str, found))}. Name one with --port."
        )
    if not found:
        raise DeviceError(
            f"no port looks like {board} (USB {', '.join(usb_ids)}). Here now: {plugged_in}. Is the board "
            "plugged in, with a data cable? If it is there under another id, name its port with --port."
        )
    say(f"port: {found[0]}, recognised as {board}")
    return found[0].name


class SerialTransport:
    """A serial port that pyserial has opened."""

    def __init__(self, port: serial.SerialBase, name: str) -> None:
        self._port = port
        self._name = name

    def write(self, data: bytes) -> None:
        """Sends all of ``data``. Raises DeviceError when the port is gone or stuck."""
        import serial

        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise DeviceError(
                f"{self._name} took no bytes for {_WRITE_TIMEOUT_S:.0f} s. "
                "Unplug the board and plug it in again."
            ) from error
        except (serial.SerialException, OSError) as error:
            raise _lost(self._name, error) from error

    def read(self, timeout_s: float) -> bytes:
        """What has arrived, or ``b""`` after ``timeout_s``. Raises DeviceError when the port is gone."""
        import serial

        deadline_s = time.monotonic() + timeout_s
        try:
            if timeout_s < _POLL_S and not self._has_input(deadline_s):
                return b""
            while True:
                first: bytes = self._port.read(1)
                if first:
                    rest: bytes = self._port.read(self._port.in_waiting)
                    return first + rest
                if time.monotonic() >= deadline_s:
                    return b""
        except (serial.SerialException, OSError, TypeError) as error:
            # TypeError: pyserial reads from a port that another thread has closed.
            raise _lost(self._name, error) from error

    def _has_input(self, deadline_s: float) -> bool:
        """Whether a byte comes by ``deadline_s``, sooner than pyserial's own wait would end."""
        while not self._port.in_waiting:
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(_SHORT_POLL_S)
        return True

    def close(self) -> None:
        """Closes the port; an error while closing a port that is gone says nothing new."""
        with contextlib.suppress(OSError):
            self._port.close()


class SocketTransport:
    """A raw TCP connection, such as an emulator's serial port or ser2net. Faster than pyserial's."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self._socket = connection
        self._name = name

    def write(self, data: bytes) -> None:
        """Sends all of ``data``. Raises DeviceError when the other side is gone or stuck."""
        try:
            self._socket.settimeout(_WRITE_TIMEOUT_S)
            self._socket.sendall(data)
        except OSError as error:
            raise _lost(self._name, error) from error

    def read(self, timeout_s: float) -> bytes:
        """What has arrived, or ``b""`` after ``timeout_s``. Raises DeviceError when the peer is gone."""
        try:
            self._socket.settimeout(max(timeout_s, 1e-3))
            data = self._socket.recv(_LARGEST_READ_BYTES)
        except TimeoutError:
            return b""
        except OSError as error:
            raise _lost(self._name, error) from error
        if not data:
            raise DeviceError(f"{self._name} closed the connection. Has the emulator or the server ended?")
        return data

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()


def _open_socket(url: str) -> SocketTransport:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None:
        raise UsageError(f"'{url}' is not a socket's address; write socket://host:port.")
    try:
        connection = socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise DeviceError(
            f"cannot connect to {url}: {error.strerror or error}. Is the emulator or the server running?"
        ) from error
    return SocketTransport(connection, url)


def _open_serial(name: str, baud: int) -> SerialTransport:
    import serial

    if name.lower().startswith("spy:"):
        # pyserial would write what passes into any file that the URL names; a project file may name the port.
        raise UsageError(
            f"'{name}' is not a usable port: spy:// writes files. `edgekit monitor` shows a link."
        )
    try:
        port = serial.serial_for_url(name, baudrate=baud, timeout=_POLL_S, do_not_open=True)
        # Both lines asserted together: an ESP32's reset circuit acts only where they differ, and boards
        # with USB of their own (RP2040, Leonardo) send nothing until DTR is asserted.
        port.dtr = True
        port.rts = True
        if "://" not in name:  # rfc2217:// refuses the first and ignores the second.
            port.write_timeout = _WRITE_TIMEOUT_S
            port.exclusive = True
        port.open()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"'{name}' at {baud} baud is not a usable port: {error}.") from error
    except (serial.SerialException, OSError) as error:
        raise _not_opened(name, error) from error
    return SerialTransport(port, name)


def _not_opened(name: str, error: OSError) -> PortUnavailableError:
    """Says why; pyserial gives the reason as errno on POSIX and within the text on Windows."""
    text = str(error)
    windows_busy = "PermissionError" in text
    if error.errno == errno.ENOENT or "FileNotFoundError" in text:
        names = port_names()
        existing = (
            f"Ports that exist: {', '.join(names)}." if names else "There is no serial port here at all."
        )
        return PortUnavailableError(
            f"there is no port {name}. {existing} Is the board plugged in, with a data cable?"
        )
    if error.errno in {errno.EBUSY, errno.EAGAIN} or windows_busy or "exclusively lock" in text:
        return PortUnavailableError(f"the port {name} is busy. {_HINT_BUSY}")
    if error.errno == errno.ENOTTY or "Inappropriate ioctl" in text:
        return PortUnavailableError(f"{name} is not a serial port.")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return PortUnavailableError(f"no permission to open {name}. {_HINT_PERMISSION}")
    return PortUnavailableError(f"cannot open {name}: {text}.")


def _lost(name: str, error: Exception) -> PortUnavailableError:
    return PortUnavailableError(f"the connection to {name} was lost: {error}. Is the board still plugged in?")
