"""A transport that does to bytes what a bad cable, a busy USB hub and a chatty firmware do."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from edgekit.device.transport import Transport

TEXTS = (b"I (1234) wifi: connected\r\n", b"assert failed: x.c:12", b"\x1b[0;32mok\x1b[0m\n", b"\xff\xfe\x80")


@dataclass(frozen=True)
class Faults:
    """Chance of each fault for one piece of data (what one write sends or one read returns)."""

    drop_byte: float = 0.0
    drop_piece: float = 0.0
    damage: float = 0.0
    duplicate_byte: float = 0.0
    duplicate_piece: float = 0.0
    delay: float = 0.0
    text_between: float = 0.0
    text_inside: float = 0.0


class LossyTransport:
    """Wraps ``inner``; every decision comes from ``seed``. Bytes keep their order: a UART has no other."""

    def __init__(self, inner: Transport, faults: Faults, seed: int) -> None:
        self._inner = inner
        self._faults = faults
        self._random = random.Random(seed)
        self._held_back = {"out": b"", "in": b""}
        self._last_piece = {"out": b"", "in": b""}
        self.faults_made = 0

    def write(self, data: bytes) -> None:
        self._inner.write(self._spoil(data, "out"))

    def read(self, timeout_s: float) -> bytes:
        return self._spoil(self._inner.read(timeout_s), "in")

    def close(self) -> None:
        self._inner.close()

    def _spoil(self, data: bytes, way: str) -> bytes:
        faults = self._faults
        held_back, self._held_back[way] = self._held_back[way], b""
        if not data:
            return held_back
        previous, self._last_piece[way] = self._last_piece[way], data
        steps: tuple[tuple[float, Callable[[bytes], bytes]], ...] = (
            (faults.duplicate_piece, lambda piece: piece + piece),
            (faults.duplicate_piece / 4, lambda piece: previous + piece),
            (faults.drop_byte, lambda piece: self._replace(piece, lambda _: b"")),
            (faults.damage, lambda piece: self._replace(piece, self._other_byte)),
            (faults.duplicate_byte, lambda piece: self._replace(piece, lambda byte: byte + byte)),
            (faults.text_inside, lambda piece: self._replace(piece, lambda byte: byte + self._text())),
            (faults.text_between, lambda piece: self._text() + piece),
            (faults.drop_piece, lambda _: b""),
        )
        for chance, step in steps:
            if self._happens(chance):
                data = step(data)
        if self._happens(faults.delay) and data:
            cut = self._random.randrange(len(data))
            data, self._held_back[way] = data[:cut], data[cut:]
        return held_back + data

    def _happens(self, chance: float) -> bool:
        happens = self._random.random() < chance
        self.faults_made += happens
        return happens

    def _replace(self, data: bytes, change: Callable[[bytes], bytes]) -> bytes:
        place = self._random.randrange(len(data))
        return data[:place] + change(data[place : place + 1]) + data[place + 1 :]

    def _other_byte(self, byte: bytes) -> bytes:
        return bytes([byte[0] ^ self._random.randrange(1, 256)])

    def _text(self) -> bytes:
        return self._random.choice(TEXTS)
