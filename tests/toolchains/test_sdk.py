"""SDKs: found without starting them, run with the right commands, and explained where they are missing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from graph import tflite_builder as build
from probe_firmware import TINY_MODEL, tiny_graph

from edgekit.boards import SdkName, board_names, load_board
from edgekit.engines import engine_files
from edgekit.errors import DoesNotFitError, NotCompiledError, ToolchainError, UsageError
from edgekit.firmware_project import Project, Recipe
from edgekit.projects.assembler import assemble
from edgekit.projects.project import write_project
from edgekit.toolchains.sdk import (
    SDKS,
    Installation,
    Target,
    board_sdks,
    find_sdk,
    first_installed,
    is_sdk,
    not_compiled,
)
from edgekit.toolchains.sdk_build import compile_with_sdk
from edgekit.toolchains.uf2 import FAMILIES

ESP32 = load_board("esp32")
PROJECT = Project("p", {"CMakeLists.txt": b"", "sk/sk.ino": b""}, Recipe((), ()))


def executable(path: Path, text: str = "#!/bin/sh\nexit 0\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def idf_root(folder: Path) -> Path:
    """A folder that looks like ESP-IDF 5.5.4."""
    executable(folder / "tools" / "idf.py")
    version = folder / "tools" / "cmake" / "version.cmake"
    version.parent.mkdir()
    parts = zip(("MAJOR", "MINOR", "PATCH"), (5, 5, 4), strict=True)
    version.write_text("".join(f"set(IDF_VERSION_{part} {number})\n" for part, number in parts))
    return folder


# ---- finding ----


@pytest.mark.parametrize("name", SDKS)
def test_nothing_is_found_in_an_empty_environment(name):
    assert find_sdk(name, {"PATH": ""}) is None


@pytest.mark.parametrize("name", SDKS)
def test_variables_that_lead_nowhere_are_not_believed(tmp_path, name):
    lost = dict.fromkeys(("IDF_PATH", "PICO_SDK_PATH", "ZEPHYR_BASE"), str(tmp_path))
    assert find_sdk(name, {"PATH": "", **lost}) is None


def test_esp_idf_on_path_is_found_with_its_version(tmp_path):
    root = idf_root(tmp_path)
    found = find_sdk("esp-idf", {"PATH": str(root / "tools")})
    assert found == Installation("esp-idf", "5.5.4", (str(root / "tools" / "idf.py"),), root)


def test_esp_idf_is_found_through_its_variable(tmp_path):
    root = idf_root(tmp_path)
    found = find_sdk("esp-idf", {"PATH": "", "IDF_PATH": str(root)})
    assert (found.version, found.root, found.command) == ("5.5.4", root, ())


def test_the_pico_sdk_needs_cmake_and_the_compiler_as_well(tmp_path):
    (tmp_path / "pico_sdk_init.cmake").touch()
    lines = (
        "set(PICO_SDK_VERSION_MAJOR 2)",
        "set(PICO_SDK_VERSION_MINOR 1)",
        "set(PICO_SDK_VERSION_REVISION 1)",
    )
    (tmp_path / "pico_sdk_version.cmake").write_text("\n".join(lines))
    environment = {"PATH": str(tmp_path / "bin"), "PICO_SDK_PATH": str(tmp_path)}
    cmake = executable(tmp_path / "bin" / "cmake")
    assert find_sdk("pico-sdk", environment) is None
    executable(tmp_path / "bin" / "arm-none-eabi-gcc")
    assert find_sdk("pico-sdk", environment) == Installation("pico-sdk", "2.1.1", (str(cmake),), tmp_path)


def test_zephyr_needs_west_and_its_base(tmp_path):
    west = executable(tmp_path / "bin" / "west")
    assert find_sdk("west", {"PATH": str(tmp_path / "bin")}) is None
    (tmp_path / "VERSION").write_text("VERSION_MAJOR = 4\nVERSION_MINOR = 2\nPATCHLEVEL = 0\n")
    environment = {"PATH": str(tmp_path / "bin"), "ZEPHYR_BASE": str(tmp_path)}
    assert find_sdk("west", environment) == Installation("west", "4.2.0", (str(west),), tmp_path)


def test_a_version_that_cannot_be_read_is_no_reason_to_give_up(tmp_path):
    executable(tmp_path / "tools" / "idf.py")
    assert find_sdk("esp-idf", {"PATH": "", "IDF_PATH": str(tmp_path)}).version == "unknown"


# ---- which builds what ----


@pytest.mark.parametrize("name", board_names())
def test_every_engine_is_built_by_sdks_or_by_compilers(name):
    board = load_board(name)
    for engine, how in board.engines.items():
        names = [sdk.name for sdk in board_sdks(board, engine)]
        assert names == [toolchain for toolchain in how.toolchains if is_sdk(toolchain)]
        assert all(sdk.framework == how.framework for sdk in board_sdks(board, engine))


@pytest.mark.parametrize(("board", "toolchain"), [("esp32", "zig"), ("mps2-an386", "esp-idf")])
def test_a_toolchain_that_cannot_build_the_project_is_refused(board, toolchain):
    with pytest.raises(UsageError, match=f"{toolchain} does not build a project of {board}"):
        board_sdks(load_board(board), "aot", toolchain)


def test_the_first_that_is_installed_is_taken(monkeypatch):
    monkeypatch.setenv("PATH", "")
    sdks = board_sdks(ESP32, "aot")
    assert first_installed(sdks) is None
    error = not_compiled(sdks, Path("/there"), "esp32")
    assert isinstance(error, NotCompiledError)
    assert error.exit_code == 5
    for said in ("the project is in /there", "ESP-IDF is not installed", "https://docs.", "idf.py build"):
        assert said in str(error)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "esp-idf",
            [
                "T -B build/edgekit -D SDKCONFIG=build/edgekit/sdkconfig reconfigure",
                "T -B build/edgekit -D SDKCONFIG=build/edgekit/sdkconfig build",
            ],
        ),
        (
            "pico-sdk",
            [
                "T -S . -B build/edgekit -DPICO_BOARD=B -DCMAKE_BUILD_TYPE=Release -DPICO_NO_PICOTOOL=ON",
                "T --build build/edgekit --parallel",
            ],
        ),
        ("west", ["T build -p auto -b B -d build/edgekit ."]),
        ("arduino-cli", ["T compile --profile esp32 --build-path /f/build/edgekit sk"]),
        (
            "arduino-builder",
            [
                "T -compile -hardware /usr/share/arduino/hardware -hardware /usr/share/arduino-builder "
                "-tools /usr/bin -fqbn B -build-path /f/build/edgekit "
                "-prefs=compiler.c.extra_flags=-DDECIMAL_DIG=__DECIMAL_DIG__ "
                "-prefs=compiler.cpp.extra_flags=-DDECIMAL_DIG=__DECIMAL_DIG__ sk/sk.ino"
            ],
        ),
    ],
)
def test_commands(name: SdkName, expected, monkeypatch):
    monkeypatch.setenv("PATH", "")
    target = Target(PROJECT, Path("/f"), ESP32, "B")
    commands = SDKS[name].commands(Installation(name, "1", ("T",)), target)
    assert [" ".join(command) for command in commands] == expected


def test_a_project_without_a_sketch_is_not_arduinos():
    target = Target(Project("p", {}, Recipe((), ())), Path("/f"), ESP32, "B")
    with pytest.raises(UsageError, match="no Arduino sketch"):
        SDKS["arduino-cli"].commands(Installation("arduino-cli", "1", ("T",)), target)


# ---- building, with programs that stand in for an SDK's ----


@pytest.fixture(scope="module")
def elf_file(tmp_path_factory):
    """An ELF file with code, constants, data, zeroed data, and a section as ESP-IDF's linker scripts have."""
    compiler = shutil.which("arm-none-eabi-gcc")
    if compiler is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    folder = tmp_path_factory.mktemp("elf")
    (folder / "a.c").write_text(
        "const char constants[300] = {1}; int data[5] = {1}; int zeroed[10];\n"
        '__attribute__((section(".flash_rodata_dummy,\\"aw\\",%nobits @"))) char dummy[5000];\n'
        "int main(void) { return constants[0] + data[0] + zeroed[0] + dummy[0]; }\n"
    )
    command = [compiler, "-mcpu=cortex-m4", "-nostdlib", "-Wl,-emain", "a.c", "-o", "a.elf"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "a.elf"


def fake_idf(folder: Path, elf_file: Path, build_step: str) -> Installation:
    """An ``idf.py`` that notes how it was called, and for ``build`` does ``build_step``."""
    program = executable(
        folder / "idf" / "tools" / "idf.py",
        f'#!/bin/sh\necho "$PWD: $*" >> "{folder}/calls"\n'
        f'case "$*" in *" build") {build_step.replace("ELF", str(elf_file))} ;; esac\n',
    )
    return Installation("esp-idf", "5.5.4", (str(program),), folder / "idf")


def compile_esp32(installation: Installation, folder: Path):
    write_project(PROJECT, folder)
    return compile_with_sdk(installation, PROJECT, folder, ESP32, "aot")


def test_a_build_gives_image_sizes_and_log(tmp_path, elf_file):
    step = "echo compiling; cp ELF build/edgekit/firmware.elf; echo x > build/edgekit/firmware.bin"
    folder = tmp_path / "p"
    (folder / "build" / "edgekit").mkdir(parents=True)
    (folder / "build" / "edgekit" / "sdkconfig").write_text("CONFIG_OLD=y\n")
    result = compile_esp32(fake_idf(tmp_path, elf_file, step), folder)
    assert result.image == folder / "build" / "edgekit" / "firmware.elf"
    assert result.binary.read_text() == "x\n"
    assert result.uf2 is None
    assert (result.toolchain, result.toolchain_version) == ("esp-idf", "5.5.4")
    assert result.constant_bytes >= 300
    assert (result.data_bytes, result.bss_bytes) == (20, 40)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [line.rsplit(" ", 1)[1] for line in calls] == ["reconfigure", "build"]
    assert all(line.startswith(f"{folder}: ") for line in calls)
    log = result.log.read_text()
    assert "$ idf.py -B build/edgekit" in log
    assert "compiling" in log
    assert not (folder / "build" / "edgekit" / "sdkconfig").exists()


@pytest.mark.parametrize(
    ("step", "error", "message"),
    [
        ("echo some reason; exit 2", ToolchainError, r"(?s)idf\.py could not build.*code 2.*some reason"),
        ("true", ToolchainError, r"said that it built.*no build/edgekit/firmware\.elf"),
        ("echo no ELF > build/edgekit/firmware.elf", ToolchainError, r"not a valid ELF image"),
        (
            'echo "region \\`dram0_0_seg\' overflowed by 1000 bytes"; exit 1',
            DoesNotFitError,
            r"RAM.*1,000 bytes are missing.*dram0_0_seg",
        ),
        (
            'echo "region \\`iram0_2_seg\' overflowed by 5 bytes"; exit 1',
            DoesNotFitError,
            r"iram0_2_seg is 5 bytes too small",
        ),
    ],
)
def test_what_goes_wrong_is_told(tmp_path, elf_file, step, error, message):
    with pytest.raises(error, match=message):
        compile_esp32(fake_idf(tmp_path, elf_file, step), tmp_path / "p")
    assert (tmp_path / "p" / "build" / "build.log").is_file()


def test_a_program_that_cannot_be_started_is_told(tmp_path):
    with pytest.raises(ToolchainError, match="could not be run"):
        compile_esp32(Installation("esp-idf", "1", (str(tmp_path / "gone"),)), tmp_path / "p")


def test_nothing_is_built_through_a_link(tmp_path, elf_file):
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "build").symlink_to(outside)
    with pytest.raises(UsageError, match="is a link"):
        compile_esp32(fake_idf(tmp_path, elf_file, "true"), tmp_path / "p")
    assert list(outside.iterdir()) == []


