"""Inputs generated from a seed, the same on host and device, so that vectors need no transfer.

The stream of a seed is a sequence of 32-bit words, each four bytes of it, lowest byte first::

    word[i] = stir(stir(seed) + (i + 1) * 0x9E3779B9)          modulo 2**32, i = 0, 1, 2, …

where ``stir`` is the finaliser of MurmurHash3 (Austin Appleby, public domain). A model's inputs, one
after the other, are the stream's first bytes, each read as int8. In C: ``ek_link_generate``.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

_WORD_STEP = np.uint32(0x9E3779B9)


def generate_bytes(seed: int, size_bytes: int) -> NDArray[np.int8]:
    """The first ``size_bytes`` bytes of the stream of ``seed`` (below 2**32), as int8."""
    counts = np.arange(1, size_bytes // 4 + 2, dtype=np.uint32)
    words = _stir(_stir(np.array([seed], dtype=np.uint32)) + counts * _WORD_STEP)
    return words.astype("<u4").view(np.int8)[:size_bytes]


def generate_inputs(seed: int, shapes: Sequence[tuple[int, ...]]) -> tuple[NDArray[np.int8], ...]:
    """Arrays of ``shapes`` (those of a model's inputs, in order), cut from the stream of ``seed``."""
    stream = generate_bytes(seed, sum(prod(shape) for shape in shapes))
    ends = np.cumsum([prod(shape) for shape in shapes])[:-1]
    return tuple(part.reshape(shape) for part, shape in zip(np.split(stream, ends), shapes, strict=True))


def _stir(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    words = (words ^ (words >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    words = (words ^ (words >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return words ^ (words >> np.uint32(16))
