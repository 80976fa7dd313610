"""The files that tell a project about its board: profile, C header, memory for the linker."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from edgekit.board_rules import pin_numbers
from edgekit.boards import Board
from edgekit.errors import UsageError

_HEADER = """/* SPDX-License-Identifier: Apache-2.0 */
/* Made by edgekit from the board's profile, which lies beside it. */
#ifndef EDGEKIT_EK_BOARD_H
#define EDGEKIT_EK_BOARD_H

#define EK_BOARD_NAME     {name}
#define EK_BOARD_CLOCK_HZ {clock_hz}u

/* The chip, for ports that serve several. */
#define EK_BOARD_MCU_{mcu} 1
{wiring}
#endif /* EDGEKIT_EK_BOARD_H */
"""

_MEMORY = """/* SPDX-License-Identifier: Apache-2.0 */
/* Made by edgekit from the board's profile, which lies beside it. */
MEMORY
{{
    FLASH (rx) : ORIGIN = 0x{flash_origin:08x}, LENGTH = {flash_bytes}
    RAM (rwx) : ORIGIN = 0x{ram_origin:08x}, LENGTH = {ram_bytes}
}}

ek_stack_bytes = {stack_bytes};
"""


def board_header(board: Board) -> bytes:
    """``ek_board.h``: what the port needs to know of the board.

    The chip's name is in ``EK_BOARD_MCU_<NAME>``, in capitals, with ``_`` for all but letters and digits.
    """
    wiring = "".join(f"#define {name} {value}\n" for name, value in _wiring(board))
    return _HEADER.format(
        name=json.dumps(board.name),
        clock_hz=board.mcu.clock_hz,
        mcu=re.sub(r"[^A-Z0-9]+", "_", board.mcu.name.upper()),
        wiring=wiring and f"\n{wiring}",
    ).encode()


def _wiring(board: Board) -> list[tuple[str, str]]:
    """Oscillator and serial port, as far as the profile names them.

    A pin becomes two numbers, its port and its place there: PC10 is 2 and 10, P1.08 is 1 and 8.
    """
    names = []
    if board.mcu.oscillator != "internal":
        kind = board.mcu.oscillator.upper()
        names += [
            (f"EK_BOARD_OSCILLATOR_{kind}", "1"),
            ("EK_BOARD_OSCILLATOR_HZ", f"{board.mcu.oscillator_hz}u"),
        ]
    serial = board.serial
    if serial is not None and serial.uart:
        names += [("EK_BOARD_BAUD", f"{serial.baud}u"), (f"EK_BOARD_UART_{serial.uart}", "1")]
        for signal, pin in (("TX", serial.tx), ("RX", serial.rx)):
            if pin:
                port, place = pin_numbers(pin)
                names += [(f"EK_BOARD_{signal}_PORT", f"{port}u"), (f"EK_BOARD_{signal}_PIN", f"{place}u")]
    return names


def memory_script(board: Board) -> bytes:
    """``memory.ld``: the regions FLASH and RAM, and the stack to reserve."""
    if board.memory is None or board.mcu.flash_bytes is None:
        raise UsageError(f"the profile of {board.name} has no [memory], which a baremetal project needs.")
    return _MEMORY.format(
        flash_origin=board.memory.flash_origin,
        flash_bytes=board.mcu.flash_bytes,
        ram_origin=board.memory.ram_origin,
        ram_bytes=board.mcu.ram_bytes,
        stack_bytes=board.memory.stack_bytes,
    ).encode()


def board_toml(board: Board) -> bytes:
    """The profile as TOML, from which :func:`edgekit.boards.read_board` makes an equal Board."""
    return "\n".join(_toml_lines(msgspec.to_builtins(board), "")).encode() + b"\n"


def _toml_lines(table: dict[str, Any], path: str) -> list[str]:
    """Lines of one table: its values first, then its tables. JSON's strings and lists are TOML's, too."""
    values = {key: value for key, value in table.items() if value is not None and not isinstance(value, dict)}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    for key, value in table.items():
        if isinstance(value, dict):
            name = f"{path}{key}"
            lines += ["", f"[{name}]", *_toml_lines(value, f"{name}.")]
    return lines
