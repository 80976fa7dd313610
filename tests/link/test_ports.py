"""Ports and sockets: what their names mean, and what is said when one cannot be opened or is lost."""

import contextlib
import errno
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import serial
from serial.rfc2217 import PortManager

from edgekit.device import ports
from edgekit.device.ports import open_port, port_names, split_baud
from edgekit.errors import DeviceError, UsageError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/dev/ttyUSB0", ("/dev/ttyUSB0", 9600)),
        ("/dev/ttyUSB0:921600", ("/dev/ttyUSB0", 921600)),
        ("COM7", ("COM7", 9600)),
        ("COM7:921600", ("COM7", 921600)),
        ("/dev/cu.usbmodem14101", ("/dev/cu.usbmodem14101", 9600)),
        ("rfc2217://lab:4000", ("rfc2217://lab:4000", 9600)),
        ("COM7:0", ("COM7:0", 9600)),
        ("COM7:fast", ("COM7:fast", 9600)),
    ],
)
def test_a_baud_rate_may_follow_a_ports_name(url: str, expected: tuple[str, int]):
    assert split_baud(url, 9600) == expected


def test_importing_the_module_imports_no_pyserial():
    code = "import sys, edgekit.device.ports; sys.exit('serial' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_port_is_answered_with_those_that_exist(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ports, "port_names", lambda: ["/dev/ttyACM0", "/dev/ttyUSB1"])
    with pytest.raises(
        DeviceError, match=r"no port /dev/ttyNONE\. Ports that exist: /dev/ttyACM0, /dev/ttyUSB1"
    ):
        open_port("/dev/ttyNONE")
    monkeypatch.setattr(ports, "port_names", list)
    with pytest.raises(DeviceError, match="no serial port here at all"):
        open_port("/dev/ttyNONE")


def test_port_names_are_a_list_of_names():
    assert port_names() == sorted(port_names())


def windows_error(kind: str) -> serial.SerialException:
    return serial.SerialException(f"could not open port 'COM7': {kind}")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (serial.SerialException(errno.EACCES, "Permission denied"), "no permission.*dialout"),
        (serial.SerialException(errno.EBUSY, "Device or resource busy"), "is busy.*close that one"),
        (serial.SerialException(errno.EAGAIN, "Could not exclusively lock port"), "is busy"),
        (windows_error("PermissionError(13, 'Access is denied.', None, 5)"), "is busy"),
        (windows_error("FileNotFoundError(2, 'The system cannot find...', None, 2)"), "there is no port"),
        (serial.SerialException("could not configure port"), "cannot open COM7: could not configure port"),
        (ValueError("Not a valid baudrate: 1"), "not a usable port: Not a valid baudrate"),
    ],
)
def test_a_port_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch, error: Exception, message: str):
    def refuse(self: serial.Serial) -> None:
        raise error

    monkeypatch.setattr(serial.Serial, "open", refuse)
    with pytest.raises((DeviceError, UsageError), match=message):
        open_port("COM7")


def test_a_file_is_no_serial_port():
    with pytest.raises(DeviceError, match="/dev/null is not a serial port"):
        open_port("/dev/null")


def test_an_unknown_kind_of_url_is_a_usage_error():
    with pytest.raises(UsageError, match="'ftp://board' at 115200 baud is not a usable port"):
        open_port("ftp://board")


def test_a_port_that_would_write_files_is_refused(tmp_path):
    """A project file may come from anybody, and may name the port."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    with pytest.raises(UsageError, match="spy:// writes files"):
        open_port(f"SPY:///dev/null?file={victim}")
    assert victim.read_text() == "mine"


def test_a_baud_rate_beyond_any_port_is_refused(terminal: tuple[int, str]):
    with pytest.raises(UsageError, match="at 99999999999 baud is not a usable port"):
        open_port(f"{terminal[1]}:99999999999")


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A pseudo terminal: the descriptor of the device's end and the name of the host's."""
    pty = pytest.importorskip("pty", reason="this computer has no pseudo terminals")
    device_end, host_end = pty.openpty()
    name = os.ttyname(host_end)
    os.close(host_end)
    yield device_end, name
    with contextlib.suppress(OSError):  # Some tests unplug it.
        os.close(device_end)


