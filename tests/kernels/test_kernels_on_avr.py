"""The portable kernels where int has 16 bits: their cases, on an ATmega2560 that simavr emulates.

EK_FLASH is nothing here, so that parameters can arrive over the serial line; what reads them from flash is
proved by the networks in tests/emulators/test_mega2560.py.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import kernels.running
import msgspec
import numpy as np
import pytest
from kernels.cases import Case, all_cases
from kernels.compiling import INCLUDE, KERNELS, run
from kernels.running import driver_input, expected_output, kernel_functions, write_kernel_table

from edgekit.boards import load_board
from edgekit.codegen.kernels import TABLES
from edgekit.codegen.layers import Program, lower
from edgekit.device.emulators.simavr import SimavrTransport
from edgekit.errors import ToolchainError
from edgekit.graph.ir import Add, FullyConnected, Softmax

HERE = Path(__file__).parent
BAUD = 500_000
BLOCK_BYTES = 64
# 8 KB less the driver's own arrays, stack, and what its allocator loses between pieces.
ROOM_BYTES = 4_500
SILENCE_S = 20.0
FLAGS = ("-mmcu=atmega2560", "-DF_CPU=16000000UL", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror")
NO_FLASH = ("-DEDGEKIT_EK_FLASH_H", "-DEK_FLASH=")


def thinned(case: Case) -> Case:
    """A part of a case that is large only because it has many values of one kind."""
    (op,) = case.graph.ops
    tensors, inputs = case.graph.tensors, case.inputs
    if isinstance(op, Add):
        inputs = tuple(np.ascontiguousarray(array[:, ::51]) for array in inputs)
        tensors = {index: replace(tensor, shape=inputs[0].shape) for index, tensor in tensors.items()}
    elif isinstance(op, FullyConnected) and op.filter.shape == (1024, 1):
        chosen = np.arange(0, 1024, 4) + np.arange(256) % 4
        factor = op.requantization
        op = replace(
            op,
            filter=op.filter[chosen],
            bias=op.bias[chosen],
            requantization=replace(factor, multiplier=factor.multiplier[chosen], shift=factor.shift[chosen]),
        )
        tensors = {**tensors, 1: replace(tensors[1], shape=(1, len(chosen)))}
    return replace(case, graph=replace(case.graph, tensors=tensors, ops=(op,)), inputs=inputs)


def needed_bytes(program: Program) -> int:
    """RAM of the driver while it runs one of the layers."""
    return max(
        sum(constant.size_bytes for constant in layer.call.constants())
        + sum(operand.reach.taps * operand.rows.row_bytes for operand in layer.operands)
        + layer.rows.row_bytes
        + layer.scratch_bytes
        for layer in program.layers
        if layer.call is not None
    )


@pytest.fixture(scope="module")
def programs() -> dict[str, tuple[Case, Program]]:
    """The cases that fit, means in both ways, softmaxes with and without tables."""
    found = {}
    for case in map(thinned, all_cases()):
        ways = {"at once": lower(case.graph)}
        if len(lower(case.graph, accumulate=True).layers) > 1:
            ways["row by row"] = lower(case.graph, accumulate=True)
        if isinstance(case.graph.ops[0], Softmax):
            ways["by a table"] = lower(case.graph, frozenset({TABLES}))
        for way, program in ways.items():
            if needed_bytes(program) <= ROOM_BYTES:
                found[f"{case.name} {way}"] = (case, program)
    return found


@pytest.fixture(scope="module")
def image(tmp_path_factory, programs):
    if shutil.which("avr-gcc") is None:
        pytest.skip("avr-gcc is not installed")
    folder = tmp_path_factory.mktemp("avr")
    write_kernel_table(folder, kernel_functions({name: program for name, (_, program) in programs.items()}))
    sources = [HERE / "driver.c", HERE / "avr_stdio.c", *sorted(KERNELS.glob("*.c"))]
    command = ["avr-gcc", *FLAGS, *NO_FLASH, f"-I{folder}", f"-I{INCLUDE}", *map(str, sources)]
    run([*command, "-o", str(folder / "driver.elf")])
    return folder / "driver.elf"


def answers(image: Path, cases: bytes, count: int) -> bytes:
    """What the driver writes, ``count`` bytes, when it reads ``cases``."""
    board = load_board("mega2560")
    board = msgspec.structs.replace(board, serial=msgspec.structs.replace(board.serial, baud=BAUD))
    try:
        transport = SimavrTransport(board, image)
    except ToolchainError as error:
        pytest.skip(str(error))
    written, sent, follows = bytearray(), 0, False
    while len(written) < count:
        received = transport.read(SILENCE_S)
        assert received, f"the driver hangs after {len(written)} of {count} bytes"
        for byte in received:
            if follows:
                written.append(byte)
                follows = False
            elif byte == ord("R"):
                transport.write(cases[sent : sent + BLOCK_BYTES].ljust(BLOCK_BYTES, b"\0"))
                sent += BLOCK_BYTES
            else:
                assert byte == ord("O")
                follows = True
    transport.close()
    return bytes(written)


@pytest.mark.slow
def test_kernels_compute_the_same_where_int_has_16_bits(programs, image, monkeypatch):
    monkeypatch.setattr(kernels.running, "alignment", lambda value, pointer_bytes: 1)  # as AVR's is
    functions = kernel_functions({name: program for name, (_, program) in programs.items()})
    assert len(programs) > 500
    assert len(functions) == len(list(KERNELS.glob("*.c")))
    cases = driver_input(
        {name: case for name, (case, _) in programs.items()},
        {name: program for name, (_, program) in programs.items()},
        functions,
        pointer_bytes=2,
    )
    expected = {name: expected_output(case, program) for name, (case, program) in programs.items()}
    written = answers(image, cases, sum(map(len, expected.values())))
    wrong, start = [], 0
    for name, output in expected.items():
        wrong += [name] if written[start : start + len(output)] != output else []
        start += len(output)
    assert wrong == []
