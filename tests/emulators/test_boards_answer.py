"""The whole firmware on every shipped board: built, started, greeted, run, restarted."""

import os
import pty
import signal
import subprocess

import numpy as np
import pytest
from probe_firmware import ANSWER_TIMEOUT_S, require_program, require_toolchain, tiny_graph, tiny_project

from edgekit.boards import load_board, read_board
from edgekit.device.device import Device
from edgekit.device.emulators import instructions, open_emulator
from edgekit.device.emulators.qemu_system import qemu_program
from edgekit.device.messages import TickUnit
from edgekit.device.ports import open_port
from edgekit.errors import DeviceError, ToolchainError
from edgekit.projects.project import write_project
from edgekit.resources import boards_folder
from edgekit.toolchains.build import compile_project
from edgekit.toolchains.zig import find_zig

VIRTUAL = ("virt-cortex-m0", "virt-cortex-m4", "virt-cortex-m7", "virt-cortex-m33", "virt-rv32")
MACHINES = [
    *((board, toolchain, None, TickUnit.NONE) for board in VIRTUAL for toolchain in ("zig", "gcc")),
    *(
        (board, toolchain, "qemu-system-arm", TickUnit.CYCLES)
        for board in ("mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547")
        for toolchain in ("zig", "gcc")
    ),
    ("qemu-rv32", "zig", "qemu-system-riscv32", TickUnit.CYCLES),
    ("qemu-rv32", "gcc", "qemu-system-riscv32", TickUnit.CYCLES),
    ("host", "zig", None, TickUnit.NANOSECONDS),
    ("host", "gcc", None, TickUnit.NANOSECONDS),
    # Zig compiles its C library first: a minute, once for all 64-bit and once for all 32-bit boards.
    *(
        pytest.param(board, "zig", program, TickUnit.NANOSECONDS, marks=pytest.mark.slow)
        for program, boards in (
            ("qemu-aarch64", ("rpi3", "rpi4", "rpi5", "rpizero2w")),
            ("qemu-arm", ("rpi3-32bit", "rpizero")),
        )
        for board in boards
    ),
]

INPUT = np.array([[1, -2, 3, -4]], dtype=np.int8)


def build(board, toolchain, folder, graph=None):
    require_toolchain(toolchain, board)
    project = tiny_project(board, graph)
    write_project(project, folder)
    return compile_project(project, folder, board, toolchain).image


@pytest.fixture(scope="module")
def host_image(tmp_path_factory):
    return build(load_board("host"), "gcc", tmp_path_factory.mktemp("host"))


def expected_output() -> np.ndarray:
    """The layer of tiny_graph in plain arithmetic: the sums are multiples of 8, its factor is 1/8."""
    layer = tiny_graph().ops[0]
    return (layer.filter.astype(int) @ INPUT[0].astype(int) + layer.bias) // 8 + layer.output_zero_point


@pytest.mark.parametrize(("board_name", "toolchain", "program", "unit"), MACHINES)
def test_board_answers_runs_and_names_its_model(tmp_path, board_name, toolchain, program, unit):
    if program is not None:
        require_program(program)
    board = load_board(board_name)
    image = build(board, toolchain, tmp_path)
    with Device(open_emulator(board, image)) as device:
        info = device.info()
        assert info.board == board.name
        assert info.model_sha256 == tiny_graph().sha256
        assert info.tick_unit == unit
        device.write_inputs([INPUT])
        device.invoke()
        assert device.read_outputs()[0].tolist() == [expected_output().tolist()]
        assert (device.status().stack_used_bytes > 0) == (unit is not TickUnit.NANOSECONDS)
        if board.emulator.kind != "qemu-user":  # it cannot start a program of the board from within one
            device.reset()
            assert device.info().board == board.name


@pytest.mark.parametrize(
    ("virtual", "machine"),
    [
        ("virt-cortex-m4", "mps2-an386"),
        ("virt-cortex-m7", "mps2-an500"),
        ("virt-cortex-m33", "mps2-an505"),
        ("virt-rv32", "qemu-rv32"),
    ],
)
def test_both_emulators_count_the_same_instructions(tmp_path, virtual, machine):
    require_program(qemu_program(load_board(machine)))

    def counted(board_name: str) -> int:
        board = load_board(board_name)
        image = build(board, "gcc", tmp_path / board_name, tiny_graph(inputs=20_000))
        with Device(open_emulator(board, image, count_instructions=True)) as device:
            device.generate_inputs(1)
            return instructions(board, device.invoke().ticks)

    by_unicorn, by_qemu = counted(virtual), counted(machine)
    assert by_unicorn > 50_000
    # QEMU's clock has ticks of 40 or 50 (for RISC-V of 1), and reading it takes a dozen instructions more.
    assert -50 <= by_qemu - by_unicorn <= 70


