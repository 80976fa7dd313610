"""What a built model costs on its board: instructions, flash, RAM, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgekit.boards import milliseconds
from edgekit.graph.ir import Graph


@dataclass(frozen=True)
class LayerCost:
    """An operator. ``shape`` is its output's; ``ticks`` are what the board counts; None: it has no output of
    its own, because it is merged into another. ``kernels`` are the functions that run it in the engine aot.
    """

    index: int
    name: str
    opcode: str
    shape: tuple[int, ...]
    macs: int
    ticks: int | None
    kernels: tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """One inference, and the image that runs it. Sizes in bytes.

    ``ticks`` count ``unit``: "instructions" where an emulator counts them, else what the board's counter
    counts. ``code_bytes`` and ``constant_bytes`` are those of the whole image without the model's own arrays
    (weights, biases, factors), which are ``model_bytes``; of them ``harness_code_bytes`` and
    ``harness_constant_bytes`` are start-up, port and link, which a program of one's own does without (None
    where nobody can tell). RAM is ``arena_bytes``, ``static_bytes`` (all other
    variables, the link's buffers among them) and ``stack_bytes`` (the most that was used). ``exact``: every
    one of ``inputs`` and the layers looked at equal the golden. ``clock_hz`` is the board's. ``predicted`` is
    what was told before the image was compiled (``instructions``, ``flash_bytes``, ``ram_bytes`` with the
    reserved stack), ``flash_bytes`` and ``reserved_ram_bytes`` are what those came to; None where it was not.
    """

    model: str
    board: str
    engine: str
    toolchain: str
    optimize: str
    unit: str
    macs: int
    ticks: int
    code_bytes: int
    constant_bytes: int
    harness_code_bytes: int | None
    harness_constant_bytes: int | None
    model_bytes: int
    arena_bytes: int
    static_bytes: int
    stack_bytes: int
    inputs: int
    distinct_outputs: int
    exact: bool
    layers: tuple[LayerCost, ...]
    clock_hz: int
    flash_bytes: int
    reserved_ram_bytes: int
    predicted: Mapping[str, Any] | None

    @property
    def ticks_per_mac(self) -> float | None:
        """None for a model without multiplications."""
        return self.ticks / self.macs if self.macs else None

    @property
    def milliseconds(self) -> float | None:
        """Of an inference, instructions as if each took a cycle; None where the clock is not known."""
        if self.unit == "nanoseconds":
            return self.ticks / 1e6
        return milliseconds(self.ticks, self.clock_hz)

    @property
    def ram_bytes(self) -> int:
        """All RAM together."""
        return self.arena_bytes + self.static_bytes + self.stack_bytes

    def to_json(self) -> dict[str, Any]:
        """As plain values, ticks under the name of their unit."""
        values = asdict(self)
        ticks, per_mac = values.pop("ticks"), self.ticks_per_mac
        layers = [
            {key if key != "ticks" else self.unit: value for key, value in layer.items()}
            for layer in values.pop("layers")
        ]
        return {
            **values,
            self.unit: ticks,
            f"{self.unit}_per_mac": None if per_mac is None else round(per_mac, 4),
            "milliseconds": self.milliseconds,
            "ram_bytes": self.ram_bytes,
            "layers": layers,
        }


def layer_costs(
    graph: Graph, ticks: Sequence[int | None], kernels: Mapping[int, Sequence[str]]
) -> tuple[LayerCost, ...]:
    """The operators of ``graph`` with the ticks of each, and its kernels by its number."""
    from edgekit.graph.cost import op_macs

    return tuple(
        LayerCost(
            op.index,
            graph.tensors[op.output].name,
            op.opcode,
            graph.tensors[op.output].shape,
            op_macs(graph, op),
            measured,
            tuple(kernels.get(op.index, ())),
        )
        for op, measured in zip(graph.ops, ticks, strict=True)
    )
