"""The SDK-free ports of real chips: whole images on models of the chips, written from their manuals."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import pytest
from probe_firmware import require_toolchain, tiny_graph, tiny_project

from edgekit.boards import load_board
from edgekit.device.device import Device
from edgekit.device.messages import TickUnit
from edgekit.projects.project import write_project
from edgekit.toolchains.build import compile_project

pytest.importorskip("unicorn", reason="unicorn is not installed")

from ports.chips import Chip, Esp32C3, Esp32C3Uart0, Nrf52833, Stm32F4, Stm32L4R5

INPUT = np.array([[1, -2, 3, -4]], dtype=np.int8)
TOOLCHAINS = ("zig", "gcc")


def stm32f405(board, image) -> Chip:
    return Stm32F4(board, image, uart=(0x4001_1000, Stm32F4.APB2ENR, 4), pins=((0, 9), (0, 10)), hse_hz=0)


def nucleo_f446re(board, image, hse_hz=8_000_000) -> Chip:
    uart = (0x4000_4400, Stm32F4.APB1ENR, 17)
    return Stm32F4(board, image, uart=uart, pins=((0, 2), (0, 3)), hse_hz=hse_hz)


CHIPS = {
    "stm32f405": (stm32f405, 168_000_000),
    "nucleo_f446re": (nucleo_f446re, 180_000_000),
    "nucleo_l4r5zi": (Stm32L4R5, 120_000_000),
    "microbit_v2": (Nrf52833, 64_000_000),
    "esp32c3": (Esp32C3, 40_000_000),
}


@pytest.fixture(scope="session")
def chip_image(tmp_path_factory):
    """The tiny network's firmware for (board, toolchain), built once."""
    images = {}

    def build(board, toolchain):
        if (board.name, toolchain) not in images:
            require_toolchain(toolchain, board)
            folder = tmp_path_factory.mktemp(f"{board.name}-{toolchain}")
            project = tiny_project(board)
            write_project(project, folder)
            images[board.name, toolchain] = compile_project(project, folder, board, toolchain, engine="aot")
        return images[board.name, toolchain]

    return build


@pytest.mark.proves("compiled")
@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("name", CHIPS)
def test_firmware_runs_by_the_manual(chip_image, name, toolchain):
    board = load_board(name)
    model, clock_hz = CHIPS[name]
    chip = model(board, chip_image(board, toolchain).image)
    with Device(chip) as device:
        info = device.info()
        assert (info.board, info.model_sha256) == (name, tiny_graph().sha256)
        assert (info.tick_unit, info.clock_hz) == (TickUnit.CYCLES, clock_hz)
        device.write_inputs([INPUT])
        assert device.invoke().ticks > 0
        layer = tiny_graph().ops[0]
        expected = (layer.filter.astype(int) @ INPUT[0].astype(int) + layer.bias) // 8 - 3
        assert device.read_outputs()[0].tolist() == [expected.tolist()]
        assert 0 < device.status().stack_used_bytes < board.memory.stack_bytes
        device.reset()
        assert device.info().board == name
        assert chip.resets == 1
        assert device.echo(bytes(range(256))) == bytes(range(256))
    assert not isinstance(chip, Esp32C3) or not chip.watchdogs_bite()


def test_without_its_oscillator_an_stm32_says_how_fast_it_is(chip_image):
    """The ST-LINK gives no clock: 16 MHz it is, and the baud rate is right all the same."""
    board = load_board("nucleo_f446re")
    with Device(nucleo_f446re(board, chip_image(board, "gcc").image, hse_hz=0)) as device:
        assert device.info().clock_hz == 16_000_000


FAULTS = [
    ("esp32c3", "stop_timer_watchdog(TIMER_GROUP_1);", "", "a watchdog bites"),
    ("esp32c3", "RTC_WDTWPROTECT = WDT_KEY;", "", "written while it is locked"),
    ("microbit_v2", "PSEL(EK_BOARD_RX_PORT, EK_BOARD_RX_PIN)", "8", "P0.06 and P1.08"),
    ("nucleo_l4r5zi", "PWR_CR2 |= CR2_IOSV;", "", "port G without IOSV"),
    ("nucleo_l4r5zi", "PWR_CR5 &= ~CR5_R1MODE;", "", "too fast for its range"),
    ("nucleo_f446re", "NEEDS_OVER_DRIVE &&", "0 &&", "too fast without over-drive"),
    ("nucleo_f446re", "CFGR_PPRE1_DIV4 |", "", "a bus is too fast"),
]


@pytest.mark.parametrize(("name", "old", "new", "rule"), FAULTS, ids=[fault[-1] for fault in FAULTS])
def test_a_planted_fault_is_noticed(tmp_path, name, old, new, rule):
    board = load_board(name)
    require_toolchain("gcc", board)
    project = tiny_project(board)
    source = f"port/{board.engines['aot'].target}/port.c"
    text = project.files[source].decode()
    assert old in text
    project = dataclasses.replace(project, files={**project.files, source: text.replace(old, new).encode()})
    write_project(project, tmp_path)
    chip = CHIPS[name][0](board, compile_project(project, tmp_path, board, "gcc", engine="aot").image)
    with pytest.raises(AssertionError, match=rule):
        greet(chip)


def greet(chip) -> None:
    with Device(chip) as device:
        device.info()
    assert not isinstance(chip, Esp32C3) or not chip.watchdogs_bite(), "a watchdog bites"


def test_a_profile_with_another_uart_is_compiled_for_it(tmp_path):
    """A board of one's own is a profile: here USART1 on PB6 and PB7, from the chip's own oscillator."""
    known = load_board("nucleo_f446re")
    require_toolchain("gcc", known)
    board = msgspec.structs.replace(
        known,
        mcu=msgspec.structs.replace(known.mcu, oscillator="internal", oscillator_hz=0),
        serial=msgspec.structs.replace(known.serial, uart="USART1", tx="PB6", rx="PB7"),
    )
    project = tiny_project(board)
    write_project(project, tmp_path)
    image = compile_project(project, tmp_path, board, "gcc").image
    uart = (0x4001_1000, Stm32F4.APB2ENR, 4)
    with Device(Stm32F4(board, image, uart=uart, pins=((1, 6), (1, 7)), hse_hz=0)) as device:
        assert device.info().clock_hz == 180_000_000


def test_an_esp32c3_with_a_serial_converter_speaks_through_uart0(tmp_path):
    known = load_board("esp32c3")
    require_toolchain("gcc", known)
    board = msgspec.structs.replace(known, serial=msgspec.structs.replace(known.serial, uart="UART0"))
    project = tiny_project(board)
    write_project(project, tmp_path)
    image = compile_project(project, tmp_path, board, "gcc", engine="aot").image
    with Device(Esp32C3Uart0(board, image)) as device:
        assert device.info().board == "esp32c3"
        assert device.echo(bytes(range(256))) == bytes(range(256))
