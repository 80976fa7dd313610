"""An Arduino sketch for an 8-bit AVR, built by Debian's arduino-builder, run by simavr at its line's pace."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from codegen.generated import noise
from codegen.models import renamed, tiny_model
from elftools.elf.elffile import ELFFile
from emulators.small_network import small_mobilenet
from graph import tflite_builder
from probe_firmware import TINY_MODEL, require_program, tiny_project

from edgekit.boards import load_board, read_board
from edgekit.costs.fit import AVR_HARNESS_RAM_BYTES
from edgekit.device.device import Device
from edgekit.device.emulators import open_emulator, simavr
from edgekit.engines import engine_files
from edgekit.errors import DeviceError, DoesNotFitError, ToolchainError, UsageError
from edgekit.graph.executor import execute_all
from edgekit.projects.assembler import assemble
from edgekit.projects.project import write_project
from edgekit.resources import boards_folder, firmware_folder
from edgekit.toolchains.elf import read_sizes, read_symbols
from edgekit.toolchains.sdk import find_sdk
from edgekit.toolchains.sdk_build import compile_with_sdk

BOARD = load_board("mega2560")
INPUT = np.array([[1, -2, 3, -4]], dtype=np.int8)


@pytest.fixture(scope="module")
def builder():
    found = find_sdk("arduino-builder")
    if found is None:
        pytest.skip("arduino-builder and the AVR core are not installed")
    return found


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    """Skips the test where simavr cannot be had."""
    require_program("cc")
    try:
        simavr._compiled("mega2560", tmp_path_factory.mktemp("simavr") / "simavr_board")
    except ToolchainError as error:
        pytest.skip(str(error))


def built(builder, folder: Path, graph=None) -> Path:
    """The image of ``graph``, else of a layer of 15 weights."""
    project = tiny_project(BOARD)
    if graph is not None:
        files = engine_files("aot", graph, TINY_MODEL, BOARD)
        project = assemble(BOARD, graph, TINY_MODEL, files, "aot")
    write_project(project, folder)
    return compile_with_sdk(builder, project, folder, BOARD, "aot").image


@pytest.fixture(scope="module")
def tiny_image(builder, tmp_path_factory):
    return built(builder, tmp_path_factory.mktemp("tiny"))


# ---- networks ----


@pytest.mark.slow
@pytest.mark.proves("emulator", "mega2560")
def test_a_mobilenet_is_bit_exact_over_the_serial_line(edgekit, builder, emulator, tmp_path):
    model = tmp_path / "small.tflite"
    model.write_bytes(small_mobilenet())
    options = ("--noise", 10, "--no-structured", "--json")
    outcome = edgekit("verify", "-w", tmp_path, "-m", model, "-b", "mega2560", *options)
    assert outcome.exit_code == 0, outcome.err
    verdict = json.loads(outcome.out)
    assert verdict["exact"]
    assert verdict["conclusive"]
    assert verdict["inputs"] == verdict["distinct_outputs"] == 10
    assert verdict["layer_check"]["operators"] == 10
    assert 300 < verdict["stack_used_bytes"] < BOARD.memory.stack_bytes - 100


def test_every_operator_computes_what_the_executor_does(builder, emulator, tmp_path):
    graph = tiny_model()
    vectors = noise(graph, 10)
    image = built(builder, tmp_path, graph)
    with Device(open_emulator(BOARD, image)) as device:
        for number, vector in enumerate(vectors[0]):
            values = execute_all(graph, [vector[np.newaxis]])
            for op in (graph.ops[number], graph.ops[-1]):
                output = device.op_output(op.index, [vector[np.newaxis]])
                assert output.tolist() == values[op.output].ravel().tolist(), op.opcode


def test_constants_stay_in_flash(builder, tmp_path):
    """Its first 64 KB, which is as far as a pointer of 16 bits reaches. RAM begins at 0x800100."""
    image = built(builder, tmp_path, tiny_model())
    symbols = {symbol.name.split(".")[0]: symbol for symbol in read_symbols(image)}
    arrays = [symbol for name, symbol in symbols.items() if name.startswith("model_op")]
    assert len(arrays) == 17
    tables = ("layers", "operands", "op10_probabilities", "commands", "remainders")
    for symbol in (*arrays, *(symbols[name] for name in tables)):
        assert symbol.address + symbol.size_bytes <= 0x10000, symbol
    assert symbols["_ZL11serial_link"].address > 0x800100


# ---- the board ----


def test_the_board_answers_runs_and_restarts_through_its_watchdog(emulator, tiny_image):
    with Device(open_emulator(BOARD, tiny_image)) as device:
        info = device.info()
        assert (info.board, info.engine, info.clock_hz) == ("mega2560", "aot", 16_000_000)
        assert device.max_body_bytes == 64
        # Nanoseconds, told by a counter of 4 microseconds.
        ticks = device.run([INPUT]).ticks
        assert 100_000 < ticks < 2_000_000
        assert ticks % 4_000 == 0
        every_byte = bytes(range(256))
        for start in range(0, 256, 64):
            device.echo(every_byte[start : start + 64])
        used_bytes = device.status().stack_used_bytes
        device.reset()
        assert device.info().board == "mega2560"
        assert 0 < device.status().stack_used_bytes < used_bytes
        assert 100_000 < device.run([INPUT]).ticks < 2_000_000


def test_bytes_that_come_too_fast_are_lost_and_the_link_recovers(emulator, tiny_image):
    """Four times what the core's receive buffer holds, while the program is busy with an answer."""
    with Device(open_emulator(BOARD, tiny_image)) as device:
        device.generate_inputs(1)
        device._transport.write(b"\x01" * 256)
        assert device.echo(b"still there") == b"still there"
        assert device.statistics.damaged_frames == 0


