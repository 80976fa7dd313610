"""Serves a device's link on a loopback port, to one client after the other."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from edgekit.device.link import DELIMITER
from edgekit.device.transport import Transport
from edgekit.errors import DeviceError

_CHUNK_BYTES = 65536
# An emulator that runs inside read() must get to run, and a client must not wait long for it.
_SLICE_S = 0.005
_IDLE_SLICE_S = 0.05
# A client that takes nothing for so long is dropped: the device must not wait for it.
_CLIENT_TIMEOUT_S = 5.0


class LinkServer:
    """``socket://127.0.0.1:port`` (0: a free one) to the device behind ``transport``.

    Bytes go both ways unchanged while :meth:`step` is called; between two calls nothing happens, so that
    whoever calls it may use the device itself whenever no client is connected. Raises DeviceError where
    the port is taken.
    """

    def __init__(self, transport: Transport, port: int) -> None:
        self._transport = transport
        self._client: socket.socket | None = None
        self._device_speaks = False
        """Whether an answer is expected, or only begun: frames end with a delimiter."""
        try:
            self._listener = socket.create_server(("127.0.0.1", port))
        except OSError as error:
            raise DeviceError(
                f"cannot serve the link on port {port}: {error.strerror}. Choose another with --listen, or 0."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """What a client names with --port."""
        return f"socket://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def has_client(self) -> bool:
        """Whether the device is a client's now."""
        return self._client is not None

    def step(self, wait_s: float) -> None:
        """Carries bytes for about ``wait_s``. Raises DeviceError where the device fails."""
        deadline_s = time.monotonic() + wait_s
        while True:
            client = self._client
            if client is None:
                self._accept()
                self._transport.read(_IDLE_SLICE_S)
            else:
                # One side waits for the other by turns, so that is where this waits, too.
                if _readable(client, 0.0 if self._device_speaks else _SLICE_S):
                    self._take_request(client)
                self._give_answer(client, self._transport.read(_SLICE_S if self._device_speaks else 0.0))
            if time.monotonic() >= deadline_s:
                return

    def close(self) -> None:
        """Sends the client away and frees the port. The transport stays open."""
        self._drop()
        self._listener.close()

    def _accept(self) -> None:
        if _readable(self._listener, 0.0):
            self._client, _ = self._listener.accept()
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client.settimeout(_CLIENT_TIMEOUT_S)

    def _take_request(self, client: socket.socket) -> None:
        try:
            request = client.recv(_CHUNK_BYTES)
        except OSError:
            request = b""
        if request:
            self._transport.write(request)
            self._device_speaks = True
        else:
            self._drop()

    def _give_answer(self, client: socket.socket, answer: bytes) -> None:
        if not answer:
            return
        self._device_speaks = not answer.endswith(DELIMITER)
        try:
            client.sendall(answer)
        except OSError:
            self._drop()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def serve(transport: Transport, port: int, say: Callable[[str], None]) -> None:
    """Serves ``transport`` on loopback until interrupted or the device fails."""
    with LinkServer(transport, port) as server:
        say(f"serving the link on {server.url}; end with Ctrl-C")
        while True:
            server.step(1.0)


def _readable(connection: socket.socket, timeout_s: float) -> bool:
    return connection.fileno() >= 0 and bool(select.select([connection], [], [], timeout_s)[0])
