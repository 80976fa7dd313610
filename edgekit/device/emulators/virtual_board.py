"""The virtual board, emulated inside this process by Unicorn.

Emulation is synchronous: the processor runs only inside :meth:`UnicornTransport.read`, until the
program has sent something or waits for input, or the time is up.
"""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType

from edgekit.boards import Board
from edgekit.device.emulators import virtual_device
from edgekit.device.emulators.architectures import Architecture, new_processor
from edgekit.device.emulators.instruction_counter import InstructionCounter
from edgekit.device.emulators.processor import Processor
from edgekit.device.emulators.virtual_device import VirtualDevice
from edgekit.errors import DeviceError, ToolchainError, UsageError
from edgekit.toolchains.elf import ElfSegment, read_segments, symbol_at

_Region = tuple[int, int]
"""Start address and size in bytes."""

_PAGE_BYTES = 0x1000
# RAM at power-on holds anything but zeros, so that a missing initialisation shows.
_POWER_ON_RAM = b"\xa5"
# Unicorn wants an address to stop at; no program gets to this one.
_NOWHERE = 0xFFFF_FFFE
_HANG_LIMIT_S = 600.0


class UnicornTransport:
    """A :class:`~edgekit.device.transport.Transport` to firmware that runs on the virtual board.

    ``count_instructions`` makes the board's counter count every executed instruction, several times
    slower. ``check_alignment`` makes every access that is not aligned to its size a fault, as it is on
    Armv6-M, at a hundredth of the speed: Unicorn itself lets all of them pass. A program that neither
    sends nor waits for input for ``hang_limit_s`` of emulation is taken to hang. Raises ToolchainError
    where unicorn is not installed, DeviceError for an image that the board cannot hold.
    """

    def __init__(
        self,
        board: Board,
        image: Path,
        *,
        count_instructions: bool = False,
        check_alignment: bool = False,
        hang_limit_s: float = _HANG_LIMIT_S,
    ) -> None:
        self._image = image
        self._segments = read_segments(image)
        self._hang_limit_s = hang_limit_s
        self._unicorn = import_unicorn()
        self._uc, self._architecture = new_processor(self._unicorn, board)
        self._flash, self._ram = _map_memory(self._unicorn, self._uc, board, self._architecture)
        self._counter = InstructionCounter(self._uc, self._architecture.count) if count_instructions else None
        counter = self._counter
        self._device = VirtualDevice(
            _GuestMemory(self._unicorn, self._uc),
            self._uc.emu_stop,
            (lambda: counter.executed) if counter is not None else None,
        )
        self._uc.mmio_map(
            virtual_device.BASE, virtual_device.SIZE_BYTES, self._on_read, None, self._on_write, None
        )
        self._uc.hook_add(self._unicorn.unicorn_const.UC_HOOK_MEM_INVALID, self._on_invalid_access)
        if check_alignment:
            const = self._unicorn.unicorn_const
            accesses = const.UC_HOOK_MEM_READ | const.UC_HOOK_MEM_WRITE
            self._uc.hook_add(accesses, self._on_access)
        self._end: str | None = None
        self._check_image(board)
        self._power_on()

    def write(self, data: bytes) -> None:
        """Gives ``data`` to the board's receiver; the program sees it when it runs next."""
        self._device.from_host += data

    def read(self, timeout_s: float) -> bytes:
        """Runs the program until it has sent something; see Transport.read."""
        deadline = time.monotonic() + timeout_s
        device = self._device
        while not device.to_host:
            if self._end is not None:
                raise DeviceError(self._end)
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            if device.waits_for_input and not device.from_host:
                time.sleep(left_s)
                break
            self._run(min(left_s, self._hang_limit_s))
        received = bytes(device.to_host)
        device.to_host.clear()
        return received

    def close(self) -> None:
        """Ends the emulation."""
        self._end = self._end or "the emulated board was closed."

    def _check_image(self, board: Board) -> None:
        start, size_bytes = self._flash
        for segment in self._segments:
            end = segment.address + len(segment.data)
            if segment.address < start or end > start + size_bytes:
                raise DeviceError(
                    f"{self._image} has bytes for address 0x{segment.address:08x}, outside the flash of "
                    f"{board.name}: it was built for another board. Build it again for this one."
                )
        first = self._segments[0] if self._segments else ElfSegment(start, b"")
        try:
            self._start = self._architecture.start(first.address, first.data)
        except ValueError as error:
            raise DeviceError(f"{self._image} {error}. Build it again.") from error

    def _power_on(self) -> None:
        start, size_bytes = self._ram
        self._uc.mem_write(start, _POWER_ON_RAM * size_bytes)
        for segment in self._segments:
            self._uc.mem_write(segment.address, segment.data)
        self._pc, stack_pointer = self._start
        if stack_pointer is not None:
            self._uc.reg_write(self._architecture.registers.sp, stack_pointer)
        self._device.power_on()
        self._busy_s = 0.0
        self._fault_detail = ""

    def _run(self, limit_s: float) -> None:
        """Lets the processor run until it is paused or ``limit_s`` is over; finds out why it stopped."""
        begin = self._pc | self._architecture.pc_bits
        self._device.resume()
        started = time.monotonic()
        try:
            if self._counter is None:
                self._uc.emu_start(begin, _NOWHERE, max(1, int(limit_s * 1e6)))
            else:
                self._counter.stop_at(started + limit_s)
                self._uc.emu_start(begin, _NOWHERE, 0)
        except (self._unicorn.UcError, ValueError) as error:
            self._end = f"the firmware faulted {self._place()}: {self._fault_detail or error}."
            return
        self._pc = self._uc.reg_read(self._architecture.registers.pc)
        self._busy_s += time.monotonic() - started
        if self._device.reset_due:
            self._power_on()
        elif self._device.exit_code is not None:
            self._end = f"the firmware stopped itself with code {self._device.exit_code}."
        elif self._device.paused:
            self._busy_s = 0.0
        elif self._busy_s >= self._hang_limit_s:
            self._end = (
                f"the firmware hangs: it ran for {self._busy_s:.0f} s without sending or waiting for "
                f"input, and is {self._place()}."
            )

    def _place(self) -> str:
        """Where the processor stands, for a sentence."""
        names = self._architecture.registers
        pc, link, sp = (self._uc.reg_read(register) for register in (names.pc, names.link, names.sp))
        symbol = symbol_at(self._image, pc)
        inside = f" in {symbol.name}" if symbol is not None else ""
        return f"at pc=0x{pc:08x}{inside}, {names.link_name}=0x{link:08x}, sp=0x{sp:08x}"

    def _on_read(self, _uc: Processor, offset: int, _size_bytes: int, _data: object) -> int:
        return self._device.read(offset)

    def _on_write(self, _uc: Processor, offset: int, _size_bytes: int, value: int, _data: object) -> None:
        self._device.write(offset, value)

    def _on_access(
        self, processor: Processor, _access: int, address: int, size_bytes: int, _value: int, _data: object
    ) -> None:
        if address % size_bytes and self._end is None:
            fault = f"access to {size_bytes} bytes at 0x{address:08x}, which is not aligned"
            self._end = f"the firmware faulted {self._place()}: {fault}."
            processor.emu_stop()

    def _on_invalid_access(
        self, _uc: Processor, access: int, address: int, size_bytes: int, _value: int, _data: object
    ) -> bool:
        const = self._unicorn.unicorn_const
        kind = {
            const.UC_MEM_WRITE_UNMAPPED: "write to nowhere",
            const.UC_MEM_WRITE_PROT: "write to flash",
            const.UC_MEM_READ_UNMAPPED: "read from nowhere",
            const.UC_MEM_FETCH_UNMAPPED: "jump to nowhere",
            const.UC_MEM_FETCH_PROT: "jump into RAM",
        }.get(access, "bad access")
        start, _ = self._ram
        below_ram = 0 < start - address <= _PAGE_BYTES
        hint = " (just below RAM: the stack has overflowed)" if below_ram else ""
        self._fault_detail = f"{kind}, {size_bytes} bytes at 0x{address:08x}{hint}"
        return False