def test_another_baud_rate_than_the_firmware_sets_is_an_error(emulator, tiny_image):
    board = msgspec.structs.replace(BOARD, serial=msgspec.structs.replace(BOARD.serial, baud=57_600))
    with (
        Device(open_emulator(board, tiny_image)) as device,
        pytest.raises(DeviceError, match="sets USART0 to 117647 baud, the line has 57600"),
    ):
        device.info()


# ---- what fits ----


def test_constants_among_the_code_are_constants(tiny_image):
    sizes = read_sizes(tiny_image)
    arrays = [symbol for symbol in read_symbols(tiny_image) if symbol.name.startswith("model_op")]
    assert sum(symbol.size_bytes for symbol in arrays) < sizes.constant_bytes < sizes.code_bytes
    with ELFFile(tiny_image.open("rb")) as elf:
        text_bytes = elf.get_section_by_name(".text")["sh_size"]
    assert text_bytes <= sizes.code_bytes + sizes.constant_bytes < text_bytes + 256


def test_the_ram_that_is_counted_is_just_below_what_the_smallest_network_takes(emulator, tiny_image):
    with Device(open_emulator(BOARD, tiny_image)) as device:
        harness_ram_bytes = read_sizes(tiny_image).ram_bytes - device.info().arena_bytes
        assert AVR_HARNESS_RAM_BYTES <= harness_ram_bytes <= AVR_HARNESS_RAM_BYTES + 60


@pytest.mark.parametrize(
    ("inputs", "outputs", "memory"), [(7_000, 1, "RAM"), (1_000, 70, "flash for constants")]
)
def test_a_model_that_cannot_fit_is_refused_before_it_is_compiled(edgekit, tmp_path, inputs, outputs, memory):
    model = tmp_path / "large.tflite"
    model.write_bytes(tflite_builder.fully_connected((1, inputs), np.ones((outputs, inputs), np.int8)))
    outcome = edgekit("build", "-w", tmp_path, "-m", model, "-b", "mega2560")
    assert outcome.exit_code == DoesNotFitError.exit_code
    assert f"bytes of {memory}, the board has" in outcome.err
    assert not (tmp_path / "out" / "mega2560" / "project").exists()


