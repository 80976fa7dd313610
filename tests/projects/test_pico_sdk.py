"""Projects of the Pico SDK: configured by CMake and compiled against a stand-in, and by the SDK itself."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from graph import tflite_builder as build_tflite
from sdk_projects import cases, compile_commands, make, require_arm_compiler, run, text

from edgekit.boards import load_board
from edgekit.costs.fit import HARNESS_RAM_BYTES
from edgekit.engines import engine_files
from edgekit.errors import DoesNotFitError
from edgekit.graph.tflite import read_tflite
from edgekit.projects import pico_sdk
from edgekit.projects.assembler import assemble
from edgekit.projects.project import write_project

STAND_IN = Path(__file__).with_name("pico_sdk_stand_in")
CASES = cases("pico_sdk")


@pytest.fixture(params=CASES, ids="-".join)
def case(request):
    name, engine = request.param
    return load_board(name), engine


def configure(folder: Path, sdk: Path, *options: str) -> Path:
    """CMake in the project's folder. Gives the build folder."""
    for program in ("cmake", "ninja"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    require_arm_compiler()
    run(["cmake", "-S", ".", "-B", "build", "-G", "Ninja", *options], folder, PICO_SDK_PATH=str(sdk))
    return folder / "build"


@pytest.fixture
def tflmicro(tmp_path):
    """Stands in for what CMake fetches: one source to compile, and those that are left out."""
    source = tmp_path / "pico-tflmicro" / "src" / "tensorflow" / "lite" / "micro"
    for name in ("one.cpp", "one_test.cpp", "testing/two.cpp", "examples/three.cpp"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("int edgekit_test;\n")
    return tmp_path / "pico-tflmicro"


def test_both_boards_have_such_projects():
    assert set(CASES) == {("pico", "tflm"), ("pico2", "aot"), ("pico2", "tflm")}


def test_same_arguments_give_the_same_project(case):
    assert make(*case) == make(*case)


def test_a_project_without_a_library_compiles(tmp_path):
    """Every source, with all warnings as errors, with nothing but CMake's include folders."""
    project = make(load_board("pico2"), "aot")
    write_project(project, tmp_path)
    build = configure(tmp_path, STAND_IN)
    commands = compile_commands(build, tmp_path)
    assert set(commands) == set(project.recipe.sources)
    run(["cmake", "--build", "build"], tmp_path)
    assert all("-DPICO_STDIO_ENABLE_CRLF_SUPPORT=0" in command for command in commands.values())
    assert all("-DPICO_STACK_SIZE=4096" in command for command in commands.values())


def test_the_compiler_would_notice_a_mistake_in_the_port(tmp_path):
    write_project(make(load_board("pico2"), "aot"), tmp_path)
    port = tmp_path / "port" / "pico_sdk" / "port.c"
    port.write_text(port.read_text().replace("stdio_flush()", "stdio_flash()"))
    configure(tmp_path, STAND_IN)
    with pytest.raises(AssertionError, match="stdio_flash"):
        run(["cmake", "--build", "build"], tmp_path)


def test_a_project_with_tflm_compiles_the_library_without_its_tests(tmp_path, tflmicro):
    folder = tmp_path / "project"
    project = make(load_board("pico"), "tflm")
    write_project(project, folder)
    build = configure(folder, STAND_IN, f"-DFETCHCONTENT_SOURCE_DIR_PICO_TFLMICRO={tflmicro}")
    assert set(compile_commands(build, folder)) == set(project.recipe.sources)
    (library,) = compile_commands(build, tflmicro).items()
    assert library[0] == "src/tensorflow/lite/micro/one.cpp"
    command = compile_commands(build, folder)["engine/tflm/ek_tflm.cc"]
    for flag in ("-DTF_LITE_STATIC_MEMORY=1", "-fno-rtti", "-fno-exceptions", f"{tflmicro}/src"):
        assert flag in library[1]
        assert flag in command
    run(["cmake", "--build", "build", "--target", "tflm"], folder)


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ((), ["PICO_BOARD pico2", "stdio_uart;firmware;0", "stdio_usb;firmware;1"]),
        (("-DEDGEKIT_LINK_UART=ON",), ["PICO_BOARD pico2", "stdio_uart;firmware;1", "stdio_usb;firmware;0"]),
        (("-DPICO_BOARD=pico",), ["PICO_BOARD pico", "stdio_uart;firmware;0", "stdio_usb;firmware;1"]),
    ],
)
def test_the_link_is_on_usb_or_on_the_uart_and_the_board_can_be_another(tmp_path, options, calls):
    write_project(make(load_board("pico2"), "aot"), tmp_path)
    build = configure(tmp_path, STAND_IN, *options)
    assert (build / "pico_sdk_calls.txt").read_text().splitlines() == [*calls, "extra_outputs;firmware"]


