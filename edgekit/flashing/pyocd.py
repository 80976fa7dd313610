"""Cortex-M boards through a debug probe (ST-LINK, CMSIS-DAP, J-Link) with pyOCD."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.boards import Board
from edgekit.errors import DeviceError, UsageError
from edgekit.flashing.tool import RETRY, KnownFailure, find_tool, run_tool
from edgekit.text import printable_name

_LIST_TIMEOUT_S = 30.0
_FLASH_TIMEOUT_S = 300.0

# Probes are no serial ports: the group of those is of no use.
_HINT_UDEV = (
    "on Linux, install pyOCD's udev rules (https://github.com/pyocd/pyOCD/tree/main/udev), and plug it in "
    "again."
)

_FAILURES = (
    KnownFailure(
        r"No connected debug probe|No available debug probe|No target device available|no probe",
        f"The probe is not there any more. {RETRY}",
        while_writing=True,
    ),
    KnownFailure(
        r"Permission denied|Access denied|insufficient permissions|Errno 13",
        f"Your user may not use the probe: {_HINT_UDEV}",
    ),
    KnownFailure(
        r"No ACK|Target voltage|not powered|Unable to connect|target is not|DP initiali[sz]ation|"
        r"no device (is )?connected",
        "The probe does not reach the chip: is the board powered, are SWDIO, SWCLK and GND connected?",
    ),
    KnownFailure(
        r"locked|APPROTECT|readout protection|RDP",
        "The chip is locked against debugging. `pyocd erase --mass -t TARGET` unlocks it and erases it "
        "whole.",
    ),
    KnownFailure(
        r"Resource busy|in use|Could not claim|LIBUSB_ERROR_BUSY|exclusive",
        "Another program uses the probe (an IDE, a debugger, another pyOCD): close it.",
    ),
    KnownFailure(
        r"Input/output error|No such device|disconnected|transfer fault|LIBUSB|USB error|pipe error",
        f"The connection to the chip was lost while it was written to. {RETRY}",
        while_writing=True,
    ),
    KnownFailure(
        r"not within any flash|no memory region|outside of any memory|does not fit",
        "The image is not for this chip: are flash.target and memory of the profile those of the board?",
    ),
)


@dataclass(frozen=True)
class Probe:
    """A debug probe as pyOCD lists it."""

    unique_id: str
    description: str

    def __str__(self) -> str:
        """What a person needs to choose it."""
        return f"{self.unique_id} ({self.description})"


def flash_with_pyocd(board: Board, image: Path, probe: str | None, say: Callable[[str], None]) -> None:
    """Writes ``image`` (ELF) through the probe whose id begins with ``probe``, or the only one; resets.

    Raises UsageError where several probes are plugged in and none was named, DeviceError where there is
    none or writing fails, ToolchainError where pyOCD is not installed.
    """
    if not board.flash.target:
        raise UsageError(
            f"the profile of {board.name} says flash.tool 'pyocd' but not flash.target, the chip."
        )
    tool = find_tool("pyocd", "probe")
    chosen = choose_probe(list_probes(tool), probe, board.name)
    say(f"writing {image.name} to {board.flash.target} through the probe {chosen}")
    run_tool(
        [
            *(*tool, "flash", "--no-config", "--no-wait"),
            *("--target", board.flash.target, "--uid", chosen.unique_id, str(image.resolve())),
        ],
        name="pyocd",
        what=f"the probe {chosen}",
        timeout_s=_FLASH_TIMEOUT_S,
        failures=(_unknown_chip(board.flash.target), *_FAILURES),
    )


def _unknown_chip(target: str) -> KnownFailure:
    return KnownFailure(
        "Target type .* not recognized",
        f"pyOCD does not know this chip yet: `pyocd pack install {target}` fetches its support, once.",
    )


def list_probes(tool: list[str]) -> list[Probe]:
    """The probes that pyOCD sees. Raises DeviceError where its answer is not usable."""
    output = run_tool(
        [*tool, "json", "--probes", "--no-config"],
        name="pyocd",
        what="the list of probes",
        timeout_s=_LIST_TIMEOUT_S,
        failures=_FAILURES,
    )
    try:
        # Warnings of its USB libraries may stand before or behind the JSON object.
        listing: Any = json.loads(output[output.index("{") : output.rindex("}") + 1])
        return [
            Probe(str(entry["unique_id"]), printable_name(str(entry["info"]))) for entry in listing["boards"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise DeviceError(
            f"pyocd's list of probes is not readable ({error}). Is it version 0.34 or newer? "
            "`pip install --upgrade 'edgekit[probe]'`"
        ) from error


def choose_probe(probes: list[Probe], wanted: str | None, board: str) -> Probe:
    """The probe whose id begins with ``wanted`` (case ignored), or the only one."""
    if not probes:
        raise DeviceError(
            f"no debug probe is plugged in, which flashes {board}. Connect the board's own USB port "
            "(ST-LINK, DAPLink), or a probe with SWDIO, SWCLK and GND wired. If one is plugged in, your user "
            f"may not use it: {_HINT_UDEV}"
        )
    listed = "; ".join(map(str, probes))
    if wanted is None:
        if len(probes) > 1:
            raise UsageError(f"{len(probes)} debug probes are plugged in: {listed}. Name one with --probe.")
        return probes[0]
    matching = [probe for probe in probes if probe.unique_id.lower().startswith(wanted.lower())]
    if len(matching) != 1:
        number = "no" if not matching else "more than one"
        raise UsageError(f"{number} debug probe has an id that begins with '{wanted}'. Plugged in: {listed}.")
    return matching[0]
