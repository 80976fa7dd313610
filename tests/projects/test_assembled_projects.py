"""Assembled projects: complete, deterministic, and what their README and Makefile promise is so."""

import os
import posixpath
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from probe_firmware import (
    TINY_MODEL,
    TOOLCHAINS,
    require_program,
    require_toolchain,
    tiny_graph,
    tiny_project,
)

from edgekit.boards import board_names, load_board, read_board
from edgekit.errors import UsageError
from edgekit.projects import board_files
from edgekit.projects.documents import objcopy_command
from edgekit.projects.firmware_files import port_sources, with_headers
from edgekit.projects.project import write_project
from edgekit.resources import firmware_folder
from edgekit.toolchains.build import compile_project
from edgekit.toolchains.cores import CORES
from edgekit.toolchains.gcc import gcc_toolchain
from edgekit.toolchains.zig import find_zig

# Those with a Makefile; the projects of SDKs have tests of their own.
BOARDS = [
    name for name in board_names() if load_board(name).engines["aot"].framework in {"baremetal", "linux"}
]
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


@pytest.fixture(params=BOARDS)
def board(request):
    return load_board(request.param)


def text(project, name: str) -> str:
    return project.files[name].decode()


def test_same_arguments_give_the_same_project(board):
    assert tiny_project(board) == tiny_project(board)


def test_project_holds_what_it_compiles_and_includes(board):
    project = tiny_project(board)
    assert set(project.recipe.sources) <= project.files.keys()
    folders = ("", *(f"{folder}/" for folder in project.recipe.include_folders))
    for name, content in project.files.items():
        if name.endswith((".c", ".h")):
            beside = f"{Path(name).parent.as_posix()}/"
            for header in INCLUDE.findall(content.decode()):
                assert any(
                    posixpath.normpath(f"{folder}{header}") in project.files for folder in (beside, *folders)
                ), (
                    name,
                    header,
                )


def test_project_holds_nothing_that_is_not_needed(board):
    project = tiny_project(board)
    ports = {name.split("/")[1] for name in project.files if name.startswith("port/")}
    target = board.engines["aot"].target
    startup = CORES[board.mcu.core].startup
    assert ports == ({target} if startup is None else {target, startup, "freestanding"})
    kernels = {name for name in project.files if name.startswith("kernels/") and name.endswith(".c")}
    assert len(kernels) == 1, "one operator, one kernel, whichever suits the core"
    assert project.files["model/model.tflite"] == TINY_MODEL


def test_nothing_in_a_project_depends_on_this_machine_or_day(board):
    for name, content in tiny_project(board).files.items():
        for secret in (str(Path.home()), str(firmware_folder()), os.uname().nodename):
            assert not re.search(rb"\b" + re.escape(secret.encode()) + rb"\b", content), (name, secret)


def test_profile_in_the_project_is_the_board(tmp_path, board):
    write_project(tiny_project(board), tmp_path)
    assert read_board(tmp_path / "board" / f"{board.name}.toml") == board


def test_profile_survives_unusual_texts(tmp_path):
    odd = msgspec.structs.replace(load_board("host"), title='a "b" \\ ü\n€ [x]')
    path = tmp_path / "host.toml"
    path.write_bytes(board_files.board_toml(odd))
    assert read_board(path) == odd


def test_readme_tells_board_digest_and_shapes(board):
    readme = text(tiny_project(board), "README.md")
    for fact in (board.title, f"`{board.name}`", tiny_graph().sha256, "1×4 int8, scale 0.5", "zero point -3"):
        assert fact in readme


def test_readme_names_the_kernels_that_are_there(board):
    project = tiny_project(board)
    named = set(re.findall(r"kernels/[\w/]+\.[cS]", text(project, "README.md")))
    assert named == {name for name in project.recipe.sources if name.startswith("kernels/")}


def test_line_breaks_in_names_cannot_add_lines(tmp_path):
    board = msgspec.structs.replace(load_board("rpi4"), title="evil\n\tinjected")
    graph = replace(tiny_graph(), name="evil\nall:\n\tinjected")
    project = tiny_project(board, graph)
    for name in ("Makefile", "README.md", "edgekit-link.service", "deploy.sh"):
        assert not re.search(r"^\s*(injected|all:\s*$)", text(project, name), re.MULTILINE), name


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("board_name", ["virt-cortex-m4", "mps2-an386", "virt-rv32", "host"])
def test_makefile_makes_the_very_image_of_edgekit(tmp_path, board_name, toolchain):
    require_program("make")
    board = load_board(board_name)
    require_toolchain(toolchain, board)
    project = tiny_project(board)
    write_project(project, tmp_path / "edgekit")
    ours = compile_project(project, tmp_path / "edgekit", board, toolchain).image
    write_project(project, tmp_path / "hand")
    run_make(tmp_path / "hand", f"TOOLCHAIN={toolchain}", f"ZIG={find_zig()}")
    assert (tmp_path / "hand" / "build" / ours.name).read_bytes() == ours.read_bytes()
    if project.recipe.linker_script is not None and shutil.which(objcopy_command(board)):
        run_make(tmp_path / "hand", "build/firmware.bin", f"TOOLCHAIN={toolchain}", f"ZIG={find_zig()}")
        binary = (tmp_path / "hand" / "build" / "firmware.bin").read_bytes()
        assert binary == ours.with_suffix(".bin").read_bytes()
    assert "up to date" in run_make(tmp_path / "hand", f"build/{ours.name}", f"TOOLCHAIN={toolchain}")
    run_make(tmp_path / "hand", "clean")
    assert not (tmp_path / "hand" / "build").exists()


