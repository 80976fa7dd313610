"""The Pico's boot stage and UF2 file, and the board in rp2040js."""

import re
import struct
import subprocess
import sys

import numpy as np
import pytest
from probe_firmware import (
    Probe,
    probe_project,
    require_program,
    require_toolchain,
    tiny_graph,
    tiny_project,
)

from edgekit.boards import load_board
from edgekit.device.device import Device
from edgekit.device.emulators import instructions, open_emulator
from edgekit.device.emulators.rp2040js import Rp2040jsTransport, find_rp2040js
from edgekit.errors import DeviceError, ToolchainError
from edgekit.projects.project import write_project
from edgekit.resources import firmware_folder
from edgekit.toolchains import uf2
from edgekit.toolchains.build import compile_project
from edgekit.toolchains.elf import flash_image, read_segments

BOARD = load_board("pico")
FLASH = 0x1000_0000
INPUT = np.array([[1, -2, 3, -4]], dtype=np.int8)
BOOT2 = (firmware_folder() / "port" / "rp2040" / "boot2.c").read_text()
BOOT2_WORDS = re.findall(r"^ *(?:\[63\] = )?(0x[0-9a-f]{8})u,(?: /\* (.*?) \*/)?$", BOOT2, re.MULTILINE)


@pytest.fixture(scope="module", params=["zig", "gcc"])
def built(request, tmp_path_factory):
    require_toolchain(request.param, BOARD)
    folder = tmp_path_factory.mktemp(request.param)
    project = tiny_project(BOARD)
    write_project(project, folder)
    return compile_project(project, folder, BOARD, request.param)


@pytest.fixture
def rp2040js():
    require_program("node")
    try:
        find_rp2040js("pico")
    except ToolchainError as error:
        pytest.skip(str(error))


def crc32(data: bytes) -> int:
    """RP2040 data sheet, 2.8.1.3.1: polynomial 0x04C11DB7, begun with ones, nothing reflected or inverted."""
    crc = 0xFFFF_FFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C1_1DB7 if crc >> 31 else 0)) & 0xFFFF_FFFF
    return crc


def test_boot_stage_begins_flash_and_has_the_crc_that_the_boot_rom_checks(built):
    image = flash_image(built.image)
    assert read_segments(built.image)[0].address == FLASH
    assert struct.unpack_from("<I", image, 252)[0] == crc32(image[:252])
    stack, entry = struct.unpack_from("<II", image, 256)
    assert stack == BOARD.memory.ram_origin + BOARD.memory.stack_bytes
    assert entry & 1
    assert FLASH + 256 < entry < FLASH + len(image)


