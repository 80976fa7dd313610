"""What a verification found: plain values, ready for JSON and for a person."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from edgekit.errors import EXIT_DIFFERS, EXIT_TOLERATED

if TYPE_CHECKING:
    from edgekit.device.device import LinkStatistics

# So many distinct outputs, or fewer, prove little: a network stuck at a handful of outputs hides most wrong
# kernels from a comparison of outputs alone.
FEW_DISTINCT_OUTPUTS = 8


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
    """Digests of the layers' outputs, compared on some of the inputs.

    ``operators`` of the model's ``operators_total`` were compared; an engine need not materialise the
    output of an operator that it fuses with its successor. ``generated``: the inputs were none of the
    vectors but others, which the device made itself.
    """

    inputs: int
    operators: int
    operators_total: int
    first_difference: LayerDifference | None
    generated: bool = False

    @property
    def complete(self) -> bool:
        """Whether every operator was compared, without a difference, on at least one input."""
        return self.inputs > 0 and self.operators == self.operators_total and self.first_difference is None


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
    """What ``inferences`` inferences took, each; ``unit`` says what was counted."""

    unit: str
    inferences: int
    minimum: int
    median: int
    maximum: int
    milliseconds: float | None


@dataclass(frozen=True)
class InterpreterIdentity:
    """The interpreter that decides.

    ``independent`` is false where it is edgekit's own executor; ``note`` says why it is this one, where
    that needs saying.
    """

    name: str
    version: str
    independent: bool
    note: str | None


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
class Agreement:
    """How far the device's outputs are from the golden's, over all bytes of all outputs on all inputs.

    Differences are in quantization steps. ``top1_agreement`` is the share of inputs on which the largest
    element of the first output is the same.
    """

    max_difference: int
    mean_difference: float
    differing_share: float
    top1_agreement: float


@dataclass(frozen=True)
class Judgement:
    """How a device was judged that is not bit-exact and whose engine need not be; ``sentence`` says it.

    ``rule`` "rounding": equality with the bytes of another, exactly known rounding. "tolerance": within
    bounds. ``accepted``: the rule is fulfilled.
    """

    rule: Literal["rounding", "tolerance"]
    accepted: bool
    agreement: Agreement
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """The whole result.

    ``exact``: every byte of every output, and every layer digest that was taken, equals the golden's.
    ``distinct_outputs``: different values seen, of the output that showed the fewest. ``conclusive``: they
    were enough for equality to mean something. ``image_sha256`` is the image that was emulated, None where
    the device was found at a port; ``where`` says in words where the device was. ``judgement`` is None
    where the device is bit-exact, or would have to be.
    """

    exact: bool
    conclusive: bool
    inputs: int
    distinct_outputs: int
    differing_inputs: int
    first_difference: Difference | None
    layer_check: LayerCheck | None
    accuracy: Accuracy | None
    latency: Latency | None
    engine: str
    board: str
    where: str
    firmware_version: str
    image_sha256: str | None
    model_name: str
    model_sha256: str
    golden: InterpreterIdentity
    comparators: tuple[Comparator, ...]
    arena_used_bytes: int
    stack_used_bytes: int
    link: LinkStatistics
    warnings: tuple[str, ...] = field(default=())
    judgement: Judgement | None = None

    @property
    def outcome(self) -> Literal["exact", "tolerated", "differs"]:
        """In a word. "tolerated" is not bit-exact, but what the engine may do."""
        if self.exact:
            return "exact"
        return "tolerated" if self.judgement is not None and self.judgement.accepted else "differs"

    @property
    def exit_code(self) -> int:
        """What a command that ends with this verdict returns."""
        return {"exact": 0, "tolerated": EXIT_TOLERATED, "differs": EXIT_DIFFERS}[self.outcome]

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values, with the accuracies as fractions."""
        values = {"outcome": self.outcome, **asdict(self)}
        if self.accuracy is not None:
            values["accuracy"]["device"] = self.accuracy.device
            values["accuracy"]["golden"] = self.accuracy.golden_correct / self.accuracy.pictures
        return values
