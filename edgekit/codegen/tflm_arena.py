"""How large an arena TFLite Micro needs, computed from the graph, so that every host gives the same figure.

The arena has activations and scratch buffers at its head, planned by a greedy planner that is followed here
exactly, and TFLite Micro's own records and the kernels' at its tail. The tail is estimated: with the sizes
that its structures have on a 64-bit host, which a 32-bit board never exceeds. ``docs/tflm.md`` has the
measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from edgekit.graph.ir import AveragePool2D, Conv2D, DepthwiseConv2D, FullyConnected, Graph, Op, Softmax

KernelLibrary = Literal["reference", "cmsis_nn", "cmsis_nn_mve", "esp_nn", "esp_nn_s3"]
"""Whose kernels a TFLite Micro is built with; ``_mve`` and ``_s3`` are those with vector instructions."""

ALIGNMENT_SLACK_BYTES = 16
"""What must be added to the bytes that TFLite Micro reports as used, because it aligns the tail once more."""

_ALIGNMENT = 16
# Interpreter, allocator and planner, whatever the model.
_FIXED_BYTES = 768
# TfLiteTensor with its quantization, for each input and output.
_BORDER_TENSOR_BYTES = 112
# TfLiteEvalTensor.
_TENSOR_BYTES = 24
# TfLiteNode with its registration, the parsed options, and the kernel's own data.
_OP_BYTES = 64 + 56 + 112
# A multiplier and a shift.
_CHANNEL_BYTES = 8
# Temporary records while the arena is planned: AllocationInfo of each tensor, and what the planner keeps of
# each buffer.
_INFO_BYTES = 32
_PLANNED_BYTES = 40
# Temporary tensors and the kernel's data while one operator is prepared.
_PREPARE_BYTES = 768
# CMSIS-NN's CH_IN_BLOCK_MVE: channels of a depthwise convolution that are gathered at a time.
_MVE_CHANNEL_BLOCK = 124
# Alignments within ESP-NN's scratch buffers.
_SCRATCH_SLACK_BYTES = 128


@dataclass(frozen=True)
class ArenaEstimate:
    """Bytes of head and tail, and of what is needed for a moment while the head is planned."""

    head_bytes: int
    tail_bytes: int
    planning_bytes: int

    @property
    def total_bytes(self) -> int:
        """What the arena must have, a multiple of 16."""
        body_bytes = max(self.head_bytes, self.planning_bytes)
        return _align(body_bytes + self.tail_bytes + ALIGNMENT_SLACK_BYTES)


def estimate_arena(graph: Graph, stored_tensors: int, kernels: KernelLibrary) -> ArenaEstimate:
    """The arena of ``graph``, read from a file with ``stored_tensors`` tensors, with those kernels."""
    buffers = _buffers(graph, kernels)
    ops = len(graph.ops)
    border = len(graph.inputs) + len(graph.outputs)
    kernel_bytes = sum(_channels(op) * _CHANNEL_BYTES + _kept_bytes(graph, op, kernels) for op in graph.ops)
    tail_bytes = (
        _FIXED_BYTES
        + border * _BORDER_TENSOR_BYTES
        + stored_tensors * _TENSOR_BYTES
        + ops * _OP_BYTES
        + kernel_bytes
    )
    planning_bytes = (stored_tensors + ops) * _INFO_BYTES + len(buffers) * _PLANNED_BYTES
    return ArenaEstimate(_greedy_head(buffers), _align(tail_bytes), planning_bytes)


def tightened_bytes(used_bytes: int, estimate: ArenaEstimate, prepare: int) -> int:
    """The arena that suffices a device which reported ``used_bytes``; ``prepare`` as :func:`prepare_bytes`.

    It reports head and tail. Where the head is small, what planning takes for a moment counts instead, or
    what the engine holds ready for each operator.
    """
    momentary_bytes = max(0, max(estimate.planning_bytes, prepare) - estimate.head_bytes)
    return _align(used_bytes + momentary_bytes + ALIGNMENT_SLACK_BYTES)


def least_bytes(estimate: ArenaEstimate) -> int:
    """An arena below this cannot work with any kernels: it does not even hold the activations."""
    return estimate.head_bytes + ALIGNMENT_SLACK_BYTES


def prepare_bytes(graph: Graph, kernels: KernelLibrary) -> int:
    """What preparing any one operator may take from the arena, temporary tensors included.

    TFLite Micro's kernels do not look whether they got it, so the engine makes sure before they run.
    """
    per_op = (_channels(op) * (_CHANNEL_BYTES + 8) + _kept_bytes(graph, op, kernels) for op in graph.ops)
    return _align(_PREPARE_BYTES + max(per_op, default=0))


@dataclass(frozen=True)
class _Buffer:
    """Bytes at the head, alive from step ``first`` to ``last``: step 0 writes the inputs."""

    size_bytes: int
    first: int
    last: int


def _buffers(graph: Graph, kernels: KernelLibrary) -> list[_Buffer]:
    """In the order of TFLite Micro: tensors by index, then scratch buffers."""
    end = len(graph.ops)
    first = dict.fromkeys(graph.inputs, 0)
    last = dict.fromkeys(graph.outputs, end)
    scratch = []
    for step, op in enumerate(graph.ops, start=1):
        first[op.output] = step
        for index in op.inputs:
            last[index] = max(last.get(index, 0), step)
        size_bytes = _scratch_bytes(graph, op, kernels)
        if size_bytes:
            scratch.append(_Buffer(_align(size_bytes), step, step))
    tensors = [
        _Buffer(_align(graph.tensors[index].size_bytes), first[index], last.get(index, first[index]))
        for index in sorted(first)
    ]
    return tensors + scratch


def _greedy_head(buffers: Sequence[_Buffer]) -> int:
    """Bytes of a plan that places the largest buffer first, of equals the later, each as low as it can."""
    order = sorted(range(len(buffers)), key=lambda number: (-buffers[number].size_bytes, -number))
    placed: list[tuple[int, _Buffer]] = []
    for number in order:
        buffer = buffers[number]
        offset = 0
        for start, other in placed:
            if other.first > buffer.last or buffer.first > other.last:
                continue
            if start - offset >= buffer.size_bytes:
                break
            offset = max(offset, start + other.size_bytes)
        placed.append((offset, buffer))
        placed.sort(key=lambda entry: entry[0])
    return max((offset + buffer.size_bytes for offset, buffer in placed), default=0)


def _filter(op: Conv2D | DepthwiseConv2D | FullyConnected) -> tuple[int, ...]:
    """Shape of the weights."""
    return op.filter.shape


def _channels(op: Op) -> int:
    """Output channels for which the kernels keep a multiplier and a shift each."""
    if isinstance(op, Conv2D):
        return _filter(op)[0]
    if isinstance(op, DepthwiseConv2D):
        return _filter(op)[3]
    if isinstance(op, FullyConnected) and op.requantization.multiplier.size > 1:
        return _filter(op)[0]
    return 0


def _kept_bytes(graph: Graph, op: Op, kernels: KernelLibrary) -> int:
    """What a kernel library keeps at the tail: CMSIS-NN with Helium the sums of a dense layer's weights."""
    if kernels == "cmsis_nn_mve" and isinstance(op, FullyConnected):
        return 4 * graph.tensors[op.output].shape[-1]
    return 0


