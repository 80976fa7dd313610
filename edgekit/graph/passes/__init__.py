"""What a graph loses before it is deployed, without any byte of any output changing.

A pass is a function from graph to graph. Operators keep their numbers of the .tflite and tensors their
indices and names, so that every report stays readable; what was folded away is missing. Each pass can be
proved by running both graphs, and a verification does so before it judges a device by the second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from edgekit.graph.cost import graph_macs, weight_bytes
from edgekit.graph.ir import Graph
from edgekit.graph.passes.dead_channels import remove_dead_channels
from edgekit.graph.passes.padding import fold_padding
from edgekit.graph.passes.redundant import remove_redundant
from edgekit.graph.passes.single_channel import as_convolutions


@dataclass(frozen=True)
class Saving:
    """What one pass saved: operators, channels of activations (each tensor's counted), multiply-accumulates
    and bytes of filters and biases.
    """

    name: str
    operators: int
    channels: int
    macs: int
    weight_bytes: int

    def __str__(self) -> str:
        figures = {
            "operators": self.operators,
            "channels": self.channels,
            "MACs": self.macs,
            "bytes of weights": self.weight_bytes,
        }
        saved = ", ".join(f"{name} {-value:+,}" for name, value in figures.items() if value)
        return f"{self.name}: {saved}"

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


@dataclass(frozen=True)
class DeployedGraph:
    """``graph`` computes what the model computes; ``savings`` are those of the passes that saved anything."""

    graph: Graph
    savings: tuple[Saving, ...] = ()


def deploy(graph: Graph) -> DeployedGraph:
    """``graph`` after all passes, each of which leaves every byte of the outputs as it was."""
    savings = []
    for name, run in _PASSES.items():
        before, graph = graph, run(graph)
        saving = _saving(name, before, graph)
        if any((saving.operators, saving.channels, saving.macs, saving.weight_bytes)):
            savings.append(saving)
    return DeployedGraph(graph, tuple(savings))


_PASSES: dict[str, Callable[[Graph], Graph]] = {
    "redundant operators": remove_redundant,
    "folded padding": fold_padding,
    "convolutions of one channel": as_convolutions,
    "dead channels": remove_dead_channels,
}


def _saving(name: str, before: Graph, after: Graph) -> Saving:
    return Saving(
        name,
        operators=len(before.ops) - len(after.ops),
        channels=sum(
            tensor.shape[-1] - after.tensors[index].shape[-1]
            for index, tensor in before.tensors.items()
            if tensor.shape and index in after.tensors
        ),
        macs=graph_macs(before) - graph_macs(after),
        weight_bytes=weight_bytes(before) - weight_bytes(after),
    )
