"""Flashing: over a fake ssh that runs its commands here, and into emulators."""

import contextlib
import os
import socket
import sys
import threading
from pathlib import Path

import msgspec
import pytest
from probe_firmware import require_toolchain, tiny_graph, tiny_project

from edgekit.boards import load_board
from edgekit.device.device import Device
from edgekit.device.ports import open_port
from edgekit.errors import DeviceError, ToolchainError, UsageError
from edgekit.flashing import SshTarget, flash, open_ssh_device, parse_target
from edgekit.projects.project import write_project
from edgekit.toolchains.build import compile_project

RPI4 = load_board("rpi4")
HOST = load_board("host")

# Both record their arguments. ssh runs the command as a login shell in the "remote" home would; scp
# copies there. What they do not understand ends the test through their exit code.
FAKE_SSH = """#!{python}
import os, subprocess, sys
open({log!r}, "a").write(repr(sys.argv) + "\\n")
end = sys.argv.index("--")
os.chdir({home!r})
sys.exit(subprocess.call(["sh", "-c", " ".join(sys.argv[end + 2:])]))
"""
FAKE_SCP = """#!{python}
import shutil, sys
open({log!r}, "a").write(repr(sys.argv) + "\\n")
source, target = sys.argv[sys.argv.index("--") + 1:]
shutil.copyfile(source, {home!r} + "/" + target.split(":", 1)[1])
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    """Firmware that runs here."""
    return build_here("host", tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="module")
def remote_image(tmp_path_factory) -> Path:
    """Firmware that runs here and says that it is a Raspberry Pi, as it would be behind the fake ssh."""
    return build_here("rpi4", tmp_path_factory.mktemp("rpi4"))


def build_here(name: str, folder: Path) -> Path:
    require_toolchain("gcc", HOST)
    board = msgspec.structs.replace(HOST, name=name)
    project = tiny_project(board)
    write_project(project, folder)
    return compile_project(project, folder, board, "gcc").image


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """The home folder behind the fake ssh, and the log of its calls."""
    home, log, programs = tmp_path / "remote home", tmp_path / "log", tmp_path / "programs"
    home.mkdir()
    programs.mkdir()
    for name, script in (("ssh", FAKE_SSH), ("scp", FAKE_SCP)):
        program = programs / name
        program.write_text(script.format(python=sys.executable, log=str(log), home=str(home)))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return home, log


def fake_failure(tmp_path, monkeypatch, said: str, exit_code: int) -> None:
    program = tmp_path / "ssh"
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit {exit_code}\n")
    program.chmod(0o755)
    (tmp_path / "scp").symlink_to(program)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


def test_image_is_copied_started_and_greeted(remote, remote_image):
    home, log = remote
    said = []
    info = flash(RPI4, remote_image, target="pi@raspberrypi.local:2222", say=said.append).info
    assert info.model_sha256 == tiny_graph().sha256
    installed = home / ".edgekit" / "rpi4" / "firmware"
    assert installed.read_bytes() == remote_image.read_bytes()
    assert os.access(installed, os.X_OK)
    assert [path.name for path in installed.parent.iterdir()] == ["firmware"]
    assert any("pi@raspberrypi.local" in line for line in said)
    for call in log.read_text().splitlines():
        assert "'BatchMode=yes'" in call
        assert "'2222'" in call


def test_flashed_board_can_be_opened_again(remote, remote_image):
    flash(RPI4, remote_image, target="pi@board")
    with Device(open_ssh_device(RPI4, parse_target("pi@board"))) as device:
        assert device.info().model_sha256 == tiny_graph().sha256


def test_second_flash_replaces_the_first(remote, remote_image, tmp_path):
    home, _ = remote
    flash(RPI4, remote_image, target="pi@board")
    other = tmp_path / "other"
    other.write_bytes(b"#!/bin/sh\nexit 9\n")
    with pytest.raises(DeviceError, match="exit code 9"):
        flash(RPI4, other, target="pi@board")
    assert (home / ".edgekit" / "rpi4" / "firmware").read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("said", "exit_code", "hint"),
    [
        ("pi@board: Permission denied (publickey).", 255, "ssh-copy-id pi@board"),
        ("ssh: Could not resolve hostname board: Name or service not known", 255, "Is the name right"),
        ("ssh: connect to host board port 22: Connection refused", 255, "Is ssh enabled"),
        ("ssh: connect to host board port 22: Connection timed out", 255, "switched on"),
        ("Host key verification failed.", 255, "ssh pi@board"),
        ("mkdir: cannot create directory: No space left on device", 1, "No space left"),
    ],
)
def test_ssh_failures_are_quoted_with_a_hint(tmp_path, monkeypatch, remote_image, said, exit_code, hint):
    fake_failure(tmp_path, monkeypatch, said, exit_code)
    with pytest.raises(DeviceError) as caught:
        flash(RPI4, remote_image, target="pi@board")
    for part in (said, hint, f"exit code {exit_code}", "pi@board"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "-oProxyCommand=touch /tmp/x", "pi@-oX", "pi@", "@board", "a b", "pi@board:0", "pi@board:70000",
     "pi@board:x", "pi@bo;ard", "pi@board\n", "$(id)@board", "pi@board:22:22"],
)  # fmt: skip
def test_target_that_is_none_is_refused(text, image):
    with pytest.raises(UsageError, match="not an ssh target"):
        flash(RPI4, image, target=text)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("board", SshTarget("board")),
        ("pi@192.168.1.7", SshTarget("192.168.1.7", "pi")),
        ("p.i_2@rasp-berry.local:2222", SshTarget("rasp-berry.local", "p.i_2", 2222)),
    ],
)
def test_target_is_parsed(text, target):
    assert parse_target(text) == target


def test_missing_ssh_image_and_target_are_told(monkeypatch, image, tmp_path):
    with pytest.raises(UsageError, match="there is no image"):
        flash(RPI4, tmp_path / "none", target="pi@board")
    with pytest.raises(UsageError, match="--target user@host"):
        flash(RPI4, image)
    with pytest.raises(UsageError, match="leave --target out"):
        flash(HOST, image, target="pi@board")
    with pytest.raises(UsageError, match="cannot flash host"):
        flash(msgspec.structs.replace(HOST, flash=type(HOST.flash)(tool="none")), image)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolchainError, match=r"ssh.* is not installed.*openssh-client"):
        flash(RPI4, image, target="pi@board")


def test_emulated_board_is_started_and_greeted(image):
    said = []
    assert flash(HOST, image, say=said.append).info.board == "host"
    assert said == ["host is emulated and runs the firmware"]


def test_emulated_board_is_served_to_one_client_after_the_other(image):
    ports: list[int] = []
    ready = threading.Event()

    def say(line: str) -> None:
        if "socket://" in line:
            ports.append(int(line.partition("127.0.0.1:")[2].partition(";")[0]))
            ready.set()

    def serve() -> None:
        with contextlib.suppress(DeviceError):  # the emulator's end, which is the interpreter's
            flash(HOST, image, listen_port=0, say=say)

    threading.Thread(target=serve, daemon=True).start()
    assert ready.wait(20)
    for _ in range(2):
        with Device(open_port(f"socket://127.0.0.1:{ports[0]}")) as device:
            assert device.echo(bytes(range(200))) == bytes(range(200))


def test_busy_port_is_an_error(image):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DeviceError, match=rf"cannot serve .*{port}"):
            flash(HOST, image, listen_port=port)
