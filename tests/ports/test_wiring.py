"""What a profile says of pins, UART and oscillator, and what the firmware's header makes of it."""

import pytest

from edgekit.board_rules import pin_numbers
from edgekit.boards import load_board, read_board
from edgekit.errors import UsageError
from edgekit.projects.board_files import board_header
from edgekit.resources import boards_folder


@pytest.mark.parametrize(
    ("pin", "numbers"),
    [
        ("PA2", (0, 2)),
        ("PG15", (6, 15)),
        ("P0.06", (0, 6)),
        ("P1.08", (1, 8)),
        ("GP0", (0, 0)),
        ("GPIO21", (0, 21)),
    ],
)
def test_pins_are_read_as_each_manual_writes_them(pin, numbers):
    assert pin_numbers(pin) == numbers


@pytest.mark.parametrize("pin", ["", "A2", "PA", "PZ1", "P0.6", "P1.080", "GP", "pa2", "PA2 ", "21"])
def test_what_is_no_pin_is_refused(pin):
    with pytest.raises(UsageError, match=r"is not a pin: write it as PA2, P0\.06, GP0 or GPIO21"):
        pin_numbers(pin)


def test_header_tells_the_port_its_wiring():
    lines = board_header(load_board("nucleo_f446re")).decode().splitlines()
    for line in (
        "#define EK_BOARD_OSCILLATOR_SIGNAL 1",
        "#define EK_BOARD_OSCILLATOR_HZ 8000000u",
        "#define EK_BOARD_BAUD 115200u",
        "#define EK_BOARD_UART_USART2 1",
        "#define EK_BOARD_TX_PORT 0u",
        "#define EK_BOARD_TX_PIN 2u",
        "#define EK_BOARD_RX_PIN 3u",
    ):
        assert line in lines


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('tx = "PA2"', 'tx = "A2"', "serial.tx 'A2'"),
        ('uart = "USART2"', 'uart = "usart 2"', "serial.uart 'usart 2'"),
        ("oscillator_hz = 8_000_000", "oscillator_hz = 0", "mcu.oscillator_hz"),
        ('oscillator = "signal"', 'oscillator = "internal"', "mcu.oscillator_hz"),
        ('oscillator = "signal"', 'oscillator = "quartz"', "oscillator"),
    ],
)
def test_wrong_wiring_is_named_with_its_place(tmp_path, old, new, told):
    known = (boards_folder() / "nucleo_f446re.toml").read_text()
    assert old in known
    profile = tmp_path / "nucleo_f446re.toml"
    profile.write_text(known.replace(old, new))
    with pytest.raises(UsageError, match=told):
        read_board(profile)
