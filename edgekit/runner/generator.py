"""Inputs generated from a seed: ``docs/protocol.md``, section 6."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WORD_STEP = np.uint32(0x9E3779B9)


def generate_bytes(seed: int, size_bytes: int) -> bytes:
    """The first ``size_bytes`` bytes of the stream of ``seed`` (below 2**32)."""
    counts = np.arange(1, size_bytes // 4 + 2, dtype=np.uint32)
    words = _stir(_stir(np.array([seed], dtype=np.uint32)) + counts * _WORD_STEP)
    return words.astype("<u4").tobytes()[:size_bytes]


def _stir(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The finaliser of MurmurHash3 (Austin Appleby, public domain)."""
    words = (words ^ (words >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    words = (words ^ (words >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return words ^ (words >> np.uint32(16))
