"""The virtual board's emulator: registers, limits, endings, instruction counts."""

import re
import sys
import time

import msgspec
import pytest

from edgekit.boards import load_board
from edgekit.device.emulators import open_emulator, virtual_device
from edgekit.device.emulators.architectures import riscv_instruction_count, thumb_instruction_count
from edgekit.device.emulators.virtual_board import UnicornTransport
from edgekit.device.emulators.virtual_device import VirtualDevice
from edgekit.errors import DeviceError, ToolchainError, UsageError
from edgekit.resources import firmware_folder

BOARD = load_board("virt-cortex-m4")
TOOLCHAIN = "zig"


@pytest.fixture
def image(probe_image):
    return probe_image(BOARD.name, TOOLCHAIN)


def test_registers_are_those_of_the_header():
    header = (firmware_folder() / "port" / "virt" / "ek_virt.h").read_text()
    numbers = {name: int(value, 16) for name, value in re.findall(r"#define EK_VIRT_(\w+) +(0x\w+)u", header)}
    assert numbers == {name: getattr(virtual_device, name) for name in numbers}
    assert len(numbers) == 12


class FakeMemory:
    def __init__(self) -> None:
        self.bytes = bytearray(64)

    def load(self, address: int, size_bytes: int) -> bytes:
        return bytes(self.bytes[address : address + size_bytes])

    def store(self, address: int, data: bytes) -> None:
        self.bytes[address : address + len(data)] = data


def test_device_moves_what_fits_and_pauses_only_when_it_must():
    pauses = []
    device = VirtualDevice(FakeMemory(), lambda: pauses.append(True))
    device.write(virtual_device.RX_ADDRESS, 8)
    device.write(virtual_device.RX_CAPACITY, 3)
    device.from_host += b"abcde"
    assert [device.read(virtual_device.RX_COUNT) for _ in range(2)] == [3, 2]
    assert device.memory.load(8, 3) == b"dec"
    assert not pauses
    assert device.read(virtual_device.RX_COUNT) == 0
    assert device.waits_for_input
    device.write(virtual_device.TX_ADDRESS, 8)
    device.write(virtual_device.TX_SIZE, 2)
    assert [device.read(virtual_device.TX_BUSY) for _ in range(3)] == [1, 0, 0]
    assert device.to_host == b"de"
    assert len(pauses) == 2


def test_counter_latches_its_high_word():
    counts = iter([(5 << 32) + 7, (6 << 32) + 8])
    device = VirtualDevice(FakeMemory(), lambda: None, lambda: next(counts))
    words = [device.read(offset) for offset in (virtual_device.COUNT_LOW, virtual_device.COUNT_HIGH) * 2]
    assert words == [7, 5, 8, 6]
    assert device.read(virtual_device.COUNTS) == 1


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("", 0),
        ("7047", 1),  # bx lr
        ("00f0 00f8 7047", 2),  # bl, bx lr
        ("4ff0 8043 5a6a", 2),  # mov.w, ldr
        ("00e0 00bf 70 47", 3),  # b, nop, bx lr: 0xe000 is a 16-bit branch
        ("00e8 0000", 1),  # 0b11101 begins a 32-bit instruction
    ],
)
def test_thumb_instructions_are_told_apart(code, count):
    assert thumb_instruction_count(bytes.fromhex(code)) == count


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("", 0),
        ("8280", 1),  # c.jr ra
        ("13050500", 1),  # addi a0, a0, 0
        ("0145 13050500 8280", 3),  # c.li, addi, c.jr
    ],
)
def test_riscv_instructions_are_told_apart(code, count):
    assert riscv_instruction_count(bytes.fromhex(code)) == count


def test_count_does_not_depend_on_how_often_the_emulation_is_interrupted(image):
    def ticks(slice_s: float) -> int:
        transport = UnicornTransport(BOARD, image, count_instructions=True)
        transport.write(b"T" + (300_000).to_bytes(4, "little"))
        answer = b""
        while len(answer) < 8:
            answer += transport.read(slice_s)
        return int.from_bytes(answer, "little")

    assert ticks(0.003) == ticks(60.0)


def test_without_counting_ticks_are_zero(open_probe):
    assert open_probe(BOARD.name, TOOLCHAIN).ticks(10_000) == 0


def test_read_waits_for_the_timeout_when_nothing_can_come(image):
    transport = open_emulator(BOARD, image)
    started = time.monotonic()
    assert transport.read(0.05) == b""
    assert time.monotonic() - started >= 0.05


def test_program_that_hangs_is_given_up_with_its_place(image):
    transport = UnicornTransport(BOARD, image, hang_limit_s=0.2)
    transport.write(b"H")
    with pytest.raises(DeviceError, match=r"hangs.* in main"):
        transport.read(60.0)


def test_unanswered_read_of_a_busy_program_returns_nothing(image):
    transport = UnicornTransport(BOARD, image)
    transport.write(b"H")
    assert transport.read(0.05) == b""
    assert transport.read(0.05) == b""


def test_closed_board_says_so(image):
    transport = open_emulator(BOARD, image)
    transport.close()
    transport.close()
    with pytest.raises(DeviceError, match="closed"):
        transport.read(0.1)


def test_image_of_another_board_is_refused(image, tmp_path):
    elsewhere = msgspec.structs.replace(BOARD.memory, flash_origin=0x0800_0000)
    with pytest.raises(DeviceError, match="built for another board"):
        open_emulator(msgspec.structs.replace(BOARD, memory=elsewhere), image)


def test_missing_and_broken_images_are_errors(tmp_path):
    with pytest.raises(DeviceError, match="there is no image"):
        open_emulator(BOARD, tmp_path / "firmware.elf")
    broken = tmp_path / "broken.elf"
    broken.write_bytes(b"\x7fELF and no more")
    with pytest.raises(ToolchainError, match="not a valid ELF"):
        open_emulator(BOARD, broken)


def test_missing_unicorn_is_named(image, monkeypatch):
    monkeypatch.setitem(sys.modules, "unicorn", None)
    with pytest.raises(ToolchainError, match=r"pip install 'edgekit\[emulator\]'"):
        open_emulator(BOARD, image)


def test_unknown_processor_and_board_without_emulator_are_usage_errors(image):
    other = msgspec.structs.replace(BOARD.emulator, machine="cortex-m99")
    with pytest.raises(UsageError, match="cortex-m99"):
        open_emulator(msgspec.structs.replace(BOARD, emulator=other), image)
    with pytest.raises(UsageError, match="no emulator"):
        open_emulator(msgspec.structs.replace(BOARD, emulator=None), image)
