"""What passes on a link, seen by a third party: log text, who the device is, and results.

Nothing is asked and no byte is changed: requests and replies are read as they go by.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.device import messages
from edgekit.device.link import FrameDecoder, LogText, Packet
from edgekit.device.messages import DeviceInfo
from edgekit.device.transport import Transport
from edgekit.errors import DeviceError

Int8Array = NDArray[np.int8]

# Text without a delimiter behind it is shown after so long a silence.
_SILENCE_S = 0.2


@dataclass(frozen=True)
class LogLine:
    """A line of text that the device printed, without control characters."""

    text: str


@dataclass(frozen=True)
class Described:
    """The device was asked who it is, for the first time or with another answer than before."""

    info: DeviceInfo


@dataclass(frozen=True)
class Result:
    """The first output of a run, flat, as somebody fetched it; ``ticks`` None where they were not seen."""

    output: Int8Array
    ticks: int | None


Event = LogLine | Described | Result


class LinkWatcher:
    """Turns the bytes of both directions, in any pieces, into events. Never raises for what it sees."""

    def __init__(self) -> None:
        self._host = FrameDecoder()
        self._device = FrameDecoder()
        self._request: Packet | None = None
        self._description = b""
        self._info: DeviceInfo | None = None
        self._output = b""
        self._ticks: int | None = None

    def sent(self, data: bytes) -> None:
        """Bytes on their way to the device."""
        for item in self._host.feed(data):
            if isinstance(item, Packet):
                self._request = item

    def received(self, data: bytes) -> list[Event]:
        """Events in bytes that came from the device."""
        return self._events(self._device.feed(data))

    def silence(self) -> list[Event]:
        """Events in what has come before a silence."""
        return self._events(self._device.take_text())

    def _events(self, found: list[Packet | LogText]) -> list[Event]:
        events: list[Event] = []
        for item in found:
            if isinstance(item, LogText):
                events += [LogLine(line) for line in item.lines]
            else:
                events += self._reply(item)
        return events

    def _reply(self, packet: Packet) -> list[Event]:
        """Events in a reply. One to a request that was answered already says nothing new."""
        request = self._request
        answers = request is not None and packet.number == request.number
        if request is None or not answers or packet.type != request.type | messages.REPLY:
            return []
        self._request = None
        try:
            return self._answer(request, packet.body)
        except DeviceError:  # It contradicts itself: whoever asked is told so.
            return []

    def _answer(self, request: Packet, body: bytes) -> list[Event]:
        kinds: dict[int, Callable[[Packet, bytes], list[Event]]] = {
            messages.Info.type: self._info_piece,
            messages.Invoke.type: self._invoked,
            messages.InvokeGenerated.type: self._generated,
            messages.ReadOutput.type: self._output_piece,
        }
        answer = kinds.get(request.type)
        return [] if answer is None else answer(request, body)

    def _info_piece(self, request: Packet, body: bytes) -> list[Event]:
        offset = messages.Info.unpack(request.body).offset
        reply = messages.InfoReply.unpack(body)
        messages.check_info_size(reply.total_bytes)
        self._description = self._description[:offset] + reply.data
        if len(self._description) != reply.total_bytes:
            return []
        info = DeviceInfo.unpack(self._description)
        known, self._info = self._info, info
        return [] if known == info else [Described(info)]

    def _invoked(self, request: Packet, body: bytes) -> list[Event]:
        single = messages.Invoke.unpack(request.body).count == 1
        self._ticks = messages.InvokeReply.unpack(body).ticks if single else None
        self._output = b""
        return []

    def _generated(self, request: Packet, body: bytes) -> list[Event]:
        reply = messages.InvokeGeneratedReply.unpack(body)
        self._ticks = reply.ticks
        self._output = reply.data[: self._output_bytes()]
        return self._result()

    def _output_piece(self, request: Packet, body: bytes) -> list[Event]:
        asked = messages.ReadOutput.unpack(request.body)
        if asked.index != 0:
            return []
        self._output = self._output[: asked.offset] + messages.ReadOutputReply.unpack(body).data
        return self._result()

    def _output_bytes(self) -> int:
        """Size of the first output; 0 as long as nobody has asked for it."""
        return 0 if self._info is None else self._info.outputs[0].size_bytes

    def _result(self) -> list[Event]:
        if not self._output or len(self._output) != self._output_bytes():
            return []
        output, self._output = self._output, b""
        return [Result(np.frombuffer(output, dtype=np.int8), self._ticks)]


class WatchedTransport:
    """A :class:`~edgekit.device.transport.Transport` whose bytes a watcher sees; ``on_event`` is told."""

    def __init__(self, transport: Transport, on_event: Callable[[Event], None]) -> None:
        self._transport = transport
        self._on_event = on_event
        self._watcher = LinkWatcher()
        self._last_byte_s = time.monotonic()

    def write(self, data: bytes) -> None:
        """Sends all of ``data``."""
        self._watcher.sent(data)
        self._transport.write(data)

    def read(self, timeout_s: float) -> bytes:
        """What has arrived; see Transport.read."""
        data = self._transport.read(timeout_s)
        now_s = time.monotonic()
        if data:
            self._last_byte_s = now_s
            self._tell(self._watcher.received(data))
        elif now_s - self._last_byte_s > _SILENCE_S:
            self._tell(self._watcher.silence())
        return data

    def close(self) -> None:
        """Closes the transport."""
        self._transport.close()

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            self._on_event(event)