def test_bytes_go_both_ways_through_a_terminal(terminal: tuple[int, str]):
    device_end, name = terminal
    transport = open_port(name)
    transport.write(b"\0\x11\x13\r\n\xff")
    assert os.read(device_end, 100) == b"\0\x11\x13\r\n\xff", "no flow control, no newline translation"
    os.write(device_end, b"\0\r\n\x03answer")
    received = b""
    while len(received) < 10:
        received += transport.read(5.0)
    assert received == b"\0\r\n\x03answer"
    assert transport.read(0.0) == b""
    transport.close()
    transport.close()


def test_a_port_that_is_open_elsewhere_is_busy(terminal: tuple[int, str]):
    _, name = terminal
    first = open_port(name)
    with pytest.raises(DeviceError, match=f"{re.escape(name)} is busy"):
        open_port(name)
    first.close()
    open_port(name).close()


def test_an_unplugged_port_is_noticed_when_reading_and_writing(terminal: tuple[int, str]):
    device_end, name = terminal
    transport = open_port(name)
    os.close(device_end)
    with pytest.raises(DeviceError, match=r"was lost.*still plugged in"):
        transport.read(5.0)
    with pytest.raises(DeviceError, match="was lost"):
        transport.write(b"x" * 10)
    transport.close()


@pytest.fixture
def peer() -> Iterator[tuple[str, socket.socket, list[socket.socket]]]:
    """A listening socket, its URL and, once a connection is made, its other end."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: accepted.append(listener.accept()[0]))
        thread.start()
        yield f"socket://127.0.0.1:{listener.getsockname()[1]}", listener, accepted
        thread.join(5.0)
    for connection in accepted:
        connection.close()


def other_end(accepted: list[socket.socket]) -> socket.socket:
    while not accepted:
        threading.Event().wait(0.001)
    return accepted[0]


def test_bytes_go_both_ways_through_a_socket(peer: tuple[str, socket.socket, list[socket.socket]]):
    url, _, accepted = peer
    transport = open_port(url)
    connection = other_end(accepted)
    transport.write(b"request")
    assert connection.recv(100) == b"request"
    connection.sendall(b"reply")
    assert transport.read(5.0) == b"reply"
    assert transport.read(0.0) == b""
    connection.close()
    with pytest.raises(DeviceError, match="closed the connection"):
        transport.read(5.0)
    transport.close()


def test_a_socket_that_is_reset_is_a_lost_connection(peer: tuple[str, socket.socket, list[socket.socket]]):
    url, _, accepted = peer
    transport = open_port(url)
    connection = other_end(accepted)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
    with pytest.raises(DeviceError, match="was lost"):
        transport.read(5.0)
    with pytest.raises(DeviceError, match="was lost"):
        transport.write(b"x")
    transport.close()


class EchoServer(threading.Thread):
    """An rfc2217 server with one serial port, whose device returns every byte it gets."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"
        self.port = serial.serial_for_url("loop://", timeout=0.01)
        self._connection = socket.socket()

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)

    def run(self) -> None:
        self._connection, _ = self._listener.accept()
        manager = PortManager(self.port, self)
        while data := self._connection.recv(1024):
            self.port.write(b"".join(manager.filter(data)))
            self.write(b"".join(manager.escape(self.port.read(self.port.in_waiting))))
        self._connection.close()
        self._listener.close()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning:serial")
def test_a_port_in_another_room():
    server = EchoServer()
    server.start()
    transport = open_port(server.url, baud=57600)
    data = bytes(range(256))
    transport.write(data)
    received = b""
    while len(received) < len(data):
        received += transport.read(5.0)
    assert received == data
    assert server.port.baudrate == 57600
    transport.close()
    server.join(5.0)


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DeviceError, match=f"cannot connect to socket://127.0.0.1:{port}.*server running"):
        open_port(f"socket://127.0.0.1:{port}")


@pytest.mark.parametrize("url", ["socket://host", "socket://:1", "socket://host:port", "socket://host:70000"])
def test_a_socket_needs_host_and_port(url: str):
    with pytest.raises(UsageError, match=r"write socket://host:port"):
        open_port(url)
