"""What a verification found: plain values, ready for JSON and for a person."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit.device.device import LinkStatistics

# Fewer distinct outputs than this over all vectors prove little: a network stuck at a handful of
# outputs hides most wrong kernels from a comparison of outputs alone.
FEW_DISTINCT_OUTPUTS = 9


@dataclass(frozen=True)
class ElementDifference:
    """One element of a tensor where device and golden differ. ``element`` is its flat index, NHWC."""

    tensor: str
    element: int
    expected: int
    actual: int


@dataclass(frozen=True)
class LayerDifference:
    """The first operator, in execution order, whose output differs."""

    op_index: int
    opcode: str
    difference: ElementDifference


@dataclass(frozen=True)
class Difference:
    """The first input whose outputs differ, and where. ``layer`` is None when it could not be located."""

    input_index: int
    origin: str
    output: ElementDifference
    layer: LayerDifference | None


@dataclass(frozen=True)
class LayerCheck:
    """Digests of every layer compared on the device: inputs used and operators that it materialises."""

    inputs: int
    operators: int
    first_difference: LayerDifference | None


@dataclass(frozen=True)
class Accuracy:
    """Top-1 over the labelled pictures; both from the same vectors. ``confusion[true][predicted]``."""

    pictures: int
    device_correct: int
    golden_correct: int
    class_names: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def device(self) -> float:
        """Fraction of the pictures that the device recognised."""
        return self.device_correct / self.pictures


@dataclass(frozen=True)
class Latency:
    """Counter ticks of one inference over all vectors; ``unit`` says what the device counts."""

    unit: str
    minimum: int
    median: int
    maximum: int
    milliseconds: float | None


@dataclass(frozen=True)
class InterpreterIdentity:
    """Name and version of an interpreter that took part."""

    name: str
    version: str


@dataclass(frozen=True)
class Comparator:
    """Another interpreter against the golden, to explain outputs seen on a PC. ``refused``: why it
    could not run the model, or None.
    """

    name: str
    version: str
    differing_inputs: int = 0
    max_difference: int = 0
    refused: str | None = None


@dataclass(frozen=True)
class Verdict:
    """The whole result. ``exact`` is true only when every byte of every output, and every layer digest
    that was taken, equals the golden's.
    """

    exact: bool
    inputs: int
    distinct_outputs: int
    differing_inputs: int
    first_difference: Difference | None
    layer_check: LayerCheck | None
    accuracy: Accuracy | None
    latency: Latency | None
    engine: str
    board: str
    model_name: str
    model_sha256: str
    golden: InterpreterIdentity
    comparators: tuple[Comparator, ...]
    arena_used_bytes: int
    stack_used_bytes: int
    link: LinkStatistics
    warnings: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values, with the accuracies as fractions."""
        values = asdict(self)
        if self.accuracy is not None:
            values["accuracy"]["device"] = self.accuracy.device
            values["accuracy"]["golden"] = self.accuracy.golden_correct / self.accuracy.pictures
        return values
