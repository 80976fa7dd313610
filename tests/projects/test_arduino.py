"""Arduino sketches: their names, profiles and includes, and the port on stand-ins of the core's functions."""

import re
import shutil
import string
from dataclasses import replace
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
import pytest
from sdk_projects import TINY_OUTPUT, cases, make, require_arm_compiler, run, text

from edgekit.boards import Board, load_board
from edgekit.costs.fit import HARNESS_RAM_BYTES
from edgekit.device.device import Device
from edgekit.device.emulators.process import ProcessTransport
from edgekit.errors import DoesNotFitError, UnknownNameError
from edgekit.firmware_project import Project
from edgekit.projects import arduino
from edgekit.projects.project import write_project
from edgekit.toolchains.cores import CORES
from edgekit.toolchains.sdk import find_sdk
from edgekit.toolchains.sdk_build import compile_with_sdk

STAND_IN = Path(__file__).with_name("arduino_stand_in")
CASES = cases("arduino")
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
# Arduino CLI documentation, "Sketch specification" and "Sketch project file".
SKETCH_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
PROFILE_NAME = re.compile(r"[A-Za-z0-9_.-]+")
PINNED = re.compile(r"[A-Za-z0-9_:. -]+ \(\d+\.\d+\.\d+\)")


@pytest.fixture(params=CASES, ids="-".join)
def case(request):
    name, engine = request.param
    return load_board(name), engine


def avr_board(board: Board | None = None) -> Board:
    """A board with an 8-bit processor."""
    board = board or load_board("nano33ble")
    engine = msgspec.structs.replace(board.engines["aot"], target="arduino:avr:mega:cpu=atmega2560")
    return msgspec.structs.replace(
        board, mcu=msgspec.structs.replace(board.mcu, core="avr6"), engines={"aot": engine}
    )


def test_the_boards_have_such_projects():
    boards = ("giga", "nano33ble", "portenta_h7")
    assert set(CASES) >= {(board, engine) for board in boards for engine in ("aot", "tflm")}


def test_same_arguments_give_the_same_project(case):
    assert make(*case) == make(*case)


# ---- the sketch ----


def test_the_sketch_bears_the_name_of_its_folder(case):
    names = [PurePosixPath(name) for name in make(*case).files]
    (sketch,) = (name for name in names if name.suffix == ".ino")
    assert sketch == PurePosixPath("tiny/tiny.ino")
    in_sketch = {name.parts[1] for name in names if name.parts[0] == "tiny"}
    assert in_sketch == {"tiny.ino", "sketch.yaml", "src"}
    assert {name.parts[0] for name in names} == {"tiny", "README.md"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kws_ref_model", "kws_ref_model"),
        ("my model v1.2", "my_model_v1.2"),
        ("../../evil", "_.._evil"),
        ("--x", "x"),
        ("größe", "gr__e"),
        ("", "sketch"),
        ("...", "sketch"),
        ("x" * 80, "x" * 63),
        ("x" * 62 + ".y", "x" * 62),
    ],
)
def test_sketch_names_are_those_that_arduino_takes(name, expected):
    assert arduino.sketch_name(name) == expected
    assert SKETCH_NAME.fullmatch(expected)


def test_any_character_in_a_name_gives_a_sketch_name():
    for character in string.printable + "é\u2028\x00":
        assert SKETCH_NAME.fullmatch(arduino.sketch_name(f"a{character}b{character}"))