def test_adding_a_board_is_adding_a_file(tmp_path):
    require_program("qemu-system-arm")
    known = (boards_folder() / "mps2-an385.toml").read_text()
    profile = tmp_path / "mine.toml"
    profile.write_text(known.replace('name = "mps2-an385"', 'name = "mine"').replace("4_194_304", "65_536"))
    board = read_board(profile)
    with Device(open_emulator(board, build(board, "gcc", tmp_path / "project"))) as device:
        assert device.info().board == "mine"
        device.write_inputs([INPUT])
        device.invoke()
        assert device.read_outputs()[0].tolist() == [expected_output().tolist()]


def test_program_for_another_core_is_not_run(tmp_path):
    """qemu-user emulates the board's very core: a dot product, which a Cortex-A53 lacks, ends it there."""
    require_program("qemu-aarch64")
    require_toolchain("zig", load_board("rpi5"))
    source, program = tmp_path / "dot.c", tmp_path / "dot"
    source.write_text(
        'void _start(void) { __asm__ volatile("sdot v0.4s, v1.16b, v2.16b; mov x0, #0; mov x8, #93; svc #0");'
        " __builtin_unreachable(); }\n"
    )
    flags = ["-target", "aarch64-linux-musl", "-mcpu=cortex_a76", "-nostdlib", "-static", "-O1"]
    subprocess.run([find_zig(), "cc", *flags, source, "-o", program], check=True)
    for name, message in (("rpi3", "was ended by signal 4"), ("rpi5", "ended with exit code 0")):
        transport = open_emulator(load_board(name), program)
        with pytest.raises(DeviceError, match=message):
            transport.read(ANSWER_TIMEOUT_S)
        transport.close()


def test_dead_process_is_an_error_with_what_it_said(host_image):
    transport = open_emulator(load_board("host"), host_image)
    os.kill(transport._child.pid, signal.SIGSEGV)
    with pytest.raises(DeviceError, match="the firmware of host was ended by signal 11"):
        transport.read(ANSWER_TIMEOUT_S)
    with pytest.raises(DeviceError, match="was ended by signal 11"):
        transport.write(bytes(8))
    transport.close()
    with pytest.raises(DeviceError, match="was closed"):
        transport.read(0.1)


def test_image_that_cannot_run_here_is_an_error(tmp_path):
    image = tmp_path / "firmware"
    image.write_bytes(b"\x7fELF, but of nothing")
    image.chmod(0o755)
    with pytest.raises(DeviceError, match="could not be started"):
        open_emulator(load_board("host"), image)


def test_missing_qemu_user_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    image = tmp_path / "firmware"
    image.touch()
    with pytest.raises(ToolchainError, match=r"qemu-aarch64.*apt install qemu-user.*virt-cortex-m4"):
        open_emulator(load_board("rpi4"), image)


@pytest.fixture
def started(host_image):
    """Starts the program with options; ended with the test."""
    processes = []

    def start(*options: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [host_image, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.proves("board", "host")
def test_program_serves_one_tcp_client_after_the_other_and_survives_a_reset(started):
    process = started("--listen", "0")
    line = process.stderr.readline().decode()
    assert line.startswith("edgekit: listening on 127.0.0.1:")
    port = line.strip().rpartition(":")[2]
    for _ in range(2):
        with Device(open_port(f"socket://127.0.0.1:{port}")) as device:
            assert device.info().board == "host"
            device.reset()
            assert device.info().board == "host"
    assert process.poll() is None


def test_program_serves_a_serial_line(started):
    terminal, line = pty.openpty()
    try:
        started("--serial", os.ttyname(line), "--baud", "230400")
        with Device(_Terminal(terminal)) as device:
            assert device.echo(bytes(range(64))) == bytes(range(64))
            device.reset()
            assert device.info().board == "host"
    finally:
        os.close(line)
        os.close(terminal)


class _Terminal:
    """The other end of a pseudo-terminal as a transport."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        os.write(self._descriptor, data)

    def read(self, timeout_s: float) -> bytes:
        import select

        ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
        return os.read(self._descriptor, 4096) if ready else b""

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("options", "exit_code", "said"),
    [
        (["--help"], 0, "usage:"),
        (["--baud"], 2, "usage:"),
        (["--baud", "fast"], 2, "usage:"),
        (["--baud", "-1"], 2, "usage:"),
        (["--listen", "70000"], 2, "usage:"),
        (["--listen", "127.0.0.1:"], 2, "usage:"),
        (["--listen", "1:2:3"], 1, "not an IPv4 address"),
        (["--serial", "/dev/null"], 1, "not a serial line"),
        (["--serial", "/nonexistent"], 1, "No such file"),
        (["--serial", "/dev/null", "--listen", "1"], 2, "usage:"),
        (["--unknown", "1"], 2, "usage:"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_command_line_mistakes_are_told(started, options, exit_code, said):
    process = started(*options)
    out, err = process.communicate(timeout=ANSWER_TIMEOUT_S)
    assert (process.returncode, said in (out + err).decode()) == (exit_code, True)
