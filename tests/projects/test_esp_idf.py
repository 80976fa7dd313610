"""ESP-IDF projects: what its own offline tools say of them, and the port on stand-ins of its functions."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
from posixpath import normpath

import msgspec
import numpy as np
import pytest
from graph import tflite_builder as build
from probe_firmware import TINY_MODEL, tiny_graph

from edgekit.boards import Board, board_names, load_board
from edgekit.device.device import Device
from edgekit.device.emulators.process import ProcessTransport
from edgekit.engines import engine_files
from edgekit.errors import DoesNotFitError, UnknownNameError, UsageError
from edgekit.firmware_project import Project
from edgekit.graph.tflite import read_tflite
from edgekit.projects import esp_idf
from edgekit.projects.assembler import assemble
from edgekit.projects.project import write_project
from edgekit.toolchains.sdk import find_sdk
from edgekit.toolchains.sdk_build import compile_with_sdk

STAND_IN = Path(__file__).with_name("esp_idf_stand_in")
KIBIBYTE = 1 << 10
CASES = [
    (name, engine)
    for name in board_names()
    for engine, how in load_board(name).engines.items()
    if how.framework == "esp_idf"
]
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def make(board: Board, engine: str, arena_bytes: int = 1000, constant_bytes: int = 1000) -> Project:
    """The tiny network's project for ``board``, as if it needed that much memory."""
    files = engine_files("aot", tiny_graph(), TINY_MODEL, board) if engine == "aot" else tflm_files(board)
    sized = replace(files, arena_bytes=arena_bytes, constant_bytes=constant_bytes)
    return assemble(board, tiny_graph(), TINY_MODEL, sized, engine)


def tflm_files(board: Board):
    """Files like those of the tflm engine: that engine reads the model, which here only stands for one."""
    aot = engine_files("aot", tiny_graph(), TINY_MODEL, board)
    return replace(aot, sources=("engine/tflm/ek_tflm.cc",))


def aot_board(name: str) -> Board:
    """The shipped board with an aot engine that is an ESP-IDF project."""
    board = load_board(name)
    return msgspec.structs.replace(board, engines={**board.engines, "aot": board.engines["tflm"]})


@pytest.fixture(params=CASES, ids="-".join)
def case(request):
    name, engine = request.param
    return load_board(name), engine


def text(project: Project, name: str) -> str:
    return project.files[name].decode()


def settings(project: Project) -> dict[str, str]:
    """What the defaults of a project set, without the prefix CONFIG_."""
    lines = [
        line
        for name in sorted(project.files)
        if name.startswith("sdkconfig.defaults")
        for line in text(project, name).splitlines()
        if line and not line.startswith("#")
    ]
    assert all(line.startswith("CONFIG_") for line in lines), lines
    pairs = dict(line.removeprefix("CONFIG_").split("=", 1) for line in lines)
    assert len(pairs) == len(lines), "something is set twice"
    return pairs


def test_every_espressif_board_has_such_projects():
    assert {name for name, _ in CASES} == {"esp32", "esp32cam", "esp32c3", "esp32s3"}
    assert {engine for _, engine in CASES} == {"aot", "tflm"}


def test_same_arguments_give_the_same_project(case):
    assert make(*case) == make(*case)


def test_sources_and_what_they_include_are_there(case):
    project = make(*case)
    assert set(project.recipe.sources) <= project.files.keys()
    listed = re.findall(r'^ {8}"([^"]+)"$', text(project, "main/CMakeLists.txt"), re.MULTILINE)
    folders = {name.removeprefix("main/") for name in project.recipe.include_folders}
    assert {f"main/{name}" for name in listed if name not in folders} == set(project.recipe.sources)
    known = {PurePosixPath(name) for name in project.files}
    standing_in = {path.relative_to(STAND_IN / "include") for path in (STAND_IN / "include").rglob("*.h")} | {
        Path("sdkconfig.h")
    }
    for name in project.files:
        if not name.startswith("main/engine") and name.endswith((".c", ".h")):
            beside = PurePosixPath(name).parent
            for header in INCLUDE.findall(text(project, name)):
                places = [
                    PurePosixPath(normpath(beside / header)),
                    *(PurePosixPath(f) / header for f in project.recipe.include_folders),
                ]
                assert known & set(places) or Path(header) in standing_in, (name, header)


def test_nothing_in_a_project_depends_on_this_machine(case):
    for name, content in make(*case).files.items():
        for secret in (str(Path.home()), str(Path(__file__).parents[2]), os.uname().nodename):
            assert secret.encode() not in content, (name, secret)


