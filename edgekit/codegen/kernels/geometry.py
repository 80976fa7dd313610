"""Structs for shapes and windows that kernels of all kinds take."""

from __future__ import annotations

import numpy as np

from edgekit.codegen.kernels.values import Struct, array, struct, uint16
from edgekit.graph.ir import Conv2D, DepthwiseConv2D, Graph, Window


def row_shape(graph: Graph, index: int) -> Struct:
    """``ek_row_shape`` of an NHWC activation."""
    _, _, width, channels = graph.tensors[index].shape
    return array(map(uint16, (width, channels)))


def window_struct(window: Window) -> Struct:
    """``ek_window``."""
    return struct(
        height=uint16(window.height),
        width=uint16(window.width),
        stride=uint16(window.stride_width),
        dilation=uint16(window.dilation_width),
        pad_left=uint16(window.pad_left),
    )


def outside_value(op: Conv2D | DepthwiseConv2D) -> int | None:
    """What rows above and below the input hold, where there are such."""
    return op.input_zero_point if op.window.pad_top > 0 or op.window.pad_bottom > 0 else None


def sees_columns(op: Conv2D | DepthwiseConv2D, graph: Graph) -> bool:
    """Whether every window has a column inside the input."""
    first = np.arange(graph.tensors[op.output].shape[2]) * op.window.stride_width - op.window.pad_left
    columns = first[:, None] + np.arange(op.window.width) * op.window.dilation_width
    inside = (columns >= 0) & (columns < graph.tensors[op.inputs[0]].shape[2])
    return bool(inside.any(axis=1).all())
