"""Flashing a board at a serial port as a whole: which port, who answers there, and at which speed.

The tools are fakes, the board is real firmware behind a pseudo terminal that keeps to its baud rate.
"""

import os
import pty
import select
import termios
import threading
from contextlib import closing
from types import SimpleNamespace

import msgspec
import pytest
from probe_firmware import require_toolchain, tiny_graph, tiny_project
from serial.tools import list_ports

from edgekit import flashing
from edgekit.boards import load_board
from edgekit.device import connect as connect_module
from edgekit.device.connect import connect
from edgekit.device.device import Timeouts
from edgekit.device.emulators.process import ProcessTransport
from edgekit.errors import DeviceError, NoAnswerError, PortUnavailableError, UsageError, WrongModelError
from edgekit.flashing import flash
from edgekit.projects.project import write_project
from edgekit.toolchains.build import compile_project

HOST = load_board("host")
NUCLEO = load_board("nucleo_f446re")
ESP32C3 = load_board("esp32c3")
FAST = Timeouts(start_s=1.2, start_answer_s=0.4)


@pytest.fixture(scope="module")
def firmware(tmp_path_factory):
    """Programs that run here and say that they are boards, by the board's name."""
    require_toolchain("gcc", HOST)
    built = {}

    def build(name):
        if name not in built:
            folder = tmp_path_factory.mktemp(name)
            project = tiny_project(msgspec.structs.replace(HOST, name=name))
            write_project(project, folder)
            built[name] = compile_project(project, folder, HOST, "gcc").image
        return built[name]

    return build


class SerialBoard(threading.Thread):
    """A program behind a pseudo terminal that hears and says only noise at any other baud rate."""

    def __init__(self, program, baud: int) -> None:
        super().__init__(daemon=True)
        self._speed = getattr(termios, f"B{baud}")
        self._board, self._port = pty.openpty()
        self.name_of_port = os.ttyname(self._port)
        self._program = ProcessTransport([str(program)], "the board")
        self._ended = False

    def run(self) -> None:
        with closing(self._program):
            while not self._ended:
                if select.select([self._board], [], [], 0.005)[0]:
                    self._program.write(self._heard(os.read(self._board, 4096)))
                answer = self._program.read(0.005)
                if answer:
                    os.write(self._board, self._heard(answer))

    def _heard(self, data: bytes) -> bytes:
        right = termios.tcgetattr(self._port)[5] == self._speed
        return data if right else bytes(byte ^ 0x55 for byte in data)

    def end(self) -> None:
        self._ended = True
        self.join(10)
        os.close(self._board)
        os.close(self._port)


@pytest.fixture
def plug_in(firmware):
    """Starts a board; its port's name."""
    boards = []

    def start(name, baud=115200):
        board = SerialBoard(firmware(name), baud)
        boards.append(board)
        board.start()
        return board.name_of_port

    yield start
    for board in boards:
        board.end()


@pytest.fixture
def ports(monkeypatch):
    """Which serial ports this computer has: (name, USB id)."""

    def have(*entries):
        found = [
            SimpleNamespace(
                device=name,
                vid=int(usb_id[:4], 16),
                pid=int(usb_id[5:], 16),
                description="STM32 STLink",
                serial_number="0671FF",
            )
            for name, usb_id in entries
        ]
        monkeypatch.setattr(list_ports, "comports", lambda: found)

    monkeypatch.setattr(flashing, "_PORT_TIMEOUT_S", 0.3)
    have()
    return have


@pytest.fixture
def pyocd(fake_tool):
    fake = fake_tool("pyocd")
    fake.answers("json", '{"boards": [{"unique_id": "066B", "info": "STM32 Nucleo-F446RE"}]}')
    fake.answers("flash", "done")
    return fake


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "firmware.elf"
    path.write_bytes(b"\x7fELF")
    return path


def test_a_flashed_board_is_asked_at_the_port_that_looks_like_it(pyocd, plug_in, ports, image):
    port = plug_in("nucleo_f446re")
    ports((port, "0483:374b"), ("/dev/ttyS9", "1111:2222"))
    said = []
    flashed = flash(NUCLEO, image, model_sha256=tiny_graph().sha256, say=said.append)
    assert flashed.port == port
    assert flashed.info.board == "nucleo_f446re"
    assert said[-1] == f"nucleo_f446re answers at {port}"


