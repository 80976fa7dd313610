"""Arduino boards: what arduino-cli is told, and what its failures mean."""

import pytest

from edgekit.boards import load_board
from edgekit.errors import DeviceError, ToolchainError, UsageError
from edgekit.flashing.arduino_cli import flash_with_arduino_cli

BOARD = load_board("nano33ble")
PORT = "/dev/ttyACM7"


@pytest.fixture
def arduino_cli(fake_tool):
    fake = fake_tool("arduino-cli")
    fake.answers("upload", "New upload port: /dev/ttyACM7 (serial)")
    return fake


@pytest.fixture
def project(tmp_path):
    sketch = tmp_path / "project" / "model"
    sketch.mkdir(parents=True)
    (sketch / "model.ino").touch()
    (sketch / "sketch.yaml").touch()
    (tmp_path / "project" / "build" / "edgekit").mkdir(parents=True)
    return tmp_path / "project"


def test_a_sketch_is_uploaded_under_its_profile(arduino_cli, project):
    image = project.parent / "firmware.elf"
    flash_with_arduino_cli(BOARD, image, project, f"{PORT}:9600", print)
    assert arduino_cli.calls == [
        [
            *("upload", "--no-color", "--port", PORT, "--input-dir", str(project / "build" / "edgekit")),
            *("--profile", "nano33ble", str(project / "model")),
        ]
    ]


def test_without_a_profile_the_boards_name_says_what_it_is(arduino_cli, tmp_path):
    flash_with_arduino_cli(BOARD, tmp_path / "firmware.elf", None, PORT, print)
    (call,) = arduino_cli.calls
    assert call[-4:] == ["--input-dir", str(tmp_path), "--fqbn", "arduino:mbed_nano:nano33ble"]


@pytest.mark.parametrize(
    ("output", "hint"),
    [
        ("Error: opening port at 1200bps: Permission denied", "dialout"),
        ("avrdude: ser_open(): can't open device: Device or resource busy", "is busy"),
        ("avrdude: ser_open(): can't open device: No such file or directory", "is not there"),
        ("avrdude: stk500v2_ReceiveMessage(): timeout", "press reset twice"),
        ("No device found on ttyACM7", "press reset twice"),
        ("avrdude: Expected signature for ATmega2560 is 1E 98 01", "Another chip is at /dev/ttyACM7"),
        ("Error during Upload: Platform 'arduino:mbed_nano' not found", "platform is not installed"),
        ("Write failed: [Errno 5] Input/output error", "repeat `edgekit flash`"),
    ],
)
def test_failures_are_explained_and_quoted(arduino_cli, project, output, hint):
    arduino_cli.answers("upload", output, exit_code=1)
    with pytest.raises(DeviceError, match="exit code 1") as caught:
        flash_with_arduino_cli(BOARD, project / "firmware.elf", project, PORT, print)
    assert hint in str(caught.value)
    assert output in str(caught.value)


def test_a_port_elsewhere_and_a_missing_program_are_told(project, monkeypatch):
    with pytest.raises(UsageError, match="not through socket://"):
        flash_with_arduino_cli(BOARD, project, project, "socket://lab:1", print)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolchainError, match=r"arduino-cli.* is not installed\. See https"):
        flash_with_arduino_cli(BOARD, project, project, PORT, print)
