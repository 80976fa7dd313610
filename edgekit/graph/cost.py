"""Multiply-accumulate operations of a graph: the figure that latency is compared by."""

from __future__ import annotations

from math import prod

from edgekit.graph.ir import Conv2D, DepthwiseConv2D, FullyConnected, Graph, Op


def op_macs(graph: Graph, op: Op) -> int:
    """Products that ``op`` sums for one inference, those with padding included; 0 without a filter."""
    output = graph.tensors[op.output]
    if isinstance(op, Conv2D | FullyConnected):
        return output.size_bytes * prod(op.filter.shape[1:])
    if isinstance(op, DepthwiseConv2D):
        return output.size_bytes * op.window.height * op.window.width
    return 0


def graph_macs(graph: Graph) -> int:
    """The sum of :func:`op_macs` over all operators."""
    return sum(op_macs(graph, op) for op in graph.ops)


def weight_bytes(graph: Graph) -> int:
    """Bytes of all filters and biases."""
    weighted = (op for op in graph.ops if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected))
    return sum(op.filter.nbytes + op.bias.nbytes for op in weighted)
