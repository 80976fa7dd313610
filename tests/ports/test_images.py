"""Images of the SDK-free boards as files: where they lie, how they begin, what is in, what is too large."""

from __future__ import annotations

import struct
import subprocess
import sys

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from msgspec import structs
from probe_firmware import board_with, require_program, require_toolchain, tiny_graph, tiny_project

from edgekit.boards import Emulator, load_board
from edgekit.device.device import Device
from edgekit.device.emulators import open_emulator
from edgekit.errors import DoesNotFitError
from edgekit.projects.project import write_project
from edgekit.toolchains.build import compile_project
from edgekit.toolchains.elf import flash_image, read_segments

CORTEX_M = {"pico": 256, "stm32f405": 0, "nucleo_f446re": 0, "nucleo_l4r5zi": 0, "microbit_v2": 0}
"""Bytes in front of the vector table."""

INPUT = np.array([[1, -2, 3, -4]], dtype=np.int8)

# No C library, no heap, no printing.
FOREIGN = ("malloc", "free", "_sbrk", "printf", "puts", "abort", "exit", "_start", "__libc", "newlib")


def built(name, toolchain, folder, board=None, graph=None):
    board = board or load_board(name)
    require_toolchain(toolchain, board)
    project = tiny_project(board, graph)
    write_project(project, folder)
    return compile_project(project, folder, board, toolchain, engine="aot")


@pytest.mark.parametrize("name", [*CORTEX_M, "esp32c3"])
def test_image_begins_where_the_chip_starts_and_holds_nothing_foreign(tmp_path, name):
    board = load_board(name)
    result = built(name, "gcc", tmp_path)
    flash = board.memory.flash_origin
    image = flash_image(result.image)
    assert result.binary.read_bytes() == image
    assert read_segments(result.image)[0].address == flash
    if name in CORTEX_M:
        words = struct.unpack_from("<16I", image, CORTEX_M[name])
        assert words[0] == board.memory.ram_origin + board.memory.stack_bytes
        handlers = [word for word in words[1:] if word]
        assert len(handlers) == 15
        assert all(word & 1 and flash < word < flash + len(image) for word in handlers)
    with result.image.open("rb") as stream:
        elf = ELFFile(stream)
        table = next(section for section in elf.iter_sections() if isinstance(section, SymbolTableSection))
        names = {symbol.name for symbol in table.iter_symbols()}
        undefined = {
            symbol.name
            for symbol in table.iter_symbols()
            if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name
        }
    assert undefined == set()
    assert not [found for found in names if found.startswith(FOREIGN)]


def test_constants_of_an_esp32c3_are_linked_where_flash_is_mapped_for_data(tmp_path):
    result = built("esp32c3", "gcc", tmp_path)
    with result.image.open("rb") as stream:
        constants = ELFFile(stream).get_section_by_name(".rodata")
        address, content = constants["sh_addr"], constants.data()
    assert address >> 24 == 0x3C
    offset = address - 0x3C00_0000
    assert flash_image(result.image)[offset : offset + len(content)] == content


def test_boot_rom_of_an_esp32c3_takes_its_image_for_no_other_kind(tmp_path):
    """Direct boot comes last: a valid image of the usual kind, which begins with 0xE9, would be preferred."""
    pytest.importorskip("esptool", reason="esptool is not installed")
    binary = built("esp32c3", "gcc", tmp_path).binary
    assert binary.read_bytes()[:8] == bytes.fromhex("1d04dbae1d04dbae")
    command = [sys.executable, "-m", "esptool", "image-info", str(binary)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "invalid magic number: 0x1d" in told.stdout + told.stderr


@pytest.mark.parametrize(("name", "toolchain"), [("esp32c3", "gcc"), ("esp32c3", "zig"), ("pico", "gcc")])
def test_image_larger_than_flash_is_refused(tmp_path, name, toolchain):
    """40,000 bytes of weights for 32 KB of flash."""
    small = board_with(name, flash_bytes=32_768)
    with pytest.raises(DoesNotFitError, match="of flash") as caught:
        built(name, toolchain, tmp_path, small, tiny_graph(inputs=13_000))
    assert caught.value.missing_bytes > 0


def run_through(device: Device) -> None:
    """Everything that a port does, once."""
    assert device.info().model_sha256 == tiny_graph().sha256
    device.write_inputs([INPUT])
    device.invoke()
    layer = tiny_graph().ops[0]
    expected = (layer.filter.astype(int) @ INPUT[0].astype(int) + layer.bias) // 8 - 3
    assert device.read_outputs()[0].tolist() == [expected.tolist()]
    every_byte = bytes(range(256))
    assert device.echo(every_byte) == every_byte
    device.reset()
    assert device.echo(every_byte) == every_byte


@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
def test_stm32f405_answers_runs_and_restarts_in_qemu(tmp_path, toolchain):
    require_program("qemu-system-arm")
    board = load_board("stm32f405")
    with Device(open_emulator(board, built("stm32f405", toolchain, tmp_path).image)) as device:
        assert device.info().board == "stm32f405"
        run_through(device)


def test_port_of_the_microbit_v2_runs_on_qemus_first_microbit(tmp_path):
    """QEMU knows the nRF51 of the first micro:bit only; clock, pins and UART have the same registers."""
    require_program("qemu-system-arm")
    known = load_board("microbit_v2")
    mcu = structs.replace(known.mcu, core="cortex-m0plus", flash_bytes=262_144, ram_bytes=16_384)
    first = structs.replace(known, mcu=mcu, emulator=Emulator(kind="qemu-system", machine="microbit"))
    with Device(open_emulator(first, built("microbit_v2", "gcc", tmp_path, first).image)) as device:
        run_through(device)