def test_another_board_or_model_at_the_port_is_an_error(pyocd, plug_in, ports, image):
    ports((plug_in("nucleo_l4r5zi"), "0483:374b"))
    with pytest.raises(DeviceError, match=r"says that it is the board 'nucleo_l4r5zi', not 'nucleo_f446re'"):
        flash(NUCLEO, image)
    ports((plug_in("nucleo_f446re"), "0483:374b"))
    with pytest.raises(WrongModelError):
        flash(NUCLEO, image, model_sha256="cd" * 32)


def test_two_matching_ports_are_listed_before_anything_is_written(pyocd, ports, image):
    ports(("/dev/ttyACM0", "0483:374b"), ("/dev/ttyACM1", "0483:374b"))
    with pytest.raises(UsageError, match=r"2 ports could be nucleo_f446re: /dev/ttyACM0 \(.*STLink.*ACM1"):
        flash(NUCLEO, image)
    assert not pyocd.calls


def test_a_board_without_a_known_port_is_flashed_and_that_is_said(pyocd, ports, image):
    said = []
    assert flash(NUCLEO, image, say=said.append).info is None
    assert len(pyocd.calls_with("flash")) == 1
    assert "nobody has asked it" in said[-1]


def test_a_tool_that_writes_through_the_port_needs_one(ports, image, fake_tool):
    esptool = fake_tool("esptool")
    ports(("/dev/ttyS9", "1111:2222"))
    with pytest.raises(
        DeviceError, match=r"no port looks like esp32c3 \(USB 303a:1001\).*/dev/ttyS9 \(STM32"
    ):
        flash(ESP32C3, image)
    assert not esptool.calls


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "pi@board"}, "not flashed over ssh: leave --target out"),
        ({"drive": "/media/x"}, "not flashed by copying to a drive: leave --drive out"),
    ],
)
def test_options_of_other_tools_are_refused(pyocd, image, options, message):
    with pytest.raises(UsageError, match=message):
        flash(NUCLEO, image, **options)
    assert not pyocd.calls


def test_a_port_that_stays_away_after_flashing_is_an_error(pyocd, ports, image):
    with pytest.raises(PortUnavailableError, match="there is no port /dev/ttyNONE"):
        flash(NUCLEO, image, port="/dev/ttyNONE")
    assert len(pyocd.calls_with("flash")) == 1


def test_a_board_that_keeps_to_115200_is_found_and_said(plug_in):
    port = plug_in("esp32c3", baud=115200)
    said = []
    with connect(port, 921600, say=said.append, timeouts=FAST) as device:
        assert device.info().board == "esp32c3"
    assert said == [
        f"no answer at 921600 baud from {port}; trying 115200",
        f"{port} answers at 115200 baud, not at the 921600 of its profile",
    ]


def test_a_board_at_its_own_rate_is_asked_once(plug_in):
    said = []
    with connect(plug_in("esp32c3", baud=921600), 921600, say=said.append, timeouts=FAST) as device:
        assert device.info().board == "esp32c3"
    assert not said


def test_a_rate_that_was_named_is_the_only_one_tried(plug_in):
    port = plug_in("esp32c3", baud=115200)
    with pytest.raises(NoAnswerError):
        connect(f"{port}:230400", 921600, timeouts=FAST)
    with pytest.raises(DeviceError, match="Tried were 921600 and 230400 baud") as caught:
        _connect_with_default(port, 230400)
    assert not isinstance(caught.value, NoAnswerError)


def _connect_with_default(port: str, default: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connect_module, "DEFAULT_BAUD", default)
        connect(port, 921600, timeouts=FAST)


@pytest.mark.parametrize(
    ("options", "exit_code", "message"),
    [
        (["-b", "esp32c3"], 2, "2 ports could be esp32c3"),
        (["-b", "nucleo_f446re"], 3, "no port looks like nucleo_f446re"),
        (["-b", "pico", "--port", "auto"], 3, "no port looks like pico"),
        (["-b", "virt-cortex-m4", "--port", "auto"], 2, "through an adapter of your choice"),
    ],
)
def test_verify_looks_for_the_port_by_itself(edgekit, ports, tmp_path, options, exit_code, message):
    ports(("/dev/ttyACM0", "303a:1001"), ("/dev/ttyACM1", "303a:1001"))
    outcome = edgekit("verify", "-w", tmp_path, "-m", tmp_path / "any.tflite", *options)
    assert outcome.exit_code == exit_code
    assert message in outcome.err
