"""Folds PAD into the window of the operator that reads it: rows and columns outside cost nothing.

TensorFlow writes MobileNetV2's strided convolutions so: PAD, then a convolution without padding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from edgekit.graph.ir import Conv2D, DepthwiseConv2D, Graph, MaxPool2D, Op, Pad, Window
from edgekit.graph.passes.bounds import Bounds, graph_bounds
from edgekit.graph.passes.redundant import without_unread

Windowed: TypeAlias = Conv2D | DepthwiseConv2D | MaxPool2D


def fold_padding(graph: Graph) -> Graph:
    """``graph`` with every PAD of height and width in the window of what reads it, where that is exact.

    A convolution takes elements outside for its zero point; a maximum leaves them out, which is the same
    where nothing inside can be smaller than the padding. An average counts them, so that PAD stays.
    """
    pads = {op.output: op for op in graph.ops if isinstance(op, Pad) and _is_spatial(op)}
    if not pads:
        return graph
    bounds = graph_bounds(graph)
    ops = tuple(
        _folded(op, pads, bounds, graph) if isinstance(op, Conv2D | DepthwiseConv2D | MaxPool2D) else op
        for op in graph.ops
    )
    return without_unread(replace(graph, ops=ops))


def _folded(op: Windowed, pads: Mapping[int, Pad], bounds: Mapping[int, Bounds], graph: Graph) -> Op:
    """``op`` with as many of ``pads`` in its window as are exact there."""
    pad = pads.get(op.inputs[0])
    if pad is None or not _is_exact(op, pad, bounds):
        return op
    window = _with_padding(op, pad, graph)
    return (
        op if window is None else _folded(replace(op, inputs=pad.inputs, window=window), pads, bounds, graph)
    )


def _is_spatial(pad: Pad) -> bool:
    """Whether nothing but height and width of NHWC grow."""
    return len(pad.before) == 4 and not any(pad.before[axis] or pad.after[axis] for axis in (0, 3))


def _is_exact(op: Windowed, pad: Pad, bounds: Mapping[int, Bounds]) -> bool:
    """Whether ``op`` takes elements outside of its input for what ``pad`` puts there."""
    if isinstance(op, MaxPool2D):
        return pad.value <= max(op.activation_min, int(bounds[pad.inputs[0]].low.min()))
    return pad.value == op.input_zero_point


def _with_padding(op: Windowed, pad: Pad, graph: Graph) -> Window | None:
    """The window of ``op`` over the input of ``pad``; None where some window would lie outside as a whole,
    which no kernel is asked to do.
    """
    window = op.window
    _, height, width, _ = graph.tensors[pad.inputs[0]].shape
    _, rows, columns, _ = graph.tensors[op.output].shape
    covered = (
        (window.height - 1) * window.dilation_height + 1,
        (window.width - 1) * window.dilation_width + 1,
    )
    top, left = window.pad_top + pad.before[1], window.pad_left + pad.before[2]
    bottom = max((rows - 1) * window.stride_height + covered[0] - height - top, 0)
    right = max((columns - 1) * window.stride_width + covered[1] - width - left, 0)
    if max(top, bottom) >= covered[0] or max(left, right) >= covered[1]:
        return None
    return replace(window, pad_top=top, pad_bottom=bottom, pad_left=left, pad_right=right)
