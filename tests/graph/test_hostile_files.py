"""Damaged files: whatever the bytes, the reader answers with a graph that runs or with its own error."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import EdgekitError, ModelError
from edgekit.graph.executor import execute
from edgekit.graph.tflite import read_tflite

FLIPS = 40
EXTREME_WORDS = (0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


def read_and_run(data: bytes) -> bool:
    """Whether the reader accepts ``data``; what it accepts must execute."""
    try:
        graph = read_tflite(data, "damaged")
    except EdgekitError:
        return False
    execute(graph, [np.zeros((1, *graph.tensors[index].shape[1:]), np.int8) for index in graph.inputs])
    return True


def structure_positions(model: bytes) -> np.ndarray:
    """Offsets of the bytes that are not weights: there the tables, offsets and lengths lie."""
    data = np.frombuffer(model, dtype=np.uint8)
    start = data.__array_interface__["data"][0]
    structural = np.ones(len(data), dtype=bool)
    tables = schema.Model.GetRootAs(model, 0)
    for number in range(tables.BuffersLength()):
        if tables.Buffers(number).DataLength():
            values = tables.Buffers(number).DataAsNumpy()
            offset = values.__array_interface__["data"][0] - start
            structural[offset : offset + len(values)] = False
    return np.flatnonzero(structural)


def test_damaged_bytes(mlperf_tiny_model):
    model = mlperf_tiny_model.read_bytes()
    generator = np.random.default_rng(len(model))
    accepted = 0
    for position in generator.choice(structure_positions(model), FLIPS, replace=False):
        damaged = bytearray(model)
        damaged[position] ^= int(generator.integers(1, 256))
        accepted += read_and_run(bytes(damaged))
    assert 0 < accepted < FLIPS, "the damage must matter sometimes, and sometimes not"


def test_extreme_words(mlperf_tiny_model):
    model = mlperf_tiny_model.read_bytes()
    generator = np.random.default_rng(len(model))
    positions = structure_positions(model)
    for position in generator.choice(positions[positions % 4 == 0], FLIPS, replace=False):
        word = EXTREME_WORDS[generator.integers(len(EXTREME_WORDS))]
        read_and_run(model[:position] + word.to_bytes(4, "little") + model[position + 4 :])


def test_truncated_files(mlperf_tiny_model):
    model = mlperf_tiny_model.read_bytes()
    lengths = np.unique(np.concatenate([np.arange(64), np.geomspace(64, len(model) - 1, 60).astype(int)]))
    for length in lengths:
        with pytest.raises(ModelError, match="not a TensorFlow Lite model, or is damaged"):
            read_tflite(model[:length], "truncated")


@given(st.binary(max_size=300))
def test_random_bytes_behind_the_identifier(tail):
    assert not read_and_run(b"\x10\0\0\0TFL3" + tail)