# ---- component manifest ----


def lint_manifest(folder: Path) -> subprocess.CompletedProcess[str]:
    """ESP-IDF's component manager on the manifest of the project in ``folder``."""
    compote = Path(sys.executable).with_name("compote")
    if not compote.is_file():
        pytest.skip("idf-component-manager is not installed (the extra esp)")
    command = [compote, "manifest", "lint", folder / "main" / "idf_component.yml"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("engine", ["aot", "tflm"])
def test_the_component_manager_accepts_the_manifest(tmp_path, engine):
    write_project(make(load_board("esp32"), engine), tmp_path)
    linted = lint_manifest(tmp_path)
    assert (linted.returncode, linted.stdout) == (0, "")


@pytest.mark.parametrize(("old", "new"), [("==1.4.0", "==1.x"), ("esp-nn:", "esp nn:")])
def test_the_component_manager_would_notice_a_wrong_manifest(tmp_path, old, new):
    write_project(make(load_board("esp32"), "tflm"), tmp_path)
    manifest = tmp_path / "main" / "idf_component.yml"
    assert old in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(old, new))
    assert lint_manifest(tmp_path).returncode != 0


def test_tflm_takes_pinned_components_and_aot_none(case):
    board, engine = case
    manifest = text(make(board, engine), "main/idf_component.yml")
    pins = re.findall(r'^  (espressif/\S+):\n    version: "(==[\d.]+)"$', manifest, re.MULTILINE)
    assert dict(pins) == (dict(esp_idf.COMPONENTS) if engine == "tflm" else {})
    assert f'idf:\n    version: "{esp_idf.IDF_VERSIONS}"' in manifest


# ---- settings ----


