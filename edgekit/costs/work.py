"""What a layer has to do, as numbers that its instructions grow with.

A kernel that computes tiles of a few pixels walks through its weights once a tile, whatever it does with
them. So instructions are a sum over few kinds of work, each times a factor that was measured for the kernel
(``edgekit.costs.tables``). Nothing here depends on a core or a compiler.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import singledispatch
from math import prod
from typing import TypeAlias

from edgekit.codegen.kernels.values import KernelCall
from edgekit.codegen.layers import Layer, Program
from edgekit.codegen.memory_plan import MemoryPlan
from edgekit.codegen.plan_tables import last_reader
from edgekit.codegen.rows import Reach
from edgekit.codegen.schedule import Turns
from edgekit.graph.ir import (
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    MaxPool2D,
    Mean,
    Op,
    Window,
)

Work: TypeAlias = Mapping[str, int]
"""How often each kind of work is done, by its name. Of all rows of a layer together."""

_LANES = 4
# Of a filter's bytes, so many at least are no weights, and cost what a filter costs, not what weights do.
_CONSTANT_BYTES = 8


def layer_work(layer: Layer, graph: Graph) -> Work:
    """The work of ``layer``, whose tensors are those of ``graph``. Empty where no kernel runs."""
    if layer.call is None:
        return {}
    rows = layer.rows.height
    work = Counter({"rows": rows, "taps": rows * sum(operand.reach.taps for operand in layer.operands)})
    if layer.is_partial or isinstance(layer.op, Mean):
        work["inputs"] = sum(operand.rows.size_bytes for operand in layer.operands[:1])
        work["outputs"] = layer.rows.size_bytes
    else:
        work.update(_op_work(layer.op, graph, layer))
    return {kind: count for kind, count in work.items() if count}


def engine_work(program: Program, plan: MemoryPlan) -> Work:
    """What the engine does besides running rows: in a segment of several layers it looks for the next one
    that can be run, at those that have run to their end (``ends``) and at those that have not (``waits``).
    """
    work = Counter[str]()
    for segment in plan.segments:
        if len(segment) > 1:
            work.update(_looks(program, segment))
    return dict(work)


def _looks(program: Program, segment: range) -> Counter[str]:
    """How often it looks in vain. It begins at the last layer, and again at the last reader of what was just
    computed.
    """
    looks = Counter[str]()
    turns = Turns(program, segment)
    index = segment.stop - 1
    while index >= segment.start:
        if turns.is_ready(index):
            turns.take(index)
            index = last_reader(program, index, segment)
        else:
            looks["ends" if turns.next_row(index) is None else "waits"] += 1
            index -= 1
    return looks


@singledispatch
def _op_work(op: Op, graph: Graph, layer: Layer) -> Work:
    return {"outputs": layer.rows.size_bytes}


@_op_work.register
def _conv_2d(op: Conv2D, graph: Graph, layer: Layer) -> Work:
    call = _call(layer)
    filters, depth = op.filter.shape[0], prod(op.filter.shape[1:])
    input_width = graph.tensors[op.inputs[0]].shape[2]
    rows, width = layer.rows.height, layer.rows.row_bytes // filters
    if call.tile_pixels == 1:
        rows_seen = _rows_seen(layer, op.window.height)
        columns = _columns_seen(op.window, input_width, width, call)
        return {
            "pixels": rows * width,
            "outputs": rows * width * filters,
            **_in_lanes("products", rows_seen * columns * op.filter.shape[3], filters),
            **_in_lanes("runs", rows_seen * width, filters),
        }
    edges = rows * _edge_tiles(op.window, input_width, width, call.tile_pixels) * depth
    work = {
        "window_bytes": rows * width * depth,
        "odd_edges" if op.filter.shape[3] % _LANES else "edges": edges,
    }
    for name, count in _tiles(width, call.tile_pixels).items():
        work |= {
            name: rows * count,
            f"{name}_channels": rows * count * filters,
            **{f"{name}_{what}": rows * count * met for what, met in _walk(call, filters)},
        }
    return work


@_op_work.register
def _fully_connected(op: FullyConnected, graph: Graph, layer: Layer) -> Work:
    filters, depth = op.filter.shape
    rows = layer.rows.height
    weight_bytes = _weight_bytes(_call(layer))
    return {
        "window_bytes": rows * depth,
        "channels": rows * filters,
        "weight_bytes": rows * weight_bytes,
        **_in_lanes("products", rows * depth, filters),
        **_in_lanes("runs", rows, filters),
    }


@_op_work.register
def _depthwise_conv_2d(op: DepthwiseConv2D, graph: Graph, layer: Layer) -> Work:
    call = _call(layer)
    channels = op.filter.shape[3]
    input_width = graph.tensors[op.inputs[0]].shape[2]
    width = layer.rows.row_bytes // channels
    channels += -channels % call.channel_multiple
    rows, rows_seen = layer.rows.height, _rows_seen(layer, op.window.height)
    work = {
        "channels": rows * channels,
        "columns": rows * channels * input_width,
        "edge_channels": rows * channels * _edge_tiles(op.window, input_width, width, call.tile_pixels),
        **_in_lanes("products", rows_seen * _columns_seen(op.window, input_width, width, call), channels),
        **_in_lanes("runs", rows_seen * width, channels),
    }
    # Groups of channels that are computed together, and how often their window is walked through.
    groups = -(-channels * call.merged_pixels // call.tile_channels)
    for name, count in _tiles(-(-width // call.merged_pixels), call.tile_pixels).items():
        work[f"{name}_groups"] = rows * groups * count
        work[f"{name}_taps"] = rows * groups * count * op.window.height * op.window.width
    return work


@_op_work.register
def _pool_2d(op: AveragePool2D | MaxPool2D, graph: Graph, layer: Layer) -> Work:
    rows = _rows_seen(layer, op.window.height)
    return {
        "outputs": layer.rows.size_bytes,
        "runs": rows * layer.rows.row_bytes,
        "products": rows * op.window.width * layer.rows.row_bytes,
    }


def _call(layer: Layer) -> KernelCall:
    if layer.call is None:
        raise ValueError(f"nothing runs operator {layer.op.index}")
    return layer.call


def _tiles(width: int, pixels: int) -> dict[str, int]:
    """How many tiles of each size a row of ``width`` pixels takes; smaller ones only at its end."""
    rest = width % pixels
    sizes = {"tiles": width // pixels}
    return sizes | ({f"tiles_of_{rest}": 1} if rest else {})


def _in_lanes(kind: str, count: int, channels: int) -> dict[str, int]:
    """``count`` for each channel: the portable kernels take four at a time, the rest one by one."""
    rest = channels % _LANES
    return {kind: count * (channels - rest), f"odd_{kind}": count * rest}


def _edge_tiles(window: Window, input_width: int, width: int, pixels: int) -> int:
    """How many tiles of a row have a window that hangs over an end of the input."""
    count = 0
    for x in range(0, width, pixels):
        left = x * window.stride_width - window.pad_left
        last = min(x + pixels, width) - 1
        right = last * window.stride_width - window.pad_left + (window.width - 1) * window.dilation_width
        count += left < 0 or right >= input_width
    return count


def _rows_seen(layer: Layer, taps: int) -> int:
    """Rows of the window that are computed with, over all rows of the output: a kernel that wants no rows for
    those outside the input leaves them out.
    """
    (operand, *_) = layer.operands
    if _call(layer).outside is not None or taps == 1:
        return layer.rows.height * taps
    return sum(_inside(operand.reach, y, operand.rows.height) for y in range(layer.rows.height))


def _columns_seen(window: Window, input_width: int, width: int, call: KernelCall) -> int:
    """The same for columns, over all pixels of a row."""
    if call.outside is not None or window.width == 1:
        return width * window.width
    reach = Reach(window.width, window.stride_width, window.dilation_width, window.pad_left)
    return sum(_inside(reach, x, input_width) for x in range(width))


def _inside(reach: Reach, y: int, height: int) -> int:
    first = y * reach.stride - reach.pad_top
    return sum(0 <= first + tap * reach.dilation < height for tap in range(reach.taps))


def _walk(call: KernelCall, filters: int) -> tuple[tuple[str, int], ...]:
    """What a walk through the weights of so many filters meets."""
    return call.walk or (("bytes", max(_weight_bytes(call) - _CONSTANT_BYTES * filters, 0)),)


def _weight_bytes(call: KernelCall) -> int:
    return sum(constant.size_bytes for constant in call.constants() if constant.role == "weights")