def test_without_the_sdk_cmake_says_what_to_set(tmp_path):
    write_project(make(load_board("pico2"), "aot"), tmp_path)
    with pytest.raises(AssertionError, match="PICO_SDK_PATH is '/nowhere', which holds no"):
        configure(tmp_path, Path("/nowhere"))


def test_an_sdk_that_is_too_old_is_refused(tmp_path):
    write_project(make(load_board("pico2"), "aot"), tmp_path / "project")
    shutil.copytree(STAND_IN, tmp_path / "sdk")
    init = tmp_path / "sdk" / "pico_sdk_init.cmake"
    init.write_text(init.read_text().replace("2.2.0", "1.5.1"))
    with pytest.raises(AssertionError, match=r"needs the Pico SDK 2\.0\.0 or later; this one is\s+1\.5\.1"):
        configure(tmp_path / "project", tmp_path / "sdk")


def test_the_library_is_pinned_to_one_commit(case):
    cmake = text(make(*case), "CMakeLists.txt")
    pinned = re.findall(r"GIT_TAG (\S+)", cmake)
    assert pinned == ([pico_sdk.TFLMICRO_COMMIT] if case[1] == "tflm" else [])
    assert re.fullmatch("[0-9a-f]{40}", pico_sdk.TFLMICRO_COMMIT)


def test_a_model_that_leaves_no_room_for_the_sdk_is_refused():
    board = load_board("pico2")
    room_bytes = board.mcu.ram_bytes - 8_192 - HARNESS_RAM_BYTES
    make(board, "aot", room_bytes)
    with pytest.raises(DoesNotFitError) as caught:
        make(board, "aot", room_bytes + 1)
    assert caught.value.missing_bytes == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine",
    [
        pytest.param("aot", marks=pytest.mark.proves("compiled", "pico2", engine="aot")),
        pytest.param("tflm", marks=pytest.mark.proves("compiled", "pico2", engine="tflm")),
    ],
)
def test_the_sdk_itself_builds_it(tmp_path, engine):
    sdk = Path(os.environ.get("PICO_SDK_PATH") or "/nowhere")
    if not (sdk / "lib" / "tinyusb" / "src").is_dir():
        pytest.skip("there is no Pico SDK with its submodules: set PICO_SDK_PATH")
    options = ["-DPICO_NO_PICOTOOL=1"] if shutil.which("picotool") is None else []
    if engine == "tflm":
        library = Path(os.environ.get("EDGEKIT_PICO_TFLMICRO") or "/nowhere")
        if not library.is_dir():
            pytest.skip("there is no pico-tflmicro: set EDGEKIT_PICO_TFLMICRO to a copy of it")
        options.append(f"-DFETCHCONTENT_SOURCE_DIR_PICO_TFLMICRO={library}")
    model = build_tflite.convolution("CONV_2D", (1, 8, 8, 3), np.ones((8, 3, 3, 3), np.int8))
    graph = read_tflite(model, "small")
    board = load_board("pico2")
    project = assemble(board, graph, model, engine_files(engine, graph, model, board), engine)
    write_project(project, tmp_path)
    build = configure(tmp_path, sdk, *options)
    said = run(["cmake", "--build", "build"], tmp_path, timeout_s=3000)
    warned = [line for line in said.splitlines() if line.startswith(str(tmp_path)) and "warning" in line]
    assert warned == []
    assert (build / "firmware.elf").is_file()
    assert (build / "firmware.bin").stat().st_size > 10_000
