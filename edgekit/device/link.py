"""Frames of the edgekit link: packets between 0x00 delimiters, COBS-coded, closed by a CRC-32.

Pure bytes, no I/O: ``docs/protocol.md`` specifies them, ``firmware/link/ek_frame.c`` is the same in C.
What lies between two delimiters and is not a frame is text that the device printed, or a frame that
was damaged on its way; neither is an error here.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from cobs import cobs

DELIMITER = b"\0"
MAX_BODY_BYTES = 0xFFFF - 10
"""Longest body that a packet can have: its CRC must end below 64 KiB, for 16-bit sizes on the device."""

_HEADER = struct.Struct("<BBHH")
_CRC = struct.Struct("<I")
_OVERHEAD_BYTES = _HEADER.size + _CRC.size
_LONGEST_FRAME_BYTES = 0xFFFF + 0xFFFF // 254 + 1


@dataclass(frozen=True)
class Packet:
    """What a frame carries. ``type`` and ``flags`` are bytes, ``number`` the request's number (u16)."""

    type: int
    number: int
    body: bytes = b""
    flags: int = 0


@dataclass(frozen=True)
class LogText:
    """What stood between frames, as lines without control characters.

    ``damaged`` says that there were bytes which are no text: most often the remains of a frame.
    """

    lines: tuple[str, ...]
    damaged: bool


def pack_packet(packet: Packet) -> bytes:
    """Header, body and CRC-32 of ``packet``, before COBS. Raises ValueError for an oversized body."""
    if len(packet.body) > MAX_BODY_BYTES:
        raise ValueError(f"a body of {len(packet.body)} bytes; {MAX_BODY_BYTES} is the limit")
    covered = _HEADER.pack(packet.type, packet.flags, packet.number, len(packet.body)) + packet.body
    return covered + _CRC.pack(zlib.crc32(covered))


def unpack_packet(data: bytes) -> Packet | None:
    """The packet in ``data`` (before COBS), or None where its length or CRC is not right."""
    if len(data) < _OVERHEAD_BYTES:
        return None
    covered, (crc,) = data[: -_CRC.size], _CRC.unpack(data[-_CRC.size :])
    packet_type, flags, number, body_bytes = _HEADER.unpack(covered[: _HEADER.size])
    if body_bytes != len(covered) - _HEADER.size or crc != zlib.crc32(covered):
        return None
    return Packet(packet_type, number, covered[_HEADER.size :], flags)


def encode_frame(packet: Packet) -> bytes:
    """``packet`` as it goes over the wire, both delimiters included."""
    coded: bytes = cobs.encode(pack_packet(packet))
    return DELIMITER + coded + DELIMITER


class FrameDecoder:
    """Splits a byte stream, arriving in pieces of any size, into packets and text.

    Keeps at most one frame's worth of bytes: a longer run without a delimiter is handed on as text.
    """

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> list[Packet | LogText]:
        """What is complete with ``data``, in the order of arrival."""
        *chunks, self._pending = (self._pending + data).split(DELIMITER)
        found = [_decode_chunk(chunk) for chunk in chunks if chunk]
        if len(self._pending) > _LONGEST_FRAME_BYTES:
            found += self.take_rest()
        return found

    def take_rest(self) -> list[Packet | LogText]:
        """What has arrived since the last delimiter, as text. For when nothing more is expected."""
        rest, self._pending = self._pending, b""
        return [_decode_text(rest)] if rest else []

    def take_text(self) -> list[Packet | LogText]:
        """Like :meth:`take_rest`, but only what is nothing but text: a frame on its way stays.

        For when nothing has come for a while and somebody watches: devices end no text with a delimiter.
        """
        is_text = len(self._pending) > 1 and not _decode_text(self._pending).damaged
        return self.take_rest() if is_text else []


def _decode_chunk(chunk: bytes) -> Packet | LogText:
    try:
        packet = unpack_packet(cobs.decode(chunk))
    except cobs.DecodeError:
        packet = None
    return _decode_text(chunk) if packet is None else packet


def _decode_text(chunk: bytes) -> LogText:
    text = chunk.decode("utf-8", errors="backslashreplace")
    lines = tuple(_without_control_characters(line) for line in text.splitlines() if line.strip())
    try:
        damaged = any(not (char.isprintable() or char in "\t\r\n\x1b") for char in chunk.decode())
    except UnicodeDecodeError:
        damaged = True
    return LogText(lines, damaged)


def _without_control_characters(line: str) -> str:
    """A device's text ends up on a terminal, where escape sequences could do anything."""
    return "".join(char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in line)
