"""Start-up code and ports, run for real: on the virtual board and on QEMU, from both compilers."""

import pytest
from probe_firmware import TOOLCHAINS, require_program

from edgekit.boards import load_board
from edgekit.device.emulators import instructions
from edgekit.device.messages import TickUnit
from edgekit.errors import DeviceError

BOARDS = ("virt-cortex-m4", "mps2-an386")


@pytest.fixture(params=[(board, toolchain) for board in BOARDS for toolchain in TOOLCHAINS], ids="-".join)
def machine(request):
    """Board and toolchain."""
    board, toolchain = request.param
    if board.startswith("mps2"):
        require_program("qemu-system-arm")
    return board, toolchain


def test_every_byte_value_travels_both_ways(open_probe, machine):
    probe = open_probe(*machine)
    every_byte = bytes(range(256)) * 5
    assert probe.echo(every_byte) == every_byte
    assert probe.echo(b"\0") == b"\0"


def test_port_describes_itself(open_probe, machine):
    probe = open_probe(*machine)
    probe.command("I")
    board = load_board(machine[0])
    assert probe.read(len(board.name) + 1) == board.name.encode() + b"\0"
    unit, clock_hz = probe.number(), probe.number()
    if machine[0].startswith("mps2"):
        assert (unit, clock_hz) == (TickUnit.CYCLES, board.mcu.clock_hz)
    else:
        assert (unit, clock_hz) == (TickUnit.NONE, 0)


def test_start_up_initialises_memory_and_the_fpu_and_a_reset_does_so_again(open_probe, machine):
    probe = open_probe(*machine)
    for _ in range(2):
        probe.command("M")
        assert (probe.number(), probe.number()) == (0x12345678, 0)
        probe.command("M")
        assert (probe.number(), probe.number()) == (0xFFFFFFFF, 0xFFFFFFFF)
        probe.command("F")
        assert probe.number() == 1000
        probe.command("R")
        assert probe.transport.read(0.3) == b""  # what is sent while it restarts would be lost


def test_stack_high_water_follows_use(open_probe, machine):
    probe = open_probe(*machine)
    probe.command("S")
    at_rest = probe.number()
    probe.command("K", 1024)
    deep = probe.number()
    probe.command("K", 64)
    assert 0 < at_rest < 512
    assert at_rest + 1024 <= deep < 4096
    assert probe.number() == deep


def test_instructions_of_a_known_loop_are_counted_exactly(open_probe, machine):
    """Two instructions an iteration; counter readings and calls cancel out in the difference."""
    probe = open_probe(*machine, count_instructions=True)
    board = load_board(machine[0])
    per_tick = instructions(board, 1)
    short, long = probe.ticks(1_000), probe.ticks(501_000)
    assert abs(instructions(board, long - short) - 1_000_000) < per_tick + (per_tick > 1)
    assert probe.ticks(1_000) - short in ({0} if per_tick == 1 else {-1, 0, 1})


@pytest.mark.slow
def test_counter_goes_on_beyond_the_24_bits_of_systick(open_probe):
    require_program("qemu-system-arm")
    probe = open_probe("mps2-an386", "zig", count_instructions=True)
    iterations = (1 << 24) * 40 // 2 + 1_000_000
    assert abs(probe.ticks(iterations) - iterations * 2 // 40) <= 5


@pytest.mark.parametrize(
    ("command", "known"),
    [
        (("W", 0xA0000000), "0xa0000000|cfsr=0x00000400|cfsr=0x00008200"),
        (("J", 0xB0000001), "0xb0000000|pc=0xb0000000"),
        (("U",), "pc=0x"),
    ],
    ids=["write-nowhere", "jump-nowhere", "undefined-instruction"],
)
def test_fault_is_told_with_its_place(open_probe, machine, command, known):
    probe = open_probe(*machine)
    probe.command(*command)
    text, error = last_words(probe)
    told = f"{text}{error}"
    assert "fault" in told
    assert any(word in told for word in known.split("|")), told
    with pytest.raises(DeviceError):
        probe.transport.read(0.1)


def test_stack_overflow_is_named(open_probe, machine):
    probe = open_probe(*machine)
    probe.command("K", 100_000)
    text, error = last_words(probe)
    assert "stack" in f"{text}{error}"
    assert "overflow" in f"{text}{error}"


def test_end_of_main_is_told(open_probe, machine):
    probe = open_probe(*machine)
    probe.command("Q")
    _, error = last_words(probe)
    assert "stopped itself with code 1" in error or "processor fault" in error


def last_words(probe) -> tuple[str, str]:
    """What the firmware sends until the transport fails, and the error."""
    text = b""
    while True:
        try:
            text += probe.transport.read(20.0)
        except DeviceError as error:
            return text.decode(errors="replace"), str(error)