def problems_of(sketch_yaml: str) -> list[str]:
    """What the documentation of sketch.yaml has against it."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    content = yaml.safe_load(sketch_yaml)
    problems = [f"unknown: {key}" for key in content.keys() - {"profiles", "default_profile"}]
    profiles = content.get("profiles", {})
    if content.get("default_profile") not in profiles:
        problems.append("default_profile is no profile")
    for name, profile in profiles.items():
        problems += [f"profile name {name}"] if not PROFILE_NAME.fullmatch(name) else []
        known = {"notes", "fqbn", "programmer", "platforms", "libraries", "port", "port_config", "protocol"}
        problems += [f"unknown: {key}" for key in profile.keys() - known]
        platforms = profile.get("platforms", [])
        problems += [] if platforms else ["no platform"]
        for entry in platforms:
            problems += [f"unknown: {key}" for key in entry.keys() - {"platform", "platform_index_url"}]
            problems += [] if PINNED.fullmatch(entry["platform"]) else [f"not pinned: {entry['platform']}"]
        wanted = ":".join(profile["fqbn"].split(":")[:2])
        problems += (
            [] if any(entry["platform"].startswith(f"{wanted} (") for entry in platforms) else [wanted]
        )
        problems += [
            f"not pinned: {name}" for name in profile.get("libraries", []) if not PINNED.fullmatch(name)
        ]
    return problems


def test_the_profile_pins_platform_and_library(case):
    board, engine = case
    profile = text(make(board, engine), "tiny/sketch.yaml")
    assert problems_of(profile) == []
    assert f"fqbn: {board.engines[engine].target}\n" in profile
    assert ("- Chirale_TensorFLowLite (2.0.0)" in profile) == (engine == "tflm")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (" (4.4.1)", "", "not pinned: arduino:mbed_nano"),
        ("libraries:", "library:", "unknown: library"),
        ("default_profile: nano", "default_profile: nono", "default_profile is no profile"),
        ("fqbn: arduino:mbed_nano", "fqbn: arduino:mbed_giga", "arduino:mbed_giga"),
    ],
)
def test_a_wrong_profile_would_be_noticed(old, new, problem):
    profile = text(make(load_board("nano33ble"), "tflm"), "tiny/sketch.yaml")
    assert old in profile
    assert problem in problems_of(profile.replace(old, new))


def test_a_board_of_an_unknown_platform_is_refused():
    board = load_board("nano33ble")
    engine = msgspec.structs.replace(board.engines["aot"], target="arduino:mbed_nono:board")
    with pytest.raises(UnknownNameError, match="Did you mean 'arduino:mbed_nano'"):
        make(msgspec.structs.replace(board, engines={"aot": engine}), "aot")


def test_a_model_that_leaves_no_room_for_the_sdk_is_refused():
    board = load_board("nano33ble")
    room_bytes = board.mcu.ram_bytes - 32_768 - HARNESS_RAM_BYTES
    make(board, "aot", room_bytes)
    with pytest.raises(DoesNotFitError) as caught:
        make(board, "aot", room_bytes + 1)
    assert caught.value.missing_bytes == 1


# ---- includes and definitions ----


def test_every_include_of_a_file_here_is_relative_to_the_file_it_stands_in(case):
    project = make(*case)
    library = 0
    # An 8-bit processor has no cycle counter, and the port does not get as far as to that include.
    elsewhere = ("tensorflow/", "model_", *(("ek_dwt.h",) if arduino.is_avr(case[0]) else ()))
    for name in project.files:
        if name.endswith((".c", ".cpp", ".h", ".ino")):
            for header in INCLUDE.findall(text(project, name)):
                path = (Path("/") / Path(name).parent / header).resolve().relative_to("/").as_posix()
                own = path in project.files
                library += not own
                assert own or header.startswith(elsewhere), (name, header)
    # The stand-in for the tflm engine's files has neither model_data.h nor model_ops.h.
    assert (library > 0) == (case[1] == "tflm" or arduino.is_avr(case[0]))


def test_sources_that_arduino_does_not_know_are_renamed():
    project = make(load_board("nano33ble"), "tflm")
    assert "tiny/src/engine/tflm/ek_tflm.cpp" in project.files
    assert set(project.recipe.sources) <= project.files.keys()
    assert not any(name.endswith(".cc") for name in project.files)
    sketch = text(project, "tiny/tiny.ino")
    assert sketch.index("#include <Chirale_TensorFlowLite.h>") < sketch.index('#include "src/')


def test_definitions_reach_every_source_first():
    files = {
        "include/edgekit/a.h": b"#define A 1\n",
        "link/a.c": b'#include "edgekit/a.h"\n#include "b.h"\n#include <stdint.h>\n',
        "link/b.h": b'#  include "edgekit/a.h"\n',
        "engine/c.cc": b'#include "edgekit/a.h"\n#include "other/library.h"\n',
        "model/model.tflite": b'#include "edgekit/a.h"\n',
    }
    assert arduino.sketch_sources(files, ["include"], ["X=1", "Y"]) == {
        "include/edgekit/a.h": b"#define A 1\n",
        "link/a.c": b'#include "../board/ek_config.h"\n#include "../include/edgekit/a.h"\n#include "b.h"\n'
        b"#include <stdint.h>\n",
        "link/b.h": b'#  include "../include/edgekit/a.h"\n',
        "engine/c.cpp": b'#include "../board/ek_config.h"\n#include "../include/edgekit/a.h"\n'
        b'#include "other/library.h"\n',
        "model/model.tflite": b'#include "edgekit/a.h"\n',
        "board/ek_config.h": b"/* SPDX-License-Identifier: Apache-2.0 */\n"
        b"/* Made by edgekit. A sketch brings no compiler flags, so every source includes this first. */\n"
        b"#ifndef EDGEKIT_EK_CONFIG_H\n#define EDGEKIT_EK_CONFIG_H\n\n#define X 1\n#define Y\n\n#endif\n",
    }


# ---- compilers ----


def compile_sketch(
    project: Project, folder: Path, compilers: tuple[str, str], flags: list[str]
) -> list[Path]:
    """Compiles the sketch as Arduino does: whatever lies in src/, no include folder but the core's."""
    write_project(project, folder)
    (sketch,) = (name for name in project.files if name.endswith(".ino"))
    objects = []
    in_src = sorted(name for name in project.files if name.endswith((".c", ".cpp")))
    for number, source in enumerate((*in_src, sketch)):
        c = source.endswith(".c")
        language = ["-std=gnu11"] if c else ["-x", "c++", "-std=gnu++14", "-fno-exceptions", "-fno-rtti"]
        core = ["-include", "Arduino.h"] if source == sketch else []
        objects.append(folder / f"{number}.o")
        command = [compilers[0 if c else 1], *flags, *language, *core, f"-I{STAND_IN}", "-c", source]
        run([*command, "-o", objects[-1]], folder)
    return objects