def test_boot_stage_is_what_its_comments_say(tmp_path):
    """The instructions in the comments, assembled, are the words beside them."""
    require_program("arm-none-eabi-as")
    code = [(int(word, 16), comment.split("   ")[0]) for word, comment in BOOT2_WORDS[:11]]
    source = "\n".join(instruction for _, pair in code for instruction in pair.split(";"))
    (tmp_path / "boot2.s").write_text(f".syntax unified\n.cpu cortex-m0plus\n.thumb\n{source}\n")
    for command in (
        ["arm-none-eabi-as", "boot2.s", "-o", "boot2.o"],
        ["arm-none-eabi-objcopy", "-O", "binary", "boot2.o", "boot2.bin"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    assembled = (tmp_path / "boot2.bin").read_bytes()
    assert assembled == struct.pack("<11I", *(word for word, _ in code))


def test_uf2_file_holds_the_image_in_whole_sectors(built):
    content = built.uf2.read_bytes()
    blocks = [content[start : start + 512] for start in range(0, len(content), 512)]
    flash = bytearray()
    for number, block in enumerate(blocks):
        start_0, start_1, flags, address, size, index, count, family = struct.unpack_from("<8I", block)
        assert (start_0, start_1, block[-4:]) == (0x0A324655, 0x9E5D5157, bytes.fromhex("306fb10a"))
        assert (flags, family, size) == (0x2000, 0xE48BFF56, 256)
        assert (address, index, count) == (FLASH + 256 * number, number, len(blocks))
        assert block[32 + 256 : -4] == bytes(220)
        flash += block[32 : 32 + 256]
    image = flash_image(built.image)
    assert flash == image.ljust(-(-len(image) // 4096) * 4096, b"\xff")


def test_project_makes_the_very_uf2_file_without_edgekit(built, tmp_path):
    tool = built.image.parent.parent / "tools" / "uf2.py"
    target = tmp_path / "firmware.uf2"
    command = [sys.executable, "-I", tool, built.image, "0xe48bff56", target]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    assert target.read_bytes() == built.uf2.read_bytes()
    makefile = (built.image.parent.parent / "Makefile").read_text()
    assert "\n\tpython3 tools/uf2.py $< 0xe48bff56 $@\n" in makefile


@pytest.mark.parametrize(("image", "address"), [(b"", FLASH), (b"x", FLASH + 256)])
def test_what_cannot_become_a_uf2_file_is_refused(image, address):
    with pytest.raises(ValueError, match="cannot become a UF2 file"):
        uf2.uf2_image(image, address, uf2.FAMILIES["RP2040"])


def test_pico_answers_runs_and_restarts_through_its_watchdog(rp2040js, built):
    with Device(open_emulator(BOARD, built.image)) as device:
        info = device.info()
        assert (info.board, info.model_sha256) == ("pico", tiny_graph().sha256)
        assert info.clock_hz == BOARD.mcu.clock_hz
        device.write_inputs([INPUT])
        assert 0 < device.invoke().ticks < 10_000
        layer = tiny_graph().ops[0]
        expected = (layer.filter.astype(int) @ INPUT[0].astype(int) + layer.bias) // 8 - 3
        assert device.read_outputs()[0].tolist() == [expected.tolist()]
        every_byte = bytes(range(256))
        assert device.echo(every_byte) == every_byte
        device.reset()
        assert device.info().board == "pico"
        assert 0 < device.status().stack_used_bytes < BOARD.memory.stack_bytes


def test_instructions_are_counted_as_on_the_virtual_board(rp2040js, tmp_path):
    pytest.importorskip("unicorn", reason="unicorn is not installed")

    def counted(name: str) -> int:
        board = load_board(name)
        require_toolchain("gcc", board)
        project = tiny_project(board, tiny_graph(inputs=5_000))
        write_project(project, tmp_path / name)
        image = compile_project(project, tmp_path / name, board, "gcc").image
        with Device(open_emulator(board, image, count_instructions=True)) as device:
            device.generate_inputs(1)
            return instructions(board, device.invoke().ticks)

    pico, virtual = counted("pico"), counted("virt-cortex-m0")
    assert virtual > 50_000
    assert 0 <= pico - virtual < 40  # reading SysTick takes a dozen instructions more


@pytest.fixture(scope="module")
def probe_image(tmp_path_factory):
    require_toolchain("gcc", BOARD)
    folder = tmp_path_factory.mktemp("probe")
    project = probe_project(BOARD)
    write_project(project, folder)
    return compile_project(project, folder, BOARD, "gcc").image


@pytest.mark.parametrize(
    ("command", "known"),
    [
        (("W", 0xA000_0000), "exception=0x00000003 pc=0x1000"),
        (("J", 0xB000_0001), "exception=0x00000003 pc=0xb000000"),
        (("U",), "exception=0x00000003 pc=0x1000"),
        (("K", 100_000), "exception=0x00000003 stack overflow"),
        (("Q",), "exception=0x00000003 pc=0x1000"),
    ],
    ids=["write-nowhere", "jump-nowhere", "undefined-instruction", "stack-overflow", "end-of-main"],
)
def test_fault_is_told_with_its_place(rp2040js, probe_image, command, known):
    probe = Probe(open_emulator(BOARD, probe_image))
    probe.command(*command)
    text = probe.read(len(known) + 30).decode(errors="replace")
    assert known in text
    with pytest.raises(DeviceError, match="stopped by a processor fault"):
        read_to_the_end(probe.transport)
    probe.transport.close()


def read_to_the_end(transport) -> None:
    for _ in range(10):
        transport.read(2.0)


def test_emulated_boot_rom_refuses_a_spoilt_boot_stage(rp2040js, built, tmp_path):
    image = built.image.read_bytes()
    at = image.index(struct.pack("<I", int(BOOT2_WORDS[0][0], 16)))
    spoilt = tmp_path / "firmware.elf"
    spoilt.write_bytes(image[: at + 4] + b"\0" + image[at + 5 :])
    with pytest.raises(DeviceError, match="wrong CRC-32"):
        Rp2040jsTransport(BOARD, spoilt).read(20.0)


def test_missing_rp2040js_and_node_are_named(monkeypatch, tmp_path, built):
    monkeypatch.setenv("EDGEKIT_RP2040JS", str(tmp_path))
    with pytest.raises(ToolchainError, match=r"not found in .*npm install rp2040js.*EDGEKIT_RP2040JS"):
        find_rp2040js("pico")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolchainError, match=r"node \(Node.js 18 or later\).*apt install nodejs npm"):
        open_emulator(BOARD, built.image)
