"""A depthwise convolution of a single input channel is a convolution: the same products, the same bytes.

Kernels for convolutions use an element for several filters at a time; those for depthwise ones look for
channels side by side, and find one. Keyword networks begin so: one channel, a window of 10 x 4, eight
outputs. With one output there is nothing to be shared, and depthwise kernels are the better ones.
"""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from edgekit.graph.ir import Conv2D, DepthwiseConv2D, Graph, Op


def as_convolutions(graph: Graph) -> Graph:
    """``graph`` with every DEPTHWISE_CONV_2D of one input channel and several outputs as a CONV_2D."""
    return replace(graph, ops=tuple(_as_convolution(op) for op in graph.ops))


def _as_convolution(op: Op) -> Op:
    if not isinstance(op, DepthwiseConv2D) or not 1 < op.depth_multiplier == op.filter.shape[3]:
        return op
    shared = {field.name: getattr(op, field.name) for field in fields(Conv2D)}
    # (1, H, W, O) to (O, H, W, 1).
    return Conv2D(**{**shared, "filter": np.ascontiguousarray(op.filter.transpose(3, 1, 2, 0))})
