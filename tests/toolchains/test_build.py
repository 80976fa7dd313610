"""Builds: the same bytes everywhere, honest errors, sizes that agree with the toolchain's own tools."""

import contextlib
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from probe_firmware import (
    TOOLCHAINS,
    board_with,
    probe_project,
    require_program,
    require_toolchain,
    tiny_project,
)

from edgekit.boards import load_board
from edgekit.errors import DoesNotFitError, ToolchainError, UsageError
from edgekit.projects.project import write_project
from edgekit.toolchains import elf
from edgekit.toolchains.build import compile_project, find_toolchain
from edgekit.toolchains.zig import ZIG_PACKAGE

BOARD = load_board("virt-cortex-m4")
HOST = load_board("host")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=TOOLCHAINS)
def toolchain(request):
    require_toolchain(request.param, BOARD)
    return request.param


@pytest.fixture(params=TOOLCHAINS)
def host_toolchain(request):
    require_toolchain(request.param, HOST)
    return request.param


def build(project, folder, board, toolchain, **options):
    write_project(project, folder)
    return compile_project(project, folder, board, toolchain, **options)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The probe program, built by gcc."""
    require_toolchain("gcc", BOARD)
    return build(probe_project(BOARD), tmp_path_factory.mktemp("built"), BOARD, "gcc")


def assert_reproducible(project, board, toolchain, tmp_path):
    first = build(project, tmp_path / "first", board, toolchain)
    second = build(project, tmp_path / "elsewhere" / "a folder with spaces", board, toolchain)
    assert first.image.read_bytes() == second.image.read_bytes()
    assert str(tmp_path).encode() not in first.image.read_bytes()
    if first.binary is not None:
        assert first.binary.read_bytes() == second.binary.read_bytes()


def test_bare_metal_image_is_the_same_in_any_folder(tmp_path, toolchain):
    assert_reproducible(tiny_project(BOARD), BOARD, toolchain, tmp_path)


def test_program_is_the_same_in_any_folder(tmp_path, host_toolchain):
    assert_reproducible(tiny_project(HOST), HOST, host_toolchain, tmp_path)


@pytest.mark.slow
def test_static_program_is_the_same_in_any_folder(tmp_path):
    board = load_board("rpi4")
    require_toolchain("zig", board)
    assert_reproducible(tiny_project(board), board, "zig", tmp_path)
    image = build(tiny_project(board), tmp_path / "first", board, "zig").image
    assert b"/zig" not in image.read_bytes()


def test_our_sources_compile_without_warnings(tmp_path, toolchain):
    result = build(tiny_project(BOARD), tmp_path, BOARD, toolchain)
    assert result.warnings == ""
    assert result.toolchain == toolchain
    assert result.toolchain_version


def test_warnings_are_kept(tmp_path, toolchain):
    project = probe_project(BOARD)
    noisy = project.files["probe.c"] + b"\nstatic int never_called(void) { return 1; }\n"
    result = build(replace(project, files={**project.files, "probe.c": noisy}), tmp_path, BOARD, toolchain)
    assert "never_called" in result.warnings
    assert "never_called" in result.log.read_text()


def test_failed_source_is_quoted_and_the_earlier_image_stays(tmp_path, toolchain):
    project = probe_project(BOARD)
    image = build(project, tmp_path, BOARD, toolchain).image
    before = image.read_bytes()
    broken = replace(project, files={**project.files, "probe.c": b"int main(void) { return nothing; }\n"})
    write_project(broken, tmp_path)
    with pytest.raises(ToolchainError, match=r"1 of \d sources(.|\n)*probe\.c:1:(.|\n)*nothing"):
        compile_project(broken, tmp_path, BOARD, toolchain)
    assert image.read_bytes() == before
    assert "nothing" in (tmp_path / "build" / "build.log").read_text()


def test_long_compiler_output_is_shortened(tmp_path, toolchain):
    project = probe_project(BOARD)
    lines = b"".join(b"int f%d(void) { return missing_%d; }\n" % (i, i) for i in range(200))
    many = replace(project, files={**project.files, "probe.c": lines})
    write_project(many, tmp_path)
    with pytest.raises(ToolchainError, match="more lines") as caught:
        compile_project(many, tmp_path, BOARD, toolchain)
    assert len(str(caught.value).splitlines()) < 40


def test_unresolved_symbol_is_a_link_error(tmp_path, toolchain):
    project = probe_project(BOARD)
    orphan = b"int nobody(void);\nint main(void) { return nobody(); }\n"
    with pytest.raises(ToolchainError, match=r"could not link(.|\n)*nobody"):
        build(replace(project, files={**project.files, "probe.c": orphan}), tmp_path, BOARD, toolchain)


@pytest.mark.parametrize(
    ("sizes", "memory"), [({"flash_bytes": 1024}, "flash"), ({"ram_bytes": 4352}, "RAM")], ids=str
)
def test_image_that_is_too_large_for_the_board_says_by_how_much(tmp_path, toolchain, sizes, memory):
    small = board_with(BOARD.name, **sizes)
    whole = build(probe_project(BOARD), tmp_path / "whole", BOARD, toolchain)
    with pytest.raises(DoesNotFitError) as caught:
        build(probe_project(small), tmp_path / "small", small, toolchain)
    needed = whole.flash_bytes if memory == "flash" else whole.ram_bytes
    assert caught.value.memory == memory
    assert caught.value.available_bytes == next(iter(sizes.values()))
    # Alignment between sections may be counted or not.
    assert abs(caught.value.needed_bytes - needed) <= 32


@pytest.mark.parametrize(
    "name",
    ["build.log", "sizes.txt", "firmware.elf", "firmware.bin", "firmware.elf.unfinished", "obj/probe.c.o"],
)
def test_links_in_the_build_folder_are_replaced_not_followed(tmp_path, toolchain, name):
    victim, link = tmp_path / "victim", tmp_path / "project" / "build" / name
    victim.write_bytes(b"keep")
    link.parent.mkdir(parents=True)
    link.symlink_to(victim)
    build(probe_project(BOARD), tmp_path / "project", BOARD, toolchain)
    assert victim.read_bytes() == b"keep"


@pytest.mark.parametrize("name", ["build", "build/obj"])
def test_nothing_is_built_into_a_linked_folder(tmp_path, toolchain, name):
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "project" / name
    elsewhere.mkdir()
    (elsewhere / "keep").touch()
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    expected = pytest.raises(UsageError, match="is a link") if name == "build" else contextlib.nullcontext()
    with expected:
        build(probe_project(BOARD), tmp_path / "project", BOARD, toolchain)
    assert [path.name for path in elsewhere.iterdir()] == ["keep"]


def test_build_folder_that_is_a_file_is_an_error(tmp_path, toolchain):
    (tmp_path / "build").touch()
    with pytest.raises(UsageError, match="cannot write to"):
        build(probe_project(BOARD), tmp_path, BOARD, toolchain)


def test_toolchains_know_nothing_of_how_projects_are_made():
    for path in (ROOT / "edgekit" / "toolchains").glob("*.py"):
        assert "edgekit.projects" not in path.read_text(), path


def test_size_and_speed_are_different_builds(tmp_path, toolchain):
    project = tiny_project(BOARD)
    small = build(project, tmp_path / "size", BOARD, toolchain, optimize="size")
    fast = build(project, tmp_path / "speed", BOARD, toolchain, optimize="speed")
    assert small.code_bytes < fast.code_bytes


def test_raw_image_is_what_objcopy_makes(tmp_path, built):
    require_program("arm-none-eabi-objcopy")
    ours = built.binary.read_bytes()
    theirs = tmp_path / "objcopy.bin"
    command = ["arm-none-eabi-objcopy", "--output-target=binary", built.image, theirs]
    subprocess.run(command, check=True)
    assert ours == theirs.read_bytes()
    assert len(ours) == built.flash_bytes


def test_sizes_are_what_the_size_tool_says(built):
    require_program("arm-none-eabi-size")
    table = subprocess.run(
        ["arm-none-eabi-size", "-A", built.image], check=True, capture_output=True, text=True
    ).stdout
    rows = [line.split() for line in table.splitlines() if line.startswith(".")]
    sections = {name: int(size) for name, size, _ in rows}
    assert built.code_bytes == sections[".text"]
    assert built.constant_bytes == sections[".vectors"] + sections[".rodata"]
    assert built.data_bytes == sections[".data"] > 0
    assert built.bss_bytes == sections[".bss"] > 0
    assert built.stack_bytes == sections[".stack"] == BOARD.memory.stack_bytes
    assert built.ram_bytes == built.data_bytes + built.bss_bytes + built.stack_bytes


def test_listing_names_the_largest_symbols_first(built):
    lines = built.sizes.read_text().splitlines()
    assert any(line.split() == ["stack", "4,096"] for line in lines)
    sizes = [int(line.split()[0].replace(",", "")) for line in lines[9:]]
    assert sizes == sorted(sizes, reverse=True)
    assert any(line.endswith("  Reset_Handler") for line in lines)


def test_symbols_know_their_functions(built):
    main = next(symbol for symbol in elf.read_symbols(built.image) if symbol.name == "main")
    assert main.is_function
    assert elf.symbol_at(built.image, main.address + main.size_bytes - 1) == main
    assert elf.symbol_at(built.image, 0x7000_0000) is None


@pytest.mark.parametrize("cut", [4, 20, 60, 200, 2000])
def test_damaged_image_is_an_error(tmp_path, built, cut):
    damaged = tmp_path / "damaged.elf"
    damaged.write_bytes(built.image.read_bytes()[:cut])
    with pytest.raises(ToolchainError, match=r"not a valid ELF|nothing to load"):
        elf.read_symbols(damaged) or elf.flash_image(damaged)


def hide_zig(monkeypatch):
    monkeypatch.setitem(sys.modules, "ziglang", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "/nonexistent")


def test_missing_toolchains_are_all_named_with_the_way_to_get_them(monkeypatch):
    hide_zig(monkeypatch)
    with pytest.raises(ToolchainError) as caught:
        find_toolchain(BOARD)
    assert "pip install 'edgekit[zig]'" in str(caught.value)
    assert "apt install gcc-arm-none-eabi" in str(caught.value)
    with pytest.raises(ToolchainError, match=r"cc, which .*apt install gcc"):
        find_toolchain(HOST, "gcc")


def test_next_toolchain_is_taken_where_the_first_is_missing(monkeypatch):
    require_toolchain("gcc", BOARD)
    path = shutil.which("arm-none-eabi-gcc")
    hide_zig(monkeypatch)
    monkeypatch.setenv("PATH", str(Path(path).parent))
    if shutil.which("zig") is not None:
        pytest.skip("zig lies beside arm-none-eabi-gcc")
    assert find_toolchain(BOARD).name == "gcc"
    with pytest.raises(ToolchainError, match="zig"):
        find_toolchain(BOARD, "zig")


def test_zig_on_path_is_found_and_a_broken_one_is_named(tmp_path, monkeypatch):
    hide_zig(monkeypatch)
    zig = tmp_path / "zig"
    zig.write_text("#!/bin/sh\necho 9.9.9\n")
    zig.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert find_toolchain(BOARD, "zig").version == "9.9.9"
    zig.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(ToolchainError, match="cannot be run"):
        find_toolchain(BOARD, "zig")


def test_core_without_gcc_says_so():
    with pytest.raises(ToolchainError, match=r"no gcc is set up here for cortex-a72"):
        find_toolchain(load_board("rpi4"), "gcc")


def test_board_without_toolchains_says_so():
    engine = msgspec.structs.replace(BOARD.engines["aot"], toolchains=())
    with pytest.raises(ToolchainError, match="lists no toolchain"):
        find_toolchain(msgspec.structs.replace(BOARD, engines={"aot": engine}))


def test_zig_version_in_messages_is_the_one_that_is_installed():
    assert f'zig = ["{ZIG_PACKAGE}"]' in (ROOT / "pyproject.toml").read_text()
