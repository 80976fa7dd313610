"""Runs a plan in NumPy inside one array of the arena's size: an oracle that shares no code with the planner.

Every byte knows which row of which tensor it is; a layer may read a row only where all of its bytes are that
row's, before and after it wrote its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgekit.codegen.layers import Layer, Operand, Program
from edgekit.codegen.memory_plan import MemoryPlan
from edgekit.graph.executor import execute
from edgekit.graph.ir import (
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    Graph,
    Int8Array,
    MaxPool2D,
    Op,
    Pad,
    Tensor,
)


class DestroyedRowError(AssertionError):
    """A row is not there when it is needed."""


class RowRunner:
    """One run of ``program``. With ``inputs`` None only owners are followed, no values."""

    def __init__(self, program: Program, plan: MemoryPlan, inputs: Sequence[Int8Array] | None) -> None:
        self.program, self.plan = program, plan
        self.bytes = np.full(plan.arena_bytes, 77, np.int8)
        self.owner = np.full((plan.arena_bytes, 2), -1)
        self.computes = inputs is not None
        self.fed = _rows_of_feed(program, inputs)
        for number, storage in enumerate(program.inputs):
            rows = program.storages[storage]
            for row in range(rows.height):
                self._own(storage, row)
            if inputs is not None:
                place = self._place(storage, 0).start
                self.bytes[place : place + rows.size_bytes] = inputs[number].reshape(-1)

    def run(self) -> None:
        """All segments; the latest layer that can runs next."""
        for segment in self.plan.segments:
            done = dict.fromkeys(segment, 0)
            writer = {self.program.layers[i].storage: i for i in segment if self.program.layers[i].writes}
            while any(done[i] < self.program.layers[i].rows.height for i in segment):
                for index in reversed(segment):
                    layer = self.program.layers[index]
                    if done[index] < layer.rows.height and all(
                        o.storage not in writer or done[writer[o.storage]] > self._last_row(o, done[index])
                        for o in layer.operands
                    ):
                        self._run_row(index, layer, done[index])
                        done[index] += 1
                        break
                else:
                    raise AssertionError(f"segment {segment} is stuck at {done}")
        for storage in self.program.outputs:
            for row in range(self.program.storages[storage].height):
                self._demand(storage, row)

    def output(self, index: int) -> Int8Array:
        """Output ``index`` of the model, flat."""
        storage = self.program.outputs[index]
        start = self.plan.offsets[storage]
        return self.bytes[start : start + self.program.storages[storage].size_bytes]

    def _last_row(self, operand: Operand, y: int) -> int:
        reach, height = operand.reach, self.program.storages[operand.storage].height
        last = y * reach.stride - reach.pad_top + (reach.taps - 1) * reach.dilation
        return height - 1 if operand.is_whole else min(last, height - 1)

    def _run_row(self, index: int, layer: Layer, y: int) -> None:
        if layer.is_feed:
            # The caller may write its row long before it hands it over.
            self._own(layer.storage, y)
            if self.fed is not None:
                self.bytes[self._place(layer.storage, y)] = self.fed[y]
            return
        if layer.call is None:
            for operand in layer.operands:
                self._gather(operand, y)
            return
        if layer.scratch_bytes:
            start = self.plan.scratch_offsets[index]
            assert 0 <= start <= start + layer.scratch_bytes <= self.plan.arena_bytes
            self.owner[start : start + layer.scratch_bytes] = -1
        inputs = [self._gather(operand, y) for operand in layer.operands]
        value = _compute(self.program.graph, layer, inputs) if self.computes else None
        self._own(layer.storage, y)
        if value is not None:
            self.bytes[self._place(layer.storage, y)] = value
        for operand in layer.operands:
            self._gather(operand, y)  # A kernel reads while it writes.
        self._demand(layer.storage, y)

    def _gather(self, operand: Operand, y: int) -> list[Int8Array | None]:
        """The rows that the taps see, None outside."""
        if operand.is_whole:
            for row in range(self.program.storages[operand.storage].height):
                self._demand(operand.storage, row)
            start = self.plan.offsets[operand.storage]
            whole = self.bytes[start : start + operand.rows.size_bytes].reshape(operand.rows.height, -1)
        taps: list[Int8Array | None] = []
        for tap in range(operand.reach.taps):
            row = y * operand.reach.stride - operand.reach.pad_top + tap * operand.reach.dilation
            if not 0 <= row < operand.rows.height:
                taps.append(None)
            elif operand.is_whole:
                taps.append(whole[row].copy())
            else:
                self._demand(operand.storage, row)
                taps.append(self.bytes[self._place(operand.storage, row)].copy())
        return taps

    def _place(self, storage: int, row: int) -> slice:
        row_bytes = self.program.storages[storage].row_bytes
        if storage in self.plan.row_offsets:
            start = self.plan.row_offsets[storage][row]
        else:
            start = self.plan.offsets[storage] + row % self.plan.ring_rows[storage] * row_bytes
        assert 0 <= start <= start + row_bytes <= self.plan.arena_bytes
        return slice(start, start + row_bytes)

    def _own(self, storage: int, row: int) -> None:
        self.owner[self._place(storage, row)] = (storage, row)

    def _demand(self, storage: int, row: int) -> None:
        if not (self.owner[self._place(storage, row)] == (storage, row)).all():
            raise DestroyedRowError(f"row {row} of tensor {storage} is not there")


def _rows_of_feed(program: Program, inputs: Sequence[Int8Array] | None) -> Int8Array | None:
    """The rows that the caller hands over, where it does."""
    if inputs is None or not program.is_streamed:
        return None
    return inputs[0].reshape(program.layers[0].rows.height, -1)


def _compute(graph: Graph, layer: Layer, inputs: list[list[Int8Array | None]]) -> Int8Array:
    """One row of the layer's output from the rows of its inputs."""
    op = layer.op
    if layer.is_partial:
        row, before = inputs[0][0], inputs[1][0]
        assert row is not None
        channels = graph.tensors[op.inputs[0]].shape[3]
        sums = row.reshape(-1, channels).astype(np.int32).sum(axis=0, dtype=np.int32)
        total = sums if before is None else sums + before.view(np.int32)
        return total.astype(np.int32).view(np.int8)
    if layer.operands[0].storage < 0:
        return _mean_of_sums(graph, op, inputs[0][0])
    if isinstance(op, Pad) and inputs[0][0] is None:  # a row that is padding as a whole
        return np.full(layer.rows.row_bytes, op.value, np.int8)
    small, arrays = _row_graph(graph, op, inputs)
    return execute(small, arrays)[0].reshape(-1)


