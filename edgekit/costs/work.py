"""What a layer has to do, as numbers that its instructions grow with.

A kernel that computes tiles of a few pixels walks through its weights once a tile, whatever it does with
them. So instructions are a sum over few kinds of work, each times a factor that was measured for the kernel
(``edgekit.costs.tables``). Nothing here depends on a core or a compiler.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import singledispatch
from typing import TypeAlias

from edgekit.codegen.kernels.values import KernelCall
from edgekit.codegen.layers import Layer, Program
from edgekit.codegen.memory_plan import MemoryPlan
from edgekit.codegen.plan_tables import last_reader
from edgekit.codegen.rows import Reach, pad_extents
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
    Pad,
    Softmax,
    Window,
)

Work: TypeAlias = Mapping[str, int]
"""How often each kind of work is done, by its name. Of all rows of a layer together."""

_LANES = 4
_VECTOR = 16
_LOWEST, _HIGHEST = -128, 127
# Of a filter's bytes, so many at least are no weights, and cost what a filter costs, not what weights do.
_CONSTANT_BYTES = 8


def layer_work(layer: Layer, graph: Graph) -> Work:
    """The work of ``layer``, whose tensors are those of ``graph``. Empty where no kernel runs."""
    if layer.call is None:
        return {}
    rows = layer.rows.height
    work = Counter(
        {"layers": 1, "rows": rows, "taps": rows * sum(operand.reach.taps for operand in layer.operands)}
    )
    if layer.is_partial:
        work["inputs"] = sum(operand.rows.size_bytes for operand in layer.operands[:1])
        work["outputs"] = layer.rows.size_bytes
    else:
        own = {kind: rows * count for kind, count in layer.call.row_work}
        work.update(own or _op_work(layer.op, graph, layer))
        work["clipped"] = layer.rows.size_bytes if _is_clipped(layer.op) else 0
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
    filters, _, _, channels = op.filter.shape
    seen = _Seen(op.window, graph, layer)
    if call.tile_pixels == 1:
        groups = -(-filters // _LANES)
        # Neighbouring columns are a single run.
        runs = seen.width if op.window.dilation_width == 1 else seen.columns
        return {
            "pixels": seen.pixels,
            "outputs": seen.pixels * filters,
            "groups": seen.pixels * groups,
            "runs": seen.rows * runs * groups,
            "products": seen.taps * channels * groups,
        }
    run, rows = op.window.width * channels, layer.rows.height
    tiles = _tiles(seen.width, call)
    edges = rows * _edge_tiles(op.window, seen, tiles)
    work = Counter(
        window_runs=rows * len(tiles) * op.window.height,
        window_words=seen.pixels * op.window.height * (run // _LANES),
        odd_window_bytes=seen.pixels * op.window.height * (run % _LANES),
        edges=edges * op.window.height,
        edge_words=edges * op.window.height * (run // _LANES),
        odd_edge_bytes=edges * op.window.height * (run % _LANES),
    )
    for pixels, count in Counter(tiles).items():
        name = f"tiles_of_{pixels}"
        work[name] = rows * count
        work[f"{name}_channels"] = rows * count * filters
        work[f"{name}_bytes"] = rows * count * max(_weight_bytes(call) - _CONSTANT_BYTES * filters, 0)
    return work


@_op_work.register
def _fully_connected(op: FullyConnected, graph: Graph, layer: Layer) -> Work:
    filters, depth = op.filter.shape
    rows = layer.rows.height
    groups = -(-filters // _LANES)
    return {
        "window_bytes": rows * depth,
        "channels": rows * filters,
        "weight_bytes": rows * _weight_bytes(_call(layer)),
        "groups": rows * groups,
        "products": rows * depth * groups,
    }


@_op_work.register
def _depthwise_conv_2d(op: DepthwiseConv2D, graph: Graph, layer: Layer) -> Work:
    call = _call(layer)
    channels = op.filter.shape[3]
    seen = _Seen(op.window, graph, layer)
    rows = layer.rows.height
    computed = channels + -channels % call.channel_multiple
    # Neighbouring output channels that read neighbouring input channels, or the same one.
    run = channels if op.depth_multiplier == 1 else op.depth_multiplier
    tiles = _tiles(seen.width, call)
    edges = _edge_tiles(op.window, seen, tiles)
    work = Counter(
        channels=rows * computed,
        columns=rows * computed * seen.input_width,
        edge_channels=rows * computed * edges,
    )
    if call.tile_pixels == 1:
        work.update(pixels=seen.pixels, outputs=seen.pixels * channels, runs=seen.pixels * (channels // run))
        for name, in_run in (("lanes", run // _LANES), ("singles", run % _LANES)):
            groups = in_run * (channels // run)
            work[name] = seen.pixels * groups
            work[f"{name}_runs"] = seen.rows * seen.width * groups
            work[f"{name}_products"] = seen.taps * groups
        return work
    for pixels, count in Counter(tiles).items():
        work[f"tiles_of_{pixels}"] = rows * computed * count
        work[f"tiles_of_{pixels}_taps"] = rows * computed * count * op.window.height * op.window.width
    return work


@_op_work.register
def _pool_2d(op: AveragePool2D | MaxPool2D, graph: Graph, layer: Layer) -> Work:
    channels = graph.tensors[op.output].shape[3]
    seen = _Seen(op.window, graph, layer)
    work = Counter[str]()
    # Kernels go through a pixel's channels one by one, or by vectors of sixteen; through its taps one by one,
    # or by pairs of a row's.
    for name, count in (("pixel", 1), ("channel", channels), ("vector", -(-channels // _VECTOR))):
        work[f"{name}s"] = seen.pixels * count
        work[f"{name}_rows"] = seen.rows * seen.width * count
        work[f"{name}_pairs"] = seen.rows * seen.pairs * count
        work[f"{name}_taps"] = seen.taps * count
    return work


@_op_work.register
def _softmax(op: Softmax, graph: Graph, layer: Layer) -> Work:
    outputs = layer.rows.size_bytes
    entries = sum(array.values.size for array in _call(layer).constants())
    return {
        "outputs": outputs,
        "table_entries": layer.rows.height * entries,
        # Of uniformly distributed differences to the highest, 256ths of those that have an exponential.
        "exponentials": outputs * min(1 - op.diff_min, 256),
    }


@_op_work.register
def _mean(op: Mean, graph: Graph, layer: Layer) -> Work:
    _, height, width, channels = graph.tensors[op.inputs[0]].shape
    return {"outputs": channels, "runs": height * channels, "products": height * width * channels}


@_op_work.register
def _pad(op: Pad, graph: Graph, layer: Layer) -> Work:
    (_, height, width, channels), _, _ = pad_extents(op, graph)
    copied = height * width * channels
    return {
        "inside": height,
        "columns": height * width,
        "copied": copied,
        "filled": layer.rows.size_bytes - copied,
    }


def _is_clipped(op: Op) -> bool:
    """Whether an activation leaves out some of the int8 values."""
    limits = (getattr(op, "activation_min", _LOWEST), getattr(op, "activation_max", _HIGHEST))
    return limits != (_LOWEST, _HIGHEST)


class _Seen:
    """What the windows of a layer see of its input, over all rows of the output: ``rows`` of it, each for all
    ``width`` pixels; ``columns`` over the pixels of a row, ``pairs`` of them; ``taps`` over all pixels. A
    kernel that wants nothing for what is outside the input leaves that out.
    """

    def __init__(self, window: Window, graph: Graph, layer: Layer) -> None:
        (operand,) = layer.operands
        call = _call(layer)
        # A convolution may see the image as a single row.
        channels = (graph.tensors[index].shape[3] for index in (layer.op.inputs[0], layer.op.output))
        self.input_width, self.width = (
            rows.row_bytes // depth for rows, depth in zip((operand.rows, layer.rows), channels, strict=True)
        )
        self.pixels = layer.rows.height * self.width
        across = Reach(window.width, window.stride_width, window.dilation_width, window.pad_left)
        self.rows = sum(_inside(operand.reach, layer.rows.height, operand.rows.height, call))
        columns = _inside(across, self.width, self.input_width, call)
        self.columns, self.pairs = sum(columns), sum(-(-count // 2) for count in columns)
        self.taps = self.rows * self.columns


def _inside(reach: Reach, count: int, extent: int, call: KernelCall) -> list[int]:
    """Taps of each of ``count`` windows along an axis of ``extent`` elements that are computed with."""
    if call.outside is not None or reach.taps == 1:
        return [reach.taps] * count
    starts = (index * reach.stride - reach.pad_top for index in range(count))
    return [sum(0 <= start + tap * reach.dilation < extent for tap in range(reach.taps)) for start in starts]


def _call(layer: Layer) -> KernelCall:
    if layer.call is None:
        raise ValueError(f"nothing runs operator {layer.op.index}")
    return layer.call


def _tiles(width: int, call: KernelCall) -> list[int]:
    """The pixels of each tile of a row of ``width`` pixels."""
    if call.row_tiles:
        return [pixels for pixels, count in call.row_tiles for _ in range(count)]
    whole, rest = divmod(width, call.tile_pixels)
    return [call.tile_pixels] * whole + ([rest] if rest else [])


def _edge_tiles(window: Window, seen: _Seen, tiles: Iterable[int]) -> int:
    """How many of a row's ``tiles`` have a window that hangs over an end of the input."""
    count = x = 0
    for pixels in tiles:
        left = x * window.stride_width - window.pad_left
        x += pixels
        last = (min(x, seen.width) - 1) * window.stride_width - window.pad_left
        count += left < 0 or last + (window.width - 1) * window.dilation_width >= seen.input_width
    return count


def _weight_bytes(call: KernelCall) -> int:
    return sum(constant.size_bytes for constant in call.constants() if constant.role == "weights")
