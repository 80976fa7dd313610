"""QEMU as a board: what happens when it is missing, dies, or is left alone."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import pytest
from probe_firmware import ANSWER_TIMEOUT_S, require_program

from edgekit.boards import Board, load_board
from edgekit.device.emulators import counts_instructions, guard, instructions, open_emulator
from edgekit.errors import DeviceError, ToolchainError, UsageError

BOARD = load_board("mps2-an386")


@pytest.fixture(autouse=True)
def qemu():
    require_program("qemu-system-arm")


@pytest.fixture
def image(probe_image):
    return probe_image(BOARD.name, "zig")


@pytest.fixture
def fake_qemu(tmp_path, monkeypatch):
    """Puts a shell script in QEMU's place."""

    def install(script: str) -> None:
        program = tmp_path / "qemu-system-arm"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return install


def qemu_pids(image: Path) -> list[int]:
    """Processes whose command line is QEMU's for ``image``."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if str(image).encode() in words and words[0].endswith(b"qemu-system-arm"):
                found.append(int(entry.name))
    return found


def wait_until(condition) -> None:
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_missing_qemu_names_the_package_and_another_board(image, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolchainError, match=r"apt install qemu-system-arm.*virt-cortex-m4"):
        open_emulator(BOARD, image)


def test_qemu_that_refuses_to_start_is_quoted(image, fake_qemu):
    fake_qemu("echo 'unsupported machine type' >&2; exit 7")
    with pytest.raises(DeviceError, match=r"exit code 7. It said:\nunsupported machine type"):
        open_emulator(BOARD, image)


def test_qemu_that_dies_is_quoted(image, fake_qemu):
    connect = "import os, socket, sys; p = sys.argv[1].split(':')[2].split(',')[0]; "
    fake_qemu(
        'while [ "$1" != -serial ]; do shift; done\n'
        f'"{sys.executable}" -c "{connect}socket.create_connection((\'127.0.0.1\', int(p)))" "$2"\n'
        "echo 'out of luck' >&2; kill -SEGV $$"
    )
    transport = open_emulator(BOARD, image)
    with pytest.raises(DeviceError, match=r"exit code 139. It said:\nout of luck"):
        transport.read(ANSWER_TIMEOUT_S)
    transport.close()


def test_killed_qemu_is_an_error_at_read_and_write(image):
    transport = open_emulator(BOARD, image)
    (pid,) = qemu_pids(image)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(DeviceError, match="ended with exit code 137"):
        transport.read(ANSWER_TIMEOUT_S)
    with pytest.raises(DeviceError, match="ended with exit code 137"):
        transport.write(bytes(1 << 22))
    transport.close()


def test_close_ends_qemu(image):
    transport = open_emulator(BOARD, image)
    assert len(qemu_pids(image)) == 1
    transport.close()
    transport.close()
    assert qemu_pids(image) == []
    with pytest.raises(DeviceError, match="was closed"):
        transport.read(0.1)


@pytest.mark.parametrize("end", ["exception", signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=str)
def test_no_qemu_outlives_its_python(image, end):
    script = f"""
        import time
        from pathlib import Path
        from edgekit.boards import load_board
        from edgekit.device.emulators import open_emulator
        transport = open_emulator(load_board("{BOARD.name}"), Path("{image}"))
        print("started", flush=True)
        {"raise RuntimeError" if end == "exception" else "time.sleep(600)"}
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as python:
        assert python.stdout.readline() == b"started\n"
        if end != "exception":
            assert len(qemu_pids(image)) == 1
            python.send_signal(end)
        python.wait(ANSWER_TIMEOUT_S)
    wait_until(lambda: not qemu_pids(image))


def test_guard_passes_the_exit_code_on():
    def run(*command: str) -> int:
        with subprocess.Popen([sys.executable, guard.__file__, *command], stdin=subprocess.PIPE) as process:
            return process.wait(ANSWER_TIMEOUT_S)

    assert run("sh", "-c", "exit 5") == 5
    assert run("sh", "-c", "kill -TERM $$") == 128 + signal.SIGTERM


def at_clock(clock_hz: int) -> Board:
    return msgspec.structs.replace(BOARD, mcu=msgspec.structs.replace(BOARD.mcu, clock_hz=clock_hz))


@pytest.mark.parametrize(
    ("clock_hz", "ticks", "count"),
    [
        (25_000_000, 7, 280),
        (168_000_000, 168_000_000, 1_000_000_000),  # 5.95 instructions a tick
        (168_000_000, 21, 125),
        (480_000_000, 5, 10),
        (2_000_000_000, 3, 2),
        (3_000_000, 10**15, 333_333_333_333_333_333),
    ],
)
def test_instructions_follow_from_the_clock_without_loss(clock_hz, ticks, count):
    assert instructions(at_clock(clock_hz), ticks) == count


def test_emulators_that_count_are_told_from_those_that_do_not():
    assert counts_instructions(BOARD)
    assert counts_instructions(load_board("virt-cortex-m4"))
    assert instructions(load_board("virt-cortex-m4"), 123) == 123
    for name in ("host", "rpi4"):
        assert not counts_instructions(load_board(name))
        with pytest.raises(UsageError, match=f"emulator of {name} counts no instructions"):
            instructions(load_board(name), 1)