def test_linux_board_can_be_built_on_the_board_itself(tmp_path):
    """With the system's own compiler, here as there; here with the kernels for any core."""
    require_program("make")
    gcc_toolchain(CORES["native"])
    project = tiny_project(load_board("rpi4"), optimize="size")
    write_project(project, tmp_path)
    run_make(tmp_path, "TOOLCHAIN=gcc")
    assert (tmp_path / "build" / "firmware").is_file()


def test_makefile_refuses_an_unknown_toolchain(tmp_path):
    require_program("make")
    write_project(tiny_project(load_board("host")), tmp_path)
    completed = subprocess.run(
        ["make", "TOOLCHAIN=icc"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert completed.returncode != 0
    assert "must be zig or gcc" in completed.stderr


def run_make(folder: Path, *arguments: str) -> str:
    completed = subprocess.run(
        ["make", "-j2", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def test_program_of_the_readme_compiles_and_runs(tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler for this computer")
    project = tiny_project(load_board("host"))
    write_project(project, tmp_path)
    readme = text(project, "README.md")
    (program,) = re.findall(r"```c\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "own.c").write_text(program)
    (include_flags,) = re.findall(r"`(-Iinclude[^`]*)`", readme)
    sources = re.findall(r"`(model/\w+\.c)`", readme)
    kernels = sorted([*tmp_path.glob("kernels/*.c"), *tmp_path.glob("engine/aot/*.c")])
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", *include_flags.split()]
    subprocess.run(
        [compiler, *flags, "own.c", *sources, *kernels, "-o", tmp_path / "own"], cwd=tmp_path, check=True
    )
    # The input is zeros, so the output is bias / 8 - 3: 80 / 8 - 3 = 7.
    assert subprocess.run([tmp_path / "own"], check=False).returncode == 7


def test_deploy_script_is_valid_sh_and_refuses_nonsense(tmp_path):
    write_project(tiny_project(load_board("rpi4")), tmp_path)
    script = tmp_path / "deploy.sh"
    subprocess.run(["sh", "-n", script], check=True)
    assert os.access(script, os.X_OK)
    for arguments, said in (
        ([], "usage"),
        (["-oProxyCommand=x"], "not USER@HOST"),
        (["me@there"], "run make"),
    ):
        completed = subprocess.run([script, *arguments], capture_output=True, text=True, check=False)
        assert completed.returncode in {1, 2}
        assert said in completed.stderr
    if shutil.which("shellcheck") is not None:
        subprocess.run(["shellcheck", script], check=True)


def test_deploy_script_installs_through_ssh(tmp_path, monkeypatch):
    write_project(tiny_project(load_board("rpi4")), tmp_path / "p")
    (tmp_path / "p" / "build").mkdir()
    (tmp_path / "p" / "build" / "firmware").write_bytes(b"image")
    log = tmp_path / "log"
    for name in ("ssh", "scp"):
        fake = tmp_path / name
        fake.write_text(
            f'#!/bin/sh\necho "{name} $*" >> "{log}"\n[ {name} = ssh ] && echo /tmp/tmp.X\nexit 0\n'
        )
        fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    subprocess.run([tmp_path / "p" / "deploy.sh", "pi@board", "2222"], check=True, capture_output=True)
    calls = log.read_text()
    assert "ssh -p 2222 pi@board mktemp -d" in calls
    assert "scp -P 2222 build/firmware edgekit-link.service pi@board:/tmp/tmp.X/" in calls
    assert "sudo install -m 755 '/tmp/tmp.X/firmware' /usr/local/bin/edgekit-firmware" in calls
    assert "systemctl restart edgekit-link" in calls


def test_service_is_a_valid_unit(tmp_path):
    require_program("systemd-analyze")
    unit = text(tiny_project(load_board("rpi4")), "edgekit-link.service")
    path = tmp_path / "edgekit-link.service"
    # The program is installed on the board, not here.
    path.write_text(unit.replace("/usr/local/bin/edgekit-firmware", "/bin/true"))
    completed = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.stderr == ""
    assert completed.returncode == 0


def test_only_boards_behind_ssh_get_a_deploy_script(board):
    assert ("deploy.sh" in tiny_project(board).files) == (board.flash.tool == "ssh")


def test_unknown_port_names_the_known_ones():
    with pytest.raises(UsageError, match=r"no port 'z80'.*cortex_m.*freestanding.*mps2.*posix.*virt"):
        port_sources("z80")


def test_headers_are_found_through_other_headers():
    files = with_headers(["link/ek_link.c"], ["include"], {})
    assert {"include/edgekit/ek_link.h", "include/edgekit/ek_frame.h", "include/edgekit/ek_model.h"} <= set(
        files
    )


def test_missing_firmware_source_is_named():
    with pytest.raises(UsageError, match=r"link/gone\.c is missing"):
        with_headers(["link/gone.c"], [], {})
