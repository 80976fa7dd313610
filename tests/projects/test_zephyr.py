"""Zephyr applications: what west, kconfiglib and CMake say of them, and the port on stand-ins."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from sdk_projects import TINY_OUTPUT, cases, compile_commands, make, require_arm_compiler, run, text

from edgekit.boards import load_board
from edgekit.costs.fit import HARNESS_RAM_BYTES
from edgekit.device.device import Device
from edgekit.device.emulators.process import ProcessTransport
from edgekit.errors import DoesNotFitError
from edgekit.projects.project import write_project
from edgekit.toolchains.sdk import find_sdk

STAND_IN = Path(__file__).with_name("zephyr_stand_in")
CASES = cases("zephyr")
# Of Zephyr 4.2: modules of its west.yml, and those of submanifests/optional.yaml, which are in the group
# "optional" that west.yml filters out.
ZEPHYR_MANIFEST = """
manifest:
  group-filter: [-babblesim, -optional]
  remotes: [{name: upstream, url-base: https://github.com/zephyrproject-rtos}]
  defaults: {remote: upstream}
  projects:
    - {name: cmsis, revision: main}
    - {name: cmsis-nn, revision: main}
    - {name: cmsis_6, revision: main}
    - {name: hal_espressif, revision: main}
    - {name: hal_nordic, revision: main}
    - {name: hal_stm32, revision: main}
    - {name: chre, revision: main, groups: [optional]}
    - {name: tflite-micro, revision: 8d404de73acf7687831e16d88e86e4f73cfddf8e, groups: [optional]}
"""


@pytest.fixture(params=CASES, ids="-".join)
def case(request):
    name, engine = request.param
    return load_board(name), engine


def test_both_boards_have_such_projects():
    assert set(CASES) == {("nrf52840dk", "aot"), ("nrf52840dk", "tflm"), ("nucleo_l4r5zi", "tflm")}


def test_same_arguments_give_the_same_project(case):
    assert make(*case) == make(*case)


def test_a_model_that_leaves_no_room_for_the_sdk_is_refused():
    board = load_board("nrf52840dk")
    room_bytes = board.mcu.ram_bytes - 8_512 - HARNESS_RAM_BYTES
    make(board, "aot", room_bytes)
    with pytest.raises(DoesNotFitError) as caught:
        make(board, "aot", room_bytes + 1)
    assert caught.value.missing_bytes == 1


# ---- west manifest ----


def active_projects(manifest: str) -> dict[str, str]:
    """Name and revision of what `west update` would fetch, Zephyr's own manifest being the one above."""
    west = pytest.importorskip("west.manifest", reason="west is not installed")
    asked = []

    def zephyr_manifest(project, path):
        asked.append((project.name, project.revision, path))
        return ZEPHYR_MANIFEST

    loaded = west.Manifest.from_data(manifest, importer=zephyr_manifest)
    assert asked == [("zephyr", "v4.2.0", "west.yml")]
    return {
        project.name: project.revision
        for project in loaded.projects
        if project.name != "manifest" and loaded.is_active(project)
    }


def test_west_fetches_zephyr_and_the_modules_that_are_needed(case):
    projects = active_projects(text(make(*case), "west.yml"))
    assert projects.pop("zephyr") == "v4.2.0"
    tflm = {"cmsis-nn", "tflite-micro"} if case[1] == "tflm" else set()
    assert projects.keys() == {"cmsis_6", "hal_nordic", "hal_stm32"} | tflm


def test_west_would_notice_a_broken_manifest(case):
    west = pytest.importorskip("west.manifest", reason="west is not installed")
    broken = text(make(*case), "west.yml").replace("remote: zephyr", "remote: zehpyr")
    with pytest.raises(west.MalformedManifest):
        active_projects(broken)


def test_the_library_is_in_a_group_that_must_be_asked_for():
    manifest = text(make(load_board("nrf52840dk"), "tflm"), "west.yml")
    assert "tflite-micro" not in active_projects(manifest.replace("group-filter: [+optional]", ""))


# ---- settings ----


def settings_of(folder: Path, prj_conf: str) -> tuple[dict[str, str], dict[str, str | None]]:
    """What prj.conf asks for, and what Kconfig makes of it: None for a setting that does not exist."""
    kconfiglib = pytest.importorskip("kconfiglib", reason="kconfiglib is not installed")
    (folder / "prj.conf").write_text(prj_conf)
    kconfig = kconfiglib.Kconfig(str(STAND_IN / "Kconfig"))
    kconfig.load_config(str(folder / "prj.conf"))
    lines = [line for line in prj_conf.splitlines() if line and not line.startswith("#")]
    wanted = dict(line.removeprefix("CONFIG_").split("=", 1) for line in lines)
    assert len(wanted) == len(lines), "something is set twice"
    made = {
        name: kconfig.syms[name].str_value if name in kconfig.syms and kconfig.syms[name].nodes else None
        for name in wanted
    }
    return wanted, made


def test_every_setting_exists_and_takes_its_value(tmp_path, case):
    wanted, made = settings_of(tmp_path, text(make(*case), "prj.conf"))
    assert made == wanted
    assert made["UART_INTERRUPT_DRIVEN"] == "y"
    assert made["CONSOLE"] == made["LOG"] == made["PRINTK"] == "n"
    assert ("TENSORFLOW_LITE_MICRO" in made) == (case[1] == "tflm")


@pytest.mark.parametrize(
    ("old", "new", "name", "value"),
    [
        ("CONFIG_RING_BUFFER=y", "CONFIG_RINGBUFFER=y", "RINGBUFFER", None),
        ("CONFIG_SERIAL=y", "CONFIG_SERIAL=n", "UART_INTERRUPT_DRIVEN", "n"),
        ("CONFIG_MAIN_STACK_SIZE=4096", "CONFIG_MAIN_STACK_SIZE=big", "MAIN_STACK_SIZE", "1024"),
    ],
)
def test_a_wrong_setting_would_be_noticed(tmp_path, old, new, name, value):
    prj_conf = text(make(load_board("nrf52840dk"), "tflm"), "prj.conf")
    assert old in prj_conf
    wanted, made = settings_of(tmp_path, prj_conf.replace(old, new))
    assert made[name] == value != wanted[name]


# ---- CMake and compilers ----


def configure(folder: Path) -> Path:
    for program in ("cmake", "ninja"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    require_arm_compiler()
    command = ["cmake", "-S", ".", "-B", "build", "-G", "Ninja"]
    run(command, folder, ZEPHYR_BASE=str(STAND_IN), Zephyr_DIR=str(STAND_IN))
    return folder / "build"


def c_sources(project):
    """What the stand-in of Zephyr, which knows no assembly, compiles."""
    return {source for source in project.recipe.sources if not source.endswith(".S")}


def test_a_project_without_a_library_compiles(tmp_path):
    """Every source, with all warnings as errors, with nothing but CMake's include folders."""
    project = make(load_board("nrf52840dk"), "aot")
    write_project(project, tmp_path)
    build = configure(tmp_path)
    assert set(compile_commands(build, tmp_path)) == c_sources(project)
    run(["cmake", "--build", "build"], tmp_path)


def test_a_project_with_tflm_names_its_sources(tmp_path, case):
    project = make(*case)
    write_project(project, tmp_path)
    assert set(compile_commands(configure(tmp_path), tmp_path)) == c_sources(project)


def test_sample_file_names_the_board(case):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    sample = yaml.safe_load(text(make(*case), "sample.yaml"))
    (test,) = sample["tests"].values()
    assert test["platform_allow"] == [case[0].engines[case[1]].target]
    assert test.get("modules", []) == (["tflite-micro"] if case[1] == "tflm" else [])


# ---- the port ----


@pytest.fixture(scope="module", params=[True, False], ids=["SysTick", "another timer"])
def program(request, tmp_path_factory):
    """The project with the stand-ins instead of Zephyr and the cycle counter, for this computer."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler for this computer")
    folder = tmp_path_factory.mktemp("zephyr")
    project = make(load_board("nrf52840dk"), "aot", kernels_for="host")
    write_project(project, folder)
    sources = [source for source in project.recipe.sources if source != "port/dwt/dwt.c"]
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-DCONFIG_MAIN_STACK_SIZE=4096"]
    if request.param:
        flags.append("-DCONFIG_CORTEX_M_SYSTICK=1")
    includes = [f"-I{name}" for name in project.recipe.include_folders]
    run(
        [compiler, *flags, *includes, f"-I{STAND_IN}/include", *sources, STAND_IN / "stand_in.c", "-o", "it"],
        folder,
    )
    return folder / "it", 80_000_000 if request.param else 64_000_000


def test_the_port_serves_the_link(program):
    path, clock_hz = program
    with Device(ProcessTransport([str(path)], "the stand-in")) as device:
        info = device.info()
        assert (info.board, info.engine, info.clock_hz) == ("nrf52840dk", "aot", clock_hz)
        result = device.run([np.zeros((1, 4), np.int8)])
        assert result.outputs[0].ravel().tolist() == TINY_OUTPUT
        assert device.status().stack_used_bytes == 4096 - 3000


# ---- the SDK itself ----


@pytest.mark.slow
def test_zephyr_itself_builds_it(tmp_path):
    west = find_sdk("west")
    if west is None:
        pytest.skip("there is no Zephyr: install west and set ZEPHYR_BASE")
    write_project(make(load_board("nrf52840dk"), "aot"), tmp_path)
    run([*west.command, "build", "-b", "nrf52840dk/nrf52840", "."], tmp_path)
    assert (tmp_path / "build" / "zephyr" / "zephyr.elf").is_file()