def _scratch_bytes(graph: Graph, op: Op, kernels: KernelLibrary) -> int:
    """The most that a kernel library asks for while ``op`` runs, on any core."""
    if kernels in {"cmsis_nn", "cmsis_nn_mve"}:
        return _cmsis_nn_scratch_bytes(graph, op, has_mve=kernels == "cmsis_nn_mve")
    if kernels == "reference":
        return 0
    if isinstance(op, Softmax):
        return 4 * graph.tensors[op.output].shape[-1]
    return _esp_nn_s3_scratch_bytes(graph, op) if kernels == "esp_nn_s3" else 0


def _cmsis_nn_scratch_bytes(graph: Graph, op: Op, *, has_mve: bool) -> int:
    """Not below CMSIS-NN's ``arm_*_s8_get_buffer_size``, with Helium or without."""
    if isinstance(op, Conv2D):
        pointwise = prod(_filter(op)[1:3]) == 1
        return 4 * (_filter(op)[3] if pointwise else _align(prod(_filter(op)[1:])))
    if isinstance(op, DepthwiseConv2D):
        area = prod(_filter(op)[1:3])
        converted = 5 * _align(area * _filter(op)[3])  # one input channel: as a convolution
        channels = graph.tensors[op.inputs[0]].shape[3]
        if not has_mve:
            return 2 * channels * area
        return max(4 * _MVE_CHANNEL_BLOCK * area, converted if channels == 1 else 0)
    if isinstance(op, FullyConnected):
        outputs, inputs = _filter(op)
        return 8 * outputs + 4 * inputs if len(graph.tensors[op.output].shape) > 2 else 0
    return 4 * graph.tensors[op.output].shape[3] if isinstance(op, AveragePool2D) else 0


def _esp_nn_s3_scratch_bytes(graph: Graph, op: Op) -> int:
    """Not below ESP-NN 1.4's ``esp_nn_get_*_scratch_size_esp32s3``: copies of weights, input and output."""
    if isinstance(op, Conv2D):
        return _esp_nn_s3_conv_bytes(graph, op)
    if not isinstance(op, DepthwiseConv2D):
        return 0
    _, height, width, channels = graph.tensors[op.inputs[0]].shape
    outputs = prod(graph.tensors[op.output].shape[:3])
    area, window = prod(_filter(op)[1:3]), op.window
    padded = (height + window.height + window.stride_height) * (width + window.width + window.stride_width)
    if area == 9 and channels % 16 == 0:
        return channels * (area + padded) + _SCRATCH_SLACK_BYTES
    if area == 9 and channels % 8 == 0 and channels >= 12:
        return _align(channels) * (area + padded + outputs) + _SCRATCH_SLACK_BYTES
    widened = 2 * _align(channels, 8) * (area * op.depth_multiplier + height * width)
    gathered = 0 if channels % 8 == 0 else _align(channels, 8) * (outputs + 12)
    return widened + gathered + _SCRATCH_SLACK_BYTES


def _esp_nn_s3_conv_bytes(graph: Graph, op: Conv2D) -> int:
    _, height, width, channels = graph.tensors[op.inputs[0]].shape
    outputs, window = _filter(op)[0], op.window
    if prod(_filter(op)[1:3]) == 1 and window.stride_height == window.stride_width == 1:
        padded = _align(channels, 8)
        copied = height * width * padded if channels % 8 else 0
        return padded * (outputs + 16) + copied + _SCRATCH_SLACK_BYTES
    row_elements = window.width * channels
    if row_elements < 16 <= window.height * row_elements:
        gathered = _align(window.height * row_elements)
        return outputs * (4 + gathered) + gathered + _SCRATCH_SLACK_BYTES
    area = (height + window.height + window.stride_height) * (width + window.width + window.stride_width)
    weights = window.height * (window.width * _align(channels) + _align(row_elements))
    return 2 * area * channels + outputs * (weights + 4) + _SCRATCH_SLACK_BYTES


def _align(size_bytes: int, alignment: int = _ALIGNMENT) -> int:
    return -(-size_bytes // alignment) * alignment
