"""Boards behind a debug probe: which probe, what pyOCD is told, and what its failures mean."""

import json

import pytest

from edgekit.boards import board_names, load_board
from edgekit.errors import DeviceError, UsageError
from edgekit.flashing.pyocd import flash_with_pyocd, list_probes
from edgekit.flashing.tool import find_tool

BOARD = load_board("nucleo_f446re")
ONE = {"unique_id": "066BFF51", "info": "STM32 Nucleo-F446RE"}
OTHER = {"unique_id": "9900AA", "info": "ARM DAPLink"}


@pytest.fixture
def pyocd(fake_tool):
    fake = fake_tool("pyocd")
    fake.answers("json", f"0001 W some warning\n{json.dumps({'status': 0, 'boards': [ONE]})}\n")
    fake.answers("flash", "0002 I Erased 65536 bytes")
    return fake


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "firmware.elf"
    path.write_bytes(b"\x7fELF")
    return path


def probes(pyocd, *entries) -> None:
    pyocd.answers("json", json.dumps({"boards": entries}))


def test_the_only_probe_is_used(pyocd, image):
    said = []
    flash_with_pyocd(BOARD, image, None, said.append)
    (call,) = pyocd.calls_with("flash")
    assert call == [
        *("flash", "--no-config", "--no-wait", "--target", "stm32f446retx", "--uid", "066BFF51", str(image))
    ]
    assert "066BFF51 (STM32 Nucleo-F446RE)" in said[0]


def test_several_probes_are_listed_and_one_can_be_named(pyocd, image):
    probes(pyocd, ONE, OTHER)
    with pytest.raises(
        UsageError, match=r"2 debug probes.*066BFF51 \(STM32.*9900AA \(ARM DAPLink\).*--probe"
    ):
        flash_with_pyocd(BOARD, image, None, print)
    assert not pyocd.calls_with("flash")
    flash_with_pyocd(BOARD, image, "9900a", print)
    assert "9900AA" in pyocd.calls_with("flash")[0]


@pytest.mark.parametrize(("wanted", "message"), [("77", "no debug probe has"), ("", "more than one debug")])
def test_a_probe_that_cannot_be_meant_is_refused(pyocd, image, wanted, message):
    probes(pyocd, ONE, OTHER)
    with pytest.raises(UsageError, match=rf"{message}.*Plugged in: 066BFF51"):
        flash_with_pyocd(BOARD, image, wanted, print)


def test_no_probe_gets_a_hint_on_wiring_and_permission(pyocd, image):
    probes(pyocd)
    with pytest.raises(DeviceError, match=r"no debug probe is plugged in.*SWDIO.*udev"):
        flash_with_pyocd(BOARD, image, None, print)


@pytest.mark.parametrize("output", ["", "Traceback (most recent call last):", "{}", '{"boards": [{}]}'])
def test_a_listing_that_is_none_is_an_error(pyocd, image, output):
    pyocd.answers("json", output)
    with pytest.raises(DeviceError, match="list of probes is not readable"):
        flash_with_pyocd(BOARD, image, None, print)


@pytest.mark.parametrize(
    ("output", "hint"),
    [
        (
            "C Target type stm32f446retx not recognized. Use 'pyocd list --targets'",
            "pyocd pack install stm32f446retx`",
        ),
        ("E No connected debug probes", "repeat `edgekit flash`"),
        ("E [Errno 13] Access denied (insufficient permissions)", "udev rules"),
        ("C SWD/JTAG communication failure (No ACK)", "SWDIO, SWCLK and GND"),
        ("C Memory transfer fault (USB error)", "lost while it was written to"),
        ("W APPROTECT enabled: not automatically unlocking", "locked against debugging"),
        ("E [Errno 16] Resource busy", "Another program uses the probe"),
    ],
)
def test_failures_are_explained_and_quoted(pyocd, image, output, hint):
    pyocd.answers("flash", output, exit_code=1)
    with pytest.raises(DeviceError, match="exit code 1") as caught:
        flash_with_pyocd(BOARD, image, None, print)
    assert hint in str(caught.value)
    assert output in str(caught.value)


def test_the_real_pyocd_lists_its_probes():
    pytest.importorskip("pyocd", reason="pyOCD: pip install 'edgekit[probe]'")
    assert isinstance(list_probes(find_tool("pyocd", "probe")), list)


@pytest.mark.parametrize("name", board_names())
def test_a_profile_names_the_chip_as_pyocd_does(name):
    """By pyOCD's own targets, and by its table of boards for those that need a pack."""
    board = load_board(name)
    if board.flash.tool != "pyocd":
        return
    pytest.importorskip("pyocd", reason="pyOCD: pip install 'edgekit[probe]'")
    from pyocd.board.board_ids import BOARD_ID_TO_INFO
    from pyocd.target.builtin import BUILTIN_TARGETS

    assert board.flash.target in {*BUILTIN_TARGETS, *(info.target for info in BOARD_ID_TO_INFO.values())}