def _mean_of_sums(graph: Graph, op: Op, sums: Int8Array | None) -> Int8Array:
    """From the sums by way of an image of one pixel a summand: slow, but it is the executor's own mean."""
    assert sums is not None
    _, height, width, channels = graph.tensors[op.inputs[0]].shape
    left = sums.view(np.int32).astype(np.int64).copy()
    image = np.zeros((1, height, width, channels), np.int8)
    for y in range(height):
        for x in range(width):
            image[0, y, x] = np.clip(left, -128, 127)
            left -= image[0, y, x]
    assert not left.any()
    return execute(_graph_of(graph, op, [graph.tensors[op.inputs[0]]]), [image])[0].reshape(-1)


def _row_graph(graph: Graph, op: Op, inputs: list[list[Int8Array | None]]) -> tuple[Graph, list[Int8Array]]:
    """``op`` on just those rows."""
    tensors, arrays = [], []
    for index, taps in zip(op.inputs, inputs, strict=True):
        tensor, rows = graph.tensors[index], [row for row in taps if row is not None]
        shape: tuple[int, ...] = (1, len(rows), *tensor.shape[2:])
        if len(tensor.shape) != 4 or np.prod(shape) != sum(row.size for row in rows):
            shape = (len(rows), rows[0].size)  # seen as a flat tensor
        if isinstance(op, Conv2D):
            # An image may be seen as one row.
            shape = (1, len(rows), rows[0].size // tensor.shape[3], tensor.shape[3])
        tensors.append(replace(tensor, shape=shape))
        arrays.append(np.concatenate(rows).reshape(shape))
    return _graph_of(graph, _one_row(op, inputs[0]), tensors), arrays


def _one_row(op: Op, taps: list[Int8Array | None]) -> Op:
    """``op`` for an input of the rows in ``taps`` alone."""
    if isinstance(op, Conv2D | DepthwiseConv2D | AveragePool2D | MaxPool2D):
        inside = [number for number, row in enumerate(taps) if row is not None]
        window = replace(
            op.window,
            stride_height=1,
            dilation_height=1,
            pad_top=inside[0],
            pad_bottom=len(taps) - 1 - inside[-1],
        )
        return replace(op, window=window)
    if isinstance(op, Pad) and len(op.before) == 4:
        return replace(op, before=(0, 0, *op.before[2:]), after=(0, 0, *op.after[2:]))
    return op


def _graph_of(graph: Graph, op: Op, inputs: Sequence[Tensor]) -> Graph:
    numbered = [replace(tensor, index=number) for number, tensor in enumerate(inputs)]
    output = replace(graph.tensors[op.output], index=len(numbered))
    if isinstance(op, Conv2D | DepthwiseConv2D | AveragePool2D | MaxPool2D):
        output = replace(output, shape=(1, 1, *output.shape[2:]))
    small = replace(op, index=0, inputs=tuple(range(len(numbered))), output=len(numbered))
    tensors = {tensor.index: tensor for tensor in (*numbered, output)}
    return Graph("row", "00" * 32, tensors, (small,), small.inputs, (small.output,))
