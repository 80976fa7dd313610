"""Compares edgekit's reader and executor with the TFLM interpreter on the host, byte by byte."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edgekit.golden import TflmInterpreter
from edgekit.graph.executor import execute, execute_all
from edgekit.graph.ir import Graph, Int8Array
from edgekit.graph.tflite import read_tflite


def open_tflm(model: bytes, graph: Graph) -> TflmInterpreter:
    """The host interpreter; skips the test where its wheel does not exist."""
    pytest.importorskip("tflite_micro", reason="tflite-micro has wheels for Linux on x86-64 only")
    return TflmInterpreter(model, graph)


def probing_inputs(graph: Graph, noise: int = 12, seed: int = 1) -> list[Int8Array]:
    """Uniform noise, then all -128, all 127, a ramp and a checkerboard: (noise + 4, ...) an input."""
    generator = np.random.default_rng(seed)
    inputs = []
    for index in graph.inputs:
        shape = graph.tensors[index].shape[1:]
        size = int(np.prod(shape))
        ramp = (np.arange(size) % 256 - 128).reshape(shape)
        checkerboard = np.where(np.arange(size).reshape(shape) % 2, 127, -128)
        corners = np.stack([np.full(shape, -128), np.full(shape, 127), ramp, checkerboard])
        random = generator.integers(-128, 128, (noise, *shape))
        inputs.append(np.concatenate([random, corners]).astype(np.int8))
    return inputs


def assert_equal_outputs(model: bytes, inputs: Sequence[Int8Array] | None = None) -> Int8Array:
    """Asserts equal first outputs on ``inputs``, or on probing ones; returns them for further asserts."""
    graph = read_tflite(model, "model")
    used = probing_inputs(graph) if inputs is None else inputs
    (expected,) = open_tflm(model, graph).run(used)
    (actual,) = execute(graph, used)
    np.testing.assert_array_equal(actual, expected)
    return actual


def assert_equal_layers(model: bytes, graph: Graph, inputs: Sequence[Int8Array]) -> None:
    """Asserts that every activation equals TFLM's, naming the first operator whose output does not."""
    tflm = open_tflm(model, graph)
    expected, actual = tflm.tensors(inputs), execute_all(graph, inputs)
    for op in graph.ops:
        differing = np.count_nonzero(expected[op.output] != actual[op.output])
        assert differing == 0, f"operator {op.index}, {op.opcode}: {differing} bytes differ"
    for index, output in zip(graph.outputs, tflm.run(inputs), strict=True):
        np.testing.assert_array_equal(actual[index], output)


def distinct_rows(outputs: Int8Array) -> int:
    """How many different outputs a batch has: a comparison of equal outputs proves little."""
    return len(np.unique(outputs.reshape(len(outputs), -1), axis=0))
