"""The processors that Unicorn emulates for the virtual board, and what differs between them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import cast

from edgekit.boards import Board
from edgekit.device.emulators.processor import Processor
from edgekit.errors import UsageError

# The first halfword of a 32-bit Thumb instruction has 0b11101, 0b11110 or 0b11111 in its top five bits
# (Armv7-M Architecture Reference Manual, DDI 0403E, A5.1).
_FIRST_32_BIT_HALFWORD = 0b11101 << 11
# The lowest two bits of a compressed RISC-V instruction are not both set
# (The RISC-V Instruction Set Manual, Volume I, document version 20191213, 1.5).
_NOT_COMPRESSED = 0b11

# The system control space of a Cortex-M, where start-up code enables the FPU: address and size. Unicorn
# itself has nothing there.
_SYSTEM_CONTROL = (0xE000_E000, 0x1000)

_CORTEX_M_MODELS = {
    "cortex-m0": "UC_CPU_ARM_CORTEX_M0",
    "cortex-m3": "UC_CPU_ARM_CORTEX_M3",
    "cortex-m4": "UC_CPU_ARM_CORTEX_M4",
    "cortex-m7": "UC_CPU_ARM_CORTEX_M7",
    "cortex-m33": "UC_CPU_ARM_CORTEX_M33",
}
_RISCV_MODELS = {"rv32": "UC_CPU_RISCV32_ANY"}


@dataclass(frozen=True)
class Registers:
    """Unicorn's numbers of the registers that say where a program is, the link register by its name."""

    pc: int
    sp: int
    link: int
    link_name: str


@dataclass(frozen=True)
class Architecture:
    """What the emulation must know of an instruction set.

    ``start`` gives program counter and, where the processor sets one up, stack pointer at power-on for an
    image's first address and first bytes; it raises ValueError where these are no beginning of a program.
    ``pc_bits`` are to be set in an address that the processor is started at; ``system_regions`` are
    memory (address, size) of the processor's own. ``count`` gives the number of instructions in code that
    begins and ends between instructions.
    """

    registers: Registers
    start: Callable[[int, bytes], tuple[int, int | None]]
    count: Callable[[bytes], int]
    pc_bits: int = 0
    system_regions: tuple[tuple[int, int], ...] = ()


def new_processor(unicorn: ModuleType, board: Board) -> tuple[Processor, Architecture]:
    """The processor that the board's ``emulator.machine`` names, without memory. Raises UsageError."""
    const = unicorn.unicorn_const
    machine = board.emulator.machine if board.emulator is not None else ""
    if machine in _CORTEX_M_MODELS:
        processor = unicorn.Uc(const.UC_ARCH_ARM, const.UC_MODE_THUMB | const.UC_MODE_MCLASS)
        processor.ctl_set_cpu_model(getattr(unicorn.arm_const, _CORTEX_M_MODELS[machine]))
        return cast(Processor, processor), _cortex_m(unicorn.arm_const)
    if machine in _RISCV_MODELS:
        processor = unicorn.Uc(const.UC_ARCH_RISCV, const.UC_MODE_RISCV32)
        processor.ctl_set_cpu_model(getattr(unicorn.riscv_const, _RISCV_MODELS[machine]))
        return cast(Processor, processor), _riscv(unicorn.riscv_const)
    raise UsageError(
        f"the profile of {board.name} names the emulated processor '{machine}'; "
        f"known: {', '.join((*_CORTEX_M_MODELS, *_RISCV_MODELS))}."
    )


def _cortex_m(const: ModuleType) -> Architecture:
    registers = Registers(const.UC_ARM_REG_PC, const.UC_ARM_REG_SP, const.UC_ARM_REG_LR, "lr")
    return Architecture(
        registers, _start_of_vector_table, thumb_instruction_count, 1, system_regions=(_SYSTEM_CONTROL,)
    )


def _riscv(const: ModuleType) -> Architecture:
    registers = Registers(const.UC_RISCV_REG_PC, const.UC_RISCV_REG_SP, const.UC_RISCV_REG_RA, "ra")
    return Architecture(registers, _start_of_code, riscv_instruction_count)


def _start_of_vector_table(_address: int, content: bytes) -> tuple[int, int | None]:
    if len(content) < 8:
        raise ValueError("has no vector table")
    stack_pointer, reset = struct.unpack("<II", content[:8])
    return reset, stack_pointer


def _start_of_code(address: int, content: bytes) -> tuple[int, int | None]:
    if len(content) < 4:
        raise ValueError("has no code at its beginning")
    return address, None


def thumb_instruction_count(code: bytes) -> int:
    """Number of Thumb instructions in ``code``, which begins and ends between instructions."""
    return _count(code, lambda halfword: halfword >= _FIRST_32_BIT_HALFWORD)


def riscv_instruction_count(code: bytes) -> int:
    """Number of RISC-V instructions of 16 and 32 bits in ``code``, as above."""
    return _count(code, lambda halfword: halfword & _NOT_COMPRESSED == _NOT_COMPRESSED)


def _count(code: bytes, is_long: Callable[[int], bool]) -> int:
    halfwords = struct.unpack(f"<{len(code) // 2}H", code)
    count = position = 0
    while position < len(halfwords):
        position += 2 if is_long(halfwords[position]) else 1
        count += 1
    return count