def test_esp_idf_that_was_not_exported_tells_its_environment(tmp_path, elf_file, monkeypatch):
    root = idf_root(tmp_path / "idf")
    (root / "tools" / "idf_tools.py").write_text(
        "import sys\nassert sys.argv[1:] == ['export', '--format', 'key-value']\n"
        "print('PATH=/opt/xtensa/bin:$PATH')\nprint('ESP_IDF_VERSION=5.5')\n"
    )
    (root / "tools" / "idf.py").write_text(
        "import os, shutil, sys\n"
        "assert os.environ['PATH'].startswith('/opt/xtensa/bin:/'), os.environ['PATH']\n"
        f"'build' in sys.argv and shutil.copy({str(elf_file)!r}, 'build/edgekit/firmware.elf')\n"
    )
    monkeypatch.setenv("IDF_PATH", str(root))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert compile_esp32(find_sdk("esp-idf"), tmp_path / "p").image.is_file()


def test_esp_idf_without_its_tools_says_what_to_do(tmp_path, monkeypatch):
    root = idf_root(tmp_path / "idf")
    (root / "tools" / "idf_tools.py").write_text(
        "import sys\nsys.exit('ERROR: tool xtensa has no versions')\n"
    )
    monkeypatch.setenv("IDF_PATH", str(root))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(ToolchainError, match=r"xtensa has no versions.*install\.sh"):
        compile_esp32(find_sdk("esp-idf"), tmp_path / "p")


