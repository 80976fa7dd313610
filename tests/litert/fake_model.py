"""The model of ``tests/link/fake_model.c`` for the runner's link, and a device made of both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from link.fake_device import FIRMWARE_VERSION, INPUT_SHAPES, OP_BYTES, OP_TICKS, OUTPUT_SHAPES, op_output

from edgekit.runner.link import EngineError, Identity, Link, OperatorRun, Run, Tensor

IDENTITY = Identity(
    board="fake-board",
    engine="aot",
    model_name="fake",
    model_sha256=bytes(range(32)),
    firmware_version=FIRMWARE_VERSION,
    arena_bytes=64,
    clock_hz=16_000_000,
    tick_unit=1,
)


class FakeModel:
    """Two inputs, two outputs, five operators, of which the third is not materialised."""

    op_count = 5
    arena_used_bytes = 48
    inputs = (
        Tensor("image:0", INPUT_SHAPES[0], 60, 0.0078125, 0),
        Tensor("extra:0", INPUT_SHAPES[1], 7, 0.5, -128),
    )
    outputs = (
        Tensor("scores:0", OUTPUT_SHAPES[0], 10, 0.00390625, -128),
        Tensor("embedding:0", OUTPUT_SHAPES[1], 300, 0.1, 3),
    )

    def __init__(self) -> None:
        self.runs = 0
        self.fails = False

    @property
    def stack_used_bytes(self) -> int:
        """How many runs there were, as in fake_device.c."""
        return self.runs

    def run(self, inputs: Sequence[bytes]) -> Run:
        return self.run_operators(inputs).run

    def run_operators(self, inputs: Sequence[bytes]) -> OperatorRun:
        assert [len(data) for data in inputs] == [60, 7]
        self.runs += 1
        if self.fails:
            raise EngineError("as the test wants")
        arrays = [np.frombuffer(data, np.int8) for data in inputs]
        tensors = tuple(op_output(op_index, arrays).tobytes() for op_index in range(len(OP_BYTES)))
        return OperatorRun(Run((tensors[4], tensors[3]), sum(OP_TICKS)), tensors, OP_TICKS)


class RunnerTransport:
    """A transport to a runner's link in this process. What is written is answered at once."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._answers = b""

    def write(self, data: bytes) -> None:
        self._answers += self._link.receive(data)

    def read(self, timeout_s: float) -> bytes:
        answers, self._answers = self._answers, b""
        return answers

    def close(self) -> None:
        pass


def fake_link(max_body_bytes: int = 512, model: FakeModel | None = None) -> Link:
    fake = model or FakeModel()
    return Link(lambda: fake, IDENTITY, max_body_bytes)
