"""A depthwise convolution of a single input channel is a convolution: the same products, the same bytes.

Kernels for convolutions use an element for several filters at a time; those for depthwise ones look for
channels side by side, and find one. Keyword networks begin so: one channel, a window of 10 x 4, eight
outputs. With one output there is nothing to be shared, and depthwise kernels are the better ones.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TypeGuard

import numpy as np

from edgekit.graph.ir import Conv2D, DepthwiseConv2D, Graph, Op


def as_convolutions(graph: Graph) -> Graph:
    """``graph`` with every DEPTHWISE_CONV_2D of one input channel and several outputs as a CONV_2D."""
    if not any(map(_is_convolution, graph.ops)):
        return graph
    return replace(graph, ops=tuple(_as_convolution(op) if _is_convolution(op) else op for op in graph.ops))


def _is_convolution(op: Op) -> TypeGuard[DepthwiseConv2D]:
    return isinstance(op, DepthwiseConv2D) and 1 < op.depth_multiplier == op.filter.shape[3]


def _as_convolution(op: DepthwiseConv2D) -> Conv2D:
    shared = {field.name: getattr(op, field.name) for field in fields(Conv2D)}
    # (1, H, W, O) to (O, H, W, 1).
    return Conv2D(**{**shared, "filter": np.ascontiguousarray(op.filter.transpose(3, 1, 2, 0))})