# ---- a real one ----


def test_arduino_builder_builds_a_sketch(tmp_path):
    installation = find_sdk("arduino-builder")
    if installation is None:
        pytest.skip("arduino-builder and arduino-core-avr are not installed")
    files = {
        "sk/sk.ino": b'#include "src/x.h"\n'
        b"void setup() { Serial.begin(9600); }\nvoid loop() { Serial.write(x()); }\n",
        "sk/src/x.h": b'#ifdef __cplusplus\nextern "C"\n#endif\nint x(void);\n',
        "sk/src/x.c": b'#include "x.h"\nint x(void) { return 3; }\n',
    }
    project = Project("p", files, Recipe((), ()))
    engine = msgspec.structs.replace(
        ESP32.engines["aot"], framework="arduino", target="arduino:avr:mega:cpu=atmega2560"
    )
    board = msgspec.structs.replace(ESP32, engines={"aot": engine})
    write_project(project, tmp_path)
    result = compile_with_sdk(installation, project, tmp_path, board, "aot")
    assert result.binary.name == "sk.ino.hex"
    assert 1000 < result.flash_bytes < 4000
    assert result.toolchain_version.startswith("Arduino Builder")


@pytest.mark.slow
def test_the_pico_sdk_builds_its_project(tmp_path):
    installation = find_sdk("pico-sdk")
    if installation is None:
        pytest.skip("the Pico SDK is not installed (PICO_SDK_PATH, cmake, arm-none-eabi-gcc)")
    board = load_board("pico2")
    files = engine_files("aot", tiny_graph(), TINY_MODEL, board)
    project = assemble(board, tiny_graph(), TINY_MODEL, files, "aot")
    write_project(project, tmp_path)
    result = compile_with_sdk(installation, project, tmp_path, board, "aot")
    assert result.binary.stat().st_size == result.flash_bytes
    uf2 = result.uf2.read_bytes()
    assert len(uf2) >= 2 * result.flash_bytes
    # The first block is that of RP2350-E10.
    assert int.from_bytes(uf2[512 + 28 : 512 + 32], "little") == FAMILIES["RP2350"]


