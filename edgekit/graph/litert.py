"""What the reference kernels of LiteRT compute where they do not compute what TFLite Micro does.

It is one thing: FULLY_CONNECTED rounds once (``ai-edge-litert`` 2.x; ``tflite-runtime`` 2.14 rounds twice, as
TFLite Micro does). Measured on single layers, per tensor and per channel, and on the MLPerf Tiny models: with
this and nothing else changed, every byte agrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from edgekit.graph import executor
from edgekit.graph.ir import FullyConnected, Graph, Int8Array, Op


@dataclass(frozen=True)
class SingleRoundedFullyConnected(FullyConnected):
    """FULLY_CONNECTED whose requantization rounds the whole product once, ties towards plus infinity."""

    @property
    def opcode(self) -> str:
        """As in the .tflite."""
        return "FULLY_CONNECTED"


def with_single_rounding(graph: Graph) -> Graph:
    """``graph`` as LiteRT's reference kernels compute it; for the executor only."""
    return replace(graph, ops=tuple(_single_rounded(op) for op in graph.ops))


def _single_rounded(op: Op) -> Op:
    if type(op) is not FullyConnected:
        return op
    return SingleRoundedFullyConnected(**{field.name: getattr(op, field.name) for field in fields(op)})


@executor._run.register
def _fully_connected(op: SingleRoundedFullyConnected, inputs: Sequence[Int8Array], graph: Graph) -> Int8Array:
    weights = op.filter.astype(np.int64) - op.filter_zero_point
    rows = inputs[0].reshape(-1, weights.shape[1]).astype(np.int64) - op.input_zero_point
    accumulator = (rows @ weights.T + op.bias).astype(np.int32)
    scaled = _rounded_once(accumulator, op) + op.output_zero_point
    outputs: Int8Array = np.clip(scaled, op.activation_min, op.activation_max).astype(np.int8)
    return outputs.reshape(-1, *graph.tensors[op.output].shape[1:])


def _rounded_once(accumulator: NDArray[np.int32], op: FullyConnected) -> NDArray[np.int64]:
    """floor(accumulator * multiplier / 2**(31 - shift) + 1/2)."""
    factors = op.requantization
    bits = 31 - factors.shift.astype(np.int64)
    product = accumulator.astype(np.int64) * factors.multiplier.astype(np.int64)
    rounded: NDArray[np.int64] = (product + (np.int64(1) << (bits - 1))) >> bits
    return rounded
