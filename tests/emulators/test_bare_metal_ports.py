"""Start-up code and ports, run for real: on the virtual board and on QEMU, from both compilers."""

import msgspec
import pytest
from probe_firmware import Probe, probe_project, require_program, require_toolchain

from edgekit.boards import load_board
from edgekit.device.emulators import instructions, open_emulator
from edgekit.device.emulators.qemu_system import qemu_program
from edgekit.device.emulators.virtual_board import UnicornTransport
from edgekit.device.messages import TickUnit
from edgekit.errors import DeviceError
from edgekit.projects.project import write_project
from edgekit.toolchains.build import compile_project

# Both compilers for each kind of start-up code and port; one for what differs from those in the core only.
MACHINES = [
    ("virt-cortex-m4", "zig"),
    ("virt-cortex-m4", "gcc"),
    ("mps2-an386", "zig"),
    ("mps2-an386", "gcc"),
    ("virt-rv32", "zig"),
    ("virt-rv32", "gcc"),
    ("qemu-rv32", "zig"),
    ("qemu-rv32", "gcc"),
    ("virt-cortex-m0", "gcc"),
    ("virt-cortex-m7", "gcc"),
    ("virt-cortex-m33", "gcc"),
    ("mps2-an385", "gcc"),
    ("mps2-an500", "gcc"),
    ("mps2-an505", "gcc"),
    ("mps3-an547", "zig"),
    ("mps3-an547", "gcc"),
]
# Where no board here has anything.
NOWHERE = 0xE0200000


@pytest.fixture(params=MACHINES, ids="-".join)
def machine(request):
    """Board and toolchain."""
    board = load_board(request.param[0])
    if board.emulator.kind == "qemu-system":
        require_program(qemu_program(board))
    return request.param


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
    if board.emulator.kind == "qemu-system":
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
        (("W", NOWHERE), f"{NOWHERE:#x}|cfsr=0x00000400|cfsr=0x00008200|mcause=0x00000007"),
        (("J", NOWHERE + 1), f"pc={NOWHERE:#x}"),
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


def test_fault_report_of_armv6m_has_no_fault_status(tmp_path):
    """Armv6-M has no CFSR and no HFSR. QEMU's Cortex-M3 runs its code, too."""
    require_program("qemu-system-arm")
    board = load_board("mps2-an385")
    board = msgspec.structs.replace(board, mcu=msgspec.structs.replace(board.mcu, core="cortex-m0"))
    require_toolchain("gcc", board)
    project = probe_project(board)
    write_project(project, tmp_path)
    probe = Probe(open_emulator(board, compile_project(project, tmp_path, board, "gcc").image))
    probe.command("J", NOWHERE + 1)
    text, _ = last_words(probe)
    assert f"exception=0x00000003 pc={NOWHERE:#x} lr=0x" in text
    assert "fsr" not in text


def test_flash_of_a_machine_that_is_all_ram_is_protected(open_probe):
    require_program("qemu-system-riscv32")
    board = load_board("qemu-rv32")
    probe = open_probe(board.name, "zig")
    probe.command("W", board.memory.flash_origin + 64)
    text, _ = last_words(probe)
    assert "mcause=0x00000007" in text
    assert f"mtval={board.memory.flash_origin + 64:#010x}" in text


def test_all_of_ram_is_there(open_probe, machine):
    probe = open_probe(*machine)
    board = load_board(machine[0])
    probe.command("W", board.memory.ram_origin + board.mcu.ram_bytes - 1)
    assert probe.echo(b"still there") == b"still there"


def test_unaligned_access_is_found_where_it_is_looked_for(probe_image):
    board = load_board("virt-cortex-m0")
    image = probe_image(board.name, "gcc")
    address = board.memory.ram_origin + 0x1001
    lenient, strict = (
        Probe(UnicornTransport(board, image, check_alignment=check)) for check in (False, True)
    )
    lenient.command("A", address)
    lenient.number()
    strict.command("A", address - 1)
    strict.number()
    strict.command("A", address)
    _, error = last_words(strict)
    assert "in main, lr=0x" in error
    assert f"access to 4 bytes at {address:#010x}, which is not aligned" in error


def last_words(probe) -> tuple[str, str]:
    """What the firmware sends until the transport fails, and the error."""
    text = b""
    while True:
        try:
            text += probe.transport.read(20.0)
        except DeviceError as error:
            return text.decode(errors="replace"), str(error)
