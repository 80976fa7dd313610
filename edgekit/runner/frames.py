"""Frames of the link, as a device reads and writes them: ``docs/protocol.md``, section 1.

A device drops what is no frame without a word, and keeps no more than one frame's worth of bytes.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

OVERHEAD_BYTES = 10
"""Header and CRC-32 around a body."""

_DELIMITER = b"\0"
_HEADER = struct.Struct("<BBHH")
_CRC = struct.Struct("<I")
_LONGEST_BLOCK = 254


@dataclass(frozen=True)
class Packet:
    """What a frame carries; ``crc32`` is the one that it came with, which was right."""

    type: int
    flags: int
    number: int
    body: bytes
    crc32: int


def encode_frame(packet_type: int, number: int, body: bytes) -> bytes:
    """The packet as it goes over the wire, both delimiters included."""
    covered = _HEADER.pack(packet_type, 0, number, len(body)) + body
    return _DELIMITER + _stuffed(covered + _CRC.pack(zlib.crc32(covered))) + _DELIMITER


class FrameDecoder:
    """Finds the packets in a byte stream that arrives in pieces; bodies of up to ``max_body_bytes``."""

    def __init__(self, max_body_bytes: int) -> None:
        self._capacity_bytes = OVERHEAD_BYTES + max_body_bytes
        # COBS adds a byte at the start and one for each full block.
        self._longest_coded_bytes = self._capacity_bytes + self._capacity_bytes // _LONGEST_BLOCK + 2
        self._pending = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that are complete with ``data``, in the order of arrival."""
        *chunks, rest = (self._pending + data).split(_DELIMITER)
        if chunks and self._skipping:
            del chunks[0]
            self._skipping = False
        self._pending = rest
        if len(rest) > self._longest_coded_bytes:
            self._skipping = True
        if self._skipping:
            self._pending = b""
        decoded = (self._decode(chunk) for chunk in chunks if chunk)
        return [packet for packet in decoded if packet is not None]

    def _decode(self, coded: bytes) -> Packet | None:
        if len(coded) > self._longest_coded_bytes:
            return None
        data = _unstuffed(coded)
        if data is None or not OVERHEAD_BYTES <= len(data) <= self._capacity_bytes:
            return None
        covered, (crc32,) = data[: -_CRC.size], _CRC.unpack(data[-_CRC.size :])
        packet_type, flags, number, body_bytes = _HEADER.unpack(covered[: _HEADER.size])
        if body_bytes != len(covered) - _HEADER.size or crc32 != zlib.crc32(covered):
            return None
        return Packet(packet_type, flags, number, covered[_HEADER.size :], crc32)


def _stuffed(data: bytes) -> bytes:
    """COBS: each run of up to 254 bytes other than 0 behind its length plus one, which stands for a 0."""
    coded = bytearray()
    runs = data.split(_DELIMITER)
    for run in runs[:-1]:
        coded += _coded_run(run)
    last = _coded_run(runs[-1])
    # Nothing follows a packet that ends with a full block.
    ends_full = len(runs[-1]) > 0 and len(runs[-1]) % _LONGEST_BLOCK == 0
    return bytes(coded + (last[:-1] if ends_full else last))


def _coded_run(run: bytes) -> bytes:
    """The blocks of a run: full ones, then one that is not."""
    coded = bytearray()
    start = 0
    while len(run) - start >= _LONGEST_BLOCK:
        coded.append(_LONGEST_BLOCK + 1)
        coded += run[start : start + _LONGEST_BLOCK]
        start += _LONGEST_BLOCK
    coded.append(len(run) - start + 1)
    coded += run[start:]
    return bytes(coded)


def _unstuffed(coded: bytes) -> bytes | None:
    """What was stuffed into ``coded``, or None where a block breaks off."""
    data = bytearray()
    position = 0
    while position < len(coded):
        code = coded[position]
        block = coded[position + 1 : position + code]
        if len(block) != code - 1:
            return None
        data += block
        position += code
        if code <= _LONGEST_BLOCK and position < len(coded):
            data.append(0)
    return bytes(data)