def test_data_that_leave_too_little_stack_are_refused_once_they_are_linked(builder, tmp_path):
    """The names of tensors lie in RAM, and are not counted before."""
    graph = renamed(tiny_model(), ["tiny", "x" * 250])
    room_bytes = BOARD.mcu.ram_bytes - BOARD.memory.stack_bytes - AVR_HARNESS_RAM_BYTES
    files = replace(engine_files("aot", graph, TINY_MODEL, BOARD), arena_bytes=room_bytes)
    generated = files.generate()
    generated["model.h"] = re.sub(r"(EK_MODEL_ARENA_BYTES) \d+", rf"\1 {room_bytes}", generated["model.h"])
    files = replace(files, generate=lambda: generated)
    project = assemble(BOARD, graph, TINY_MODEL, files, "aot")
    write_project(project, tmp_path)
    with pytest.raises(DoesNotFitError, match=r"bytes of RAM, the board has 8,192.*The stack is part of it"):
        compile_with_sdk(builder, project, tmp_path, BOARD, "aot")


# ---- 16-bit int ----


def sources() -> list[Path]:
    root = firmware_folder()
    return sorted([*root.glob("kernels/*.c"), *root.glob("engine/aot/*.c"), *root.glob("link/ek_*.c")])


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_no_conversion_changes_a_value_where_int_has_16_bits(tmp_path, source):
    require_program("avr-gcc")
    warnings = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
    command = ["avr-gcc", "-mmcu=atmega2560", "-Os", "-std=gnu11", *warnings, "-DEK_LINK_MAX_BODY_BYTES=64"]
    command += [f"-I{firmware_folder() / 'include'}", "-c", str(source), "-o", str(tmp_path / "object.o")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


# ---- what is missing ----


def test_a_missing_compiler_or_simavr_is_named(monkeypatch, tiny_image):
    if shutil.which("cc") is not None:
        monkeypatch.setattr(simavr, "_LIBRARIES", ("-lno_such_simavr",))
        with pytest.raises(ToolchainError, match=r"apt install gcc libc6-dev libsimavr-dev[^$]*no_such"):
            open_emulator(BOARD, tiny_image)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolchainError, match=r"cc, which compiles the emulator of mega2560.*libsimavr-dev"):
        open_emulator(BOARD, tiny_image)


def test_an_image_of_another_processor_is_refused(emulator, tmp_path):
    require_program("arm-none-eabi-gcc")
    source, image = tmp_path / "empty.c", tmp_path / "empty.elf"
    source.write_text("void _start(void) {}\n")
    command = ["arm-none-eabi-gcc", "-nostdlib", "-Wl,-Ttext=0x8000000", str(source), "-o", str(image)]
    subprocess.run(command, check=True, timeout=60)
    with pytest.raises(UsageError, match="starts at 0x8000000; a program of an AVR starts at 0"):
        open_emulator(BOARD, image)


def test_an_unknown_chip_is_named(emulator, tiny_image):
    board = msgspec.structs.replace(BOARD, emulator=msgspec.structs.replace(BOARD.emulator, machine="atnone"))
    with pytest.raises(DeviceError, match="simavr knows no chip 'atnone'"):
        open_emulator(board, tiny_image).read(10.0)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"atmega2560"', '"-h"', "under simavr that is a chip, such as atmega2560"),
        ("clock_hz = 16_000_000", "clock_hz = 0", "which needs mcu.clock_hz: the chip's clock"),
    ],
)
def test_a_profile_that_simavr_cannot_run_is_refused(tmp_path, old, new, problem):
    profile = (boards_folder() / "mega2560.toml").read_text()
    assert old in profile
    path = tmp_path / "mega2560.toml"
    path.write_text(profile.replace(old, new))
    with pytest.raises(UsageError, match=problem):
        read_board(path)
