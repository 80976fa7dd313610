"""A graph as layers that run row by row: what the schedule, the memory plan and the C writer work on.

RESHAPE makes no new bytes: its output is stored where its input is. A layer that sees
a tensor under other rows than those in which it was written needs it as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.codegen.kernel_calls import KernelCall, kernel_call
from edgekit.codegen.rows import Reach, Rows, operands, output_rows, own_rows
from edgekit.graph.ir import Graph, Op, Reshape


@dataclass(frozen=True)
class Operand:
    """A tensor as a layer reads it. ``storage`` is the tensor whose bytes it is.

    ``is_whole``: the layer sees it under other rows than those in which it is written, so all of them must
    be there while the layer runs.
    """

    storage: int
    rows: Rows
    reach: Reach
    is_whole: bool


@dataclass(frozen=True)
class Layer:
    """One operator. ``call`` is None where it moves no byte; ``storage`` is the tensor that it writes."""

    op: Op
    operands: tuple[Operand, ...]
    storage: int
    rows: Rows
    call: KernelCall | None

    @property
    def scratch_bytes(self) -> int:
        """Bytes that the kernel needs besides."""
        return 0 if self.call is None else self.call.scratch_bytes


@dataclass(frozen=True)
class Program:
    """``layers`` in execution order. ``storages`` maps each tensor that owns bytes to its rows; ``aliases``
    maps every activation to the tensor whose bytes it is.
    """

    graph: Graph
    layers: tuple[Layer, ...]
    storages: Mapping[int, Rows]
    aliases: Mapping[int, int]

    @property
    def inputs(self) -> tuple[int, ...]:
        """Storages of the model's inputs."""
        return tuple(self.aliases[index] for index in self.graph.inputs)

    @property
    def outputs(self) -> tuple[int, ...]:
        """Storages of the model's outputs."""
        return tuple(self.aliases[index] for index in self.graph.outputs)


def lower(graph: Graph) -> Program:
    """The layers of ``graph``, each with its kernel. Raises ModelError where an operator has none."""
    storages = {index: own_rows(graph.tensors[index]) for index in graph.inputs}
    aliases = {index: index for index in graph.inputs}
    layers = []
    for op in graph.ops:
        reads = [(aliases[index], rows, reach) for index, rows, reach in operands(op, graph)]
        reading = tuple(
            Operand(storage, rows, reach, is_whole=storages[storage] != rows)
            for storage, rows, reach in reads
        )
        if isinstance(op, Reshape):
            aliases[op.output] = aliases[op.inputs[0]]
        else:
            aliases[op.output] = op.output
            storages[op.output] = output_rows(op, graph)
        call = kernel_call(graph, op)
        rows = storages[op.output] if call is not None else reading[0].rows
        layers.append(Layer(op, reading, aliases[op.output], rows, call))
    return Program(graph, tuple(layers), storages, aliases)