# ---- the stage ----


@pytest.fixture
def workspace(tmp_path):
    """A workspace with a small model of the user's own."""
    filters = np.ones((8, 3, 3, 3), dtype=np.int8)
    (tmp_path / "small.tflite").write_bytes(
        build.convolution("CONV_2D", (1, 8, 8, 3), filters, strides=(2, 2))
    )
    return tmp_path


def run(edgekit, workspace, command, *more):
    model = ("--model", workspace / "small.tflite", "--engine", "aot")
    return edgekit(command, "--workspace", workspace, "--board", "esp32", *model, *more)


def test_without_the_sdk_the_project_is_there_and_the_exit_code_is_5(edgekit, workspace, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("IDF_PATH", raising=False)
    folder = workspace / "out" / "esp32"
    for command in (("build",), ("flash", "--port", "/dev/null"), ("build",)):
        outcome = run(edgekit, workspace, *command)
        assert outcome.exit_code == 5, command
        assert f"the project is in {folder / 'project'}, but it was not compiled" in outcome.err
        assert "idf.py build" in outcome.err
    assert (folder / "project" / "main" / "idf_component.yml").is_file()
    report = json.loads((folder / "build.json").read_text())
    assert report["compiled"] is False
    assert "image" not in report


def test_with_the_sdk_it_is_compiled_and_without_it_again_no_old_image_stays(
    edgekit, workspace, monkeypatch, elf_file
):
    tools = fake_idf(workspace / "sdk", elf_file, "cp ELF build/edgekit/firmware.elf")
    (workspace / "sdk").mkdir(exist_ok=True)
    monkeypatch.delenv("IDF_PATH", raising=False)
    folder = workspace / "out" / "esp32"
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert run(edgekit, workspace, "build").exit_code == 5
    monkeypatch.setenv("PATH", f"{Path(tools.command[0]).parent}:/usr/bin:/bin")
    assert run(edgekit, workspace, "build").exit_code == 0
    report = json.loads((folder / "build.json").read_text())
    assert report["compiled"] is True
    assert report["toolchain"] == "esp-idf unknown"
    assert (folder / report["image"]).read_bytes() == elf_file.read_bytes()
    assert "up to date" in run(edgekit, workspace, "build").out
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert run(edgekit, workspace, "build").exit_code == 5
    assert not (folder / "firmware.elf").exists()


# ---- doctor ----


def test_doctor_groups_sdks_by_framework_and_says_how_to_get_them(edgekit, monkeypatch):
    monkeypatch.setenv("PATH", "")
    for variable in ("IDF_PATH", "PICO_SDK_PATH", "ZEPHYR_BASE"):
        monkeypatch.delenv(variable, raising=False)
    checks = json.loads(edgekit("doctor", "--json").out)
    by_name = {check["name"]: check for check in checks}
    for sdk in SDKS.values():
        check = by_name[sdk.name]
        assert (check["group"], check["found"], check["advice"]) == (sdk.framework, None, sdk.how_to_get)
    assert "esp32s3" in by_name["esp-idf"]["needed_for"]
    groups = [check["group"] for check in checks]
    assert groups == sorted(groups, key=groups.index), "a group is split"


def test_doctor_shows_an_sdk_that_is_there(edgekit, tmp_path, monkeypatch):
    root = idf_root(tmp_path)
    monkeypatch.setenv("IDF_PATH", str(root))
    monkeypatch.setenv("PATH", "")
    checks = {check["name"]: check for check in json.loads(edgekit("doctor", "--json").out)}
    assert checks["esp-idf"]["found"] == f"5.5.4 {root}"


def test_doctor_starts_no_sdk_and_neither_numpy_nor_tensorflow():
    program = (
        "import sys, subprocess\n"
        "def refuse(*a, **k): raise SystemExit('a program was started')\n"
        "subprocess.Popen.__init__ = refuse\n"
        "from edgekit.cli import main\n"
        "code = main(['doctor'])\n"
        "assert not {'tensorflow'} & sys.modules.keys(), 'heavy imports'\n"
        "sys.exit(code)\n"
    )
    completed = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ,
    )
    assert completed.returncode == 0, completed.stderr