class _GuestMemory:
    def __init__(self, unicorn: ModuleType, processor: Processor) -> None:
        self._error = unicorn.UcError
        self._uc = processor

    def load(self, address: int, size_bytes: int) -> bytes:
        try:
            return bytes(self._uc.mem_read(address, size_bytes))
        except self._error as error:
            raise ValueError(f"it sends {size_bytes} bytes from 0x{address:08x}: {error}") from error

    def store(self, address: int, data: bytes) -> None:
        try:
            self._uc.mem_write(address, data)
        except self._error as error:
            raise ValueError(f"it receives {len(data)} bytes at 0x{address:08x}: {error}") from error


def import_unicorn() -> ModuleType:
    """The package. Raises ToolchainError where it is not installed."""
    try:
        import unicorn
        from unicorn import arm_const, riscv_const, unicorn_const  # noqa: F401
    except ImportError as error:
        raise ToolchainError(
            "unicorn, which emulates this board, is not installed. Install it with "
            "`pip install 'edgekit[emulator]'`."
        ) from error
    return unicorn


def _map_memory(
    unicorn: ModuleType, processor: Processor, board: Board, architecture: Architecture
) -> tuple[_Region, _Region]:
    """Maps flash, RAM and what is the processor's own. Returns flash and RAM."""
    if board.memory is None or board.mcu.flash_bytes is None:
        raise UsageError(f"the profile of {board.name} has no [memory], which its emulator needs.")
    const = unicorn.unicorn_const
    flash = (board.memory.flash_origin, _whole_pages(board.mcu.flash_bytes))
    ram = (board.memory.ram_origin, _whole_pages(board.mcu.ram_bytes))
    processor.mem_map(*flash, const.UC_PROT_READ | const.UC_PROT_EXEC)
    processor.mem_map(*ram, const.UC_PROT_READ | const.UC_PROT_WRITE)
    for region in architecture.system_regions:
        processor.mem_map(*region, const.UC_PROT_READ | const.UC_PROT_WRITE)
    return flash, ram


def _whole_pages(size_bytes: int) -> int:
    return -(-size_bytes // _PAGE_BYTES) * _PAGE_BYTES