@pytest.mark.parametrize("name", ["nano33ble", "giga"])
def test_a_sketch_without_a_library_compiles_for_its_core(tmp_path, name):
    """Every source, with all warnings as errors."""
    require_arm_compiler()
    board = load_board(name)
    flags = [*CORES[board.mcu.core].gcc_flags, "-Wall", "-Wextra", "-Werror"]
    compile_sketch(make(board, "aot"), tmp_path, ("arm-none-eabi-gcc", "arm-none-eabi-g++"), flags)


def host_compilers() -> tuple[str, str]:
    for compiler in ("cc", "c++"):
        if shutil.which(compiler) is None:
            pytest.skip("there is no C and C++ compiler for this computer")
    return "cc", "c++"


def test_the_compiler_would_notice_an_include_that_is_not_relative(tmp_path):
    project = make(load_board("nano33ble"), "aot", kernels_for="host")
    name = "tiny/src/link/ek_link.c"
    files = {**project.files, name: project.files[name].replace(b"../include/edgekit", b"edgekit")}
    with pytest.raises(AssertionError, match=r"edgekit/ek_\w+\.h: No such file"):
        compile_sketch(replace(project, files=files), tmp_path, host_compilers(), [])


@pytest.fixture(scope="module", params=["nano33ble", "avr"])
def program(request, tmp_path_factory):
    """The sketch with stand-ins for the core, for this computer."""
    compilers = host_compilers()
    folder = tmp_path_factory.mktemp(request.param)
    board = avr_board() if request.param == "avr" else load_board(request.param)
    project = make(board, "aot", kernels_for="host")
    project = replace(
        project, files={name: content for name, content in project.files.items() if "dwt" not in name}
    )
    flags = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
    objects = compile_sketch(project, folder, compilers, flags)
    run([compilers[1], STAND_IN / "stand_in.cpp", *objects, "-o", "it"], folder)
    return folder / "it", 64 if request.param == "avr" else 512


def test_the_sketch_serves_the_link(program):
    path, longest_body_bytes = program
    with Device(ProcessTransport([str(path)], "the stand-in")) as device:
        info = device.info()
        assert (info.board, info.engine, info.model_sha256) == ("nano33ble", "aot", "ab" * 32)
        assert device.max_body_bytes == longest_body_bytes
        for _ in range(4):
            result = device.run([np.zeros((1, 4), np.int8)])
            assert result.outputs[0].ravel().tolist() == TINY_OUTPUT
            # micros() of the stand-in goes on by 100 a call, also where its 32 bits wrap.
            assert result.ticks == 100_000


# ---- Arduino's own tools ----


def test_arduino_builder_builds_the_sketch_for_an_8_bit_board(tmp_path):
    """The whole image, by Debian's arduino-builder and AVR core."""
    builder = find_sdk("arduino-builder")
    if builder is None:
        pytest.skip("arduino-builder and the AVR core are not installed")
    board = avr_board()
    project = make(board, "aot", kernels_for="host")
    write_project(project, tmp_path)
    result = compile_with_sdk(builder, project, tmp_path, board, "aot")
    assert result.image.name == "tiny.ino.elf"
    assert 4_000 < result.flash_bytes < 32_000
    assert result.ram_bytes < 2_000


@pytest.mark.slow
def test_arduino_cli_builds_the_sketch(tmp_path, case):
    cli = find_sdk("arduino-cli")
    if cli is None:
        pytest.skip("arduino-cli is not installed")
    board, engine = case
    platform = ":".join(board.engines[engine].target.split(":")[:2])
    if platform not in run([*cli.command, "core", "list"], tmp_path):
        pytest.skip(f"arduino-cli has no platform {platform}: `arduino-cli core install {platform}`")
    write_project(make(board, "aot"), tmp_path)
    run([*cli.command, "compile", "--fqbn", board.engines[engine].target, "tiny"], tmp_path)