def effective(project: Project, folder: Path, *more: str) -> dict[str, str]:
    """The settings that ESP-IDF's kconfgen makes of the project's defaults, under its options and ours."""
    if importlib.util.find_spec("kconfgen") is None:
        pytest.skip("esp-idf-kconfig is not installed")
    write_project(project, folder)
    target = settings(project)["IDF_TARGET"].strip('"')
    defaults = ("sdkconfig.defaults", f"sdkconfig.defaults.{target}", *more)
    environment = {"IDF_TARGET": target, "PROJECT_KCONFIG": str(folder / "main" / "Kconfig.projbuild")}
    completed = subprocess.run(
        [
            *(sys.executable, "-m", "kconfgen", "--kconfig", STAND_IN / "Kconfig"),
            *("--config", folder / "sdkconfig", "--output", "config", folder / "sdkconfig.made"),
            *(option for name in defaults for option in ("--defaults", folder / name)),
            *(option for pair in environment.items() for option in ("--env", "=".join(pair))),
        ],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    made = (folder / "sdkconfig.made").read_text()
    values = dict(re.findall(r"^CONFIG_(\w+)=(.*)$", made, re.MULTILINE))
    return values | dict.fromkeys(re.findall(r"^# CONFIG_(\w+) is not set$", made, re.MULTILINE), "n")


@pytest.mark.parametrize(
    ("name", "arena_bytes"),
    [
        ("esp32", 1000),
        ("esp32cam", 1000),
        ("esp32cam", 300_000),
        ("esp32s3", 1000),
        ("esp32s3", 300_000),
        ("esp32c3", 1000),
    ],
)
def test_every_setting_takes_effect(tmp_path, name, arena_bytes):
    board = load_board(name)
    project = make(board, "tflm", arena_bytes)
    made = effective(project, tmp_path)
    assert settings(project).items() <= made.items()
    assert made["ESP_DEFAULT_CPU_FREQ_MHZ"] == str(board.mcu.clock_hz // 1_000_000)
    assert ("EK_ARENA_IN_PSRAM" in settings(project)) == (arena_bytes > 1000)
    console = "ESP_CONSOLE_USB_SERIAL_JTAG" if name in {"esp32s3", "esp32c3"} else "ESP_CONSOLE_UART"
    assert made[console] == "y"
    assert made["NN_SKIP_NUDGE"] == "n"


def test_aot_sets_nothing_that_tflm_does_not():
    for board in map(aot_board, ("esp32", "esp32cam", "esp32s3", "esp32c3")):
        assert settings(make(board, "aot")).items() <= settings(make(board, "tflm")).items()


@pytest.mark.parametrize(
    ("name", "replaced"),
    [
        ("sdkconfig.defaults", ("FREERTOS_HZ=1000", "FREERTOS_HERTZ=1000")),
        ("sdkconfig.defaults", ("FREERTOS_HZ=1000", "FREERTOS_HZ=5000")),
        ("sdkconfig.defaults.esp32c3", ("CPU_FREQ_MHZ_160", "CPU_FREQ_MHZ_240")),
    ],
)
def test_a_setting_without_effect_would_be_noticed(tmp_path, name, replaced):
    project = make(load_board("esp32c3"), "tflm")
    broken = replace(project, files={**project.files, name: text(project, name).replace(*replaced).encode()})
    assert broken != project
    assert not settings(broken).items() <= effective(broken, tmp_path).items()


def test_the_portable_kernels_can_be_chosen_to_compare_with(tmp_path):
    made = effective(make(load_board("esp32s3"), "tflm"), tmp_path, "sdkconfig.ansi_c")
    assert made["NN_ANSI_C"] == "y"
    assert made["NN_OPTIMIZED"] == "n"


# ---- memory ----


def test_the_arena_lies_in_psram_only_where_it_must():
    board = load_board("esp32cam")
    limit_bytes = esp_idf.internal_arena_bytes(esp_idf.TARGETS["esp32"])
    inside = settings(make(board, "aot", limit_bytes))
    assert "EK_ARENA_IN_PSRAM" not in inside
    assert inside["SPIRAM_IGNORE_NOTFOUND"] == "y"
    outside = settings(make(board, "aot", limit_bytes + 1))
    assert outside["EK_ARENA_IN_PSRAM"] == outside["SPIRAM_ALLOW_BSS_SEG_EXTERNAL_MEMORY"] == "y"


@pytest.mark.parametrize("name", ["esp32", "esp32cam", "esp32s3", "esp32c3"])
def test_an_arena_that_fits_nowhere_is_refused(name):
    board = aot_board(name)
    target = esp_idf.TARGETS[board.engines["tflm"].target]
    available = max(esp_idf.internal_arena_bytes(target), board.mcu.psram_bytes or 0)
    make(board, "aot", available)
    with pytest.raises(DoesNotFitError) as caught:
        make(board, "aot", available + 1)
    assert caught.value.missing_bytes == 1


def read_partitions(project: Project) -> list[tuple[str, str, int, int]]:
    """Name, type, offset and size of each partition, as ESP-IDF's gen_esp32part.py reads them."""
    rows = [line.split(",") for line in text(project, "partitions.csv").splitlines() if line[:1] not in "#"]
    return [(r[0].strip(), r[1].strip(), int(r[3], 0), int(r[4], 0)) for r in rows]


@pytest.mark.parametrize("constant_bytes", [1, 300 * KIBIBYTE, 512 * KIBIBYTE + 1, 2 << 20])
def test_partitions_are_aligned_apart_and_inside_flash(case, constant_bytes):
    board, engine = case
    table = read_partitions(make(board, engine, constant_bytes=constant_bytes))
    end = 0x9000  # Behind the partition table.
    for _, kind, offset, size_bytes in table:
        assert offset >= end
        assert offset % (0x10000 if kind == "app" else 0x1000) == 0
        assert size_bytes % 0x1000 == 0
        end = offset + size_bytes
    assert end <= board.mcu.flash_bytes
    assert table[-1][1] == "app"
    assert (
        table[-1][3] >= constant_bytes + 300 * KIBIBYTE
    )  # Constants, and more code than a small program has.


def test_a_model_that_flash_has_no_partition_for_is_refused():
    with pytest.raises(DoesNotFitError, match=r"partition of 3,670,016 bytes.*more flash"):
        make(
            msgspec.structs.replace(
                load_board("esp32"), mcu=msgspec.structs.replace(load_board("esp32").mcu, flash_bytes=2 << 20)
            ),
            "aot",
            constant_bytes=3 << 20,
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clock_hz": 200_000_000}, r"clock_hz 200,000,000; esp32 runs at one of 80_000_000"),
        ({"clock_hz": 240_000_001}, r"clock_hz"),
        ({"flash_bytes": 3 << 20}, r"flash_bytes 3,145,728; ESP-IDF knows flash of 2, 4, 8"),
    ],
)
def test_a_profile_that_the_chip_cannot_fulfil_is_refused(changes, message):
    board = load_board("esp32")
    changed = msgspec.structs.replace(board, mcu=msgspec.structs.replace(board.mcu, **changes))
    with pytest.raises(UsageError, match=message):
        make(changed, "tflm")


def test_psram_on_a_chip_that_takes_none_is_refused():
    board = load_board("esp32c3")
    mcu = msgspec.structs.replace(board.mcu, psram_bytes=8 << 20)
    with pytest.raises(UsageError, match="esp32c3 takes none"):
        make(msgspec.structs.replace(board, mcu=mcu), "tflm")


def test_an_unknown_chip_names_the_nearest():
    board = load_board("esp32")
    engines = {"tflm": msgspec.structs.replace(board.engines["tflm"], target="esp32s4")}
    with pytest.raises(UnknownNameError, match="Did you mean 'esp32s3'"):
        make(msgspec.structs.replace(board, engines=engines), "tflm")


# ---- the port ----

OPTIONS = {
    "uart": (
        "CONFIG_ESP_CONSOLE_UART 1",
        "CONFIG_ESP_CONSOLE_UART_NUM 0",
        "CONFIG_ESP_CONSOLE_UART_CUSTOM 1",
    ),
    "usb": ("CONFIG_ESP_CONSOLE_USB_SERIAL_JTAG 1", "CONFIG_ESP_CONSOLE_UART_NUM -1"),
    "psram": (
        "CONFIG_ESP_CONSOLE_UART 1",
        "CONFIG_ESP_CONSOLE_UART_NUM 0",
        "CONFIG_SPIRAM_ALLOW_BSS_SEG_EXTERNAL_MEMORY 1",
        "CONFIG_EK_ARENA_IN_PSRAM 1",
    ),
}
COMMON = ("CONFIG_FREERTOS_HZ 1000", "CONFIG_EK_LINK_STACK_BYTES 8192", "CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ 240")


@pytest.fixture(scope="module", params=OPTIONS)
def program(request, tmp_path_factory):
    """The project's C sources with the stand-ins, compiled for this computer."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler for this computer")
    folder = tmp_path_factory.mktemp(request.param)
    board = load_board("esp32")
    files = engine_files("aot", tiny_graph(), TINY_MODEL, board)
    project = assemble(board, tiny_graph(), TINY_MODEL, files, "aot")
    write_project(project, folder)
    lines = [f"#define {option}" for option in (*COMMON, *OPTIONS[request.param])]
    (folder / "sdkconfig.h").write_text("\n".join(lines) + "\n")
    includes = (STAND_IN / "include", folder, *(folder / name for name in project.recipe.include_folders))
    command = [
        *(compiler, "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", "-pedantic"),
        *(f"-I{path}" for path in includes),
        *(folder / source for source in project.recipe.sources),
        *(STAND_IN / "stand_in.c", "-o", folder / "program"),
    ]
    completed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert completed.returncode == 0, completed.stderr
    return folder / "program"


def test_the_firmware_serves_its_link(program):
    with Device(ProcessTransport([str(program)], "the stand-in")) as device:
        info = device.info()
        assert (info.board, info.engine, info.model_sha256) == ("esp32", "aot", "ab" * 32)
        assert info.clock_hz == 240_000_000
        (output,) = device.run([np.zeros((1, 4), np.int8)]).outputs
        # The input is zeros, so the output is bias / 8 - 3.
        assert output.ravel().tolist() == [7, -23, 27]


def test_the_counter_goes_on_through_wraps_and_without_pauses(program):
    completed = subprocess.run([program, "ticks"], capture_output=True, text=True, check=True, timeout=60)
    lines = completed.stdout.splitlines()
    shown = dict(line.split() for line in lines if not line.startswith("suspended"))
    assert {name: int(ticks) for name, ticks in shown.items()} == {
        "start": 0,
        "after_1_ms": 240_000,
        "after_100_s_more": 240_000 + 100 * 240_000_000,
        "rest": 240_000_000,  # A second of waiting; the tick of the pause is not counted.
        "rest_while_waiting": 240_000_000,
    }
    assert [line for line in lines if line.startswith("suspended")] == ["suspended 1 resumed 1"] * 2


# ---- the SDK itself ----


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_esp_idf_builds_the_project(tmp_path, case):
    installation = find_sdk("esp-idf")
    if installation is None:
        pytest.skip("ESP-IDF is not installed (no IDF_PATH, no idf.py on PATH)")
    board, engine = case
    model = build.convolution("CONV_2D", (1, 8, 8, 3), np.ones((8, 3, 3, 3), np.int8), strides=(2, 2))
    graph = read_tflite(model, "small")
    project = assemble(board, graph, model, engine_files(engine, graph, model, board), engine)
    write_project(project, tmp_path)
    result = compile_with_sdk(installation, project, tmp_path, board, engine)
    assert result.image.is_file()
    assert result.binary is not None
