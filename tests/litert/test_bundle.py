"""Bundles as files: complete, deterministic, checked when they are opened; and what the interpreter shows."""

import io
import json
import re
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from litert.models import bundle_project, rounding_model

from edgekit.boards import board_names, load_board
from edgekit.engines import engine_files
from edgekit.errors import UsageError
from edgekit.graph.tflite import read_tflite
from edgekit.projects.project import write_project
from edgekit.runner.bundle import BundleError, read_bundle
from edgekit.runner.interpreter import LiteRtModel
from edgekit.runner.link import EngineError
from edgekit.toolchains.build import find_toolchain
from edgekit.toolchains.python_archive import pack

LITERT_BOARDS = [name for name in board_names() if "litert" in load_board(name).engines]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_project(bundle_project(rounding_model()), tmp_path / "bundle")
    return tmp_path / "bundle"


def test_some_boards_have_the_engine():
    assert {"host", "rpi4"} <= set(LITERT_BOARDS)


@pytest.mark.parametrize("board", LITERT_BOARDS)
def test_a_bundle_is_complete_and_depends_on_nothing_here(board, tmp_path):
    project = bundle_project(rounding_model(), board)
    assert project == bundle_project(rounding_model(), board)
    for name, content in project.files.items():
        if name != "model/model.tflite":
            assert str(Path.home()) not in content.decode()
            assert "import edgekit\n" not in content.decode()
    assert project.files["model/labels.txt"] == b"cat\ndog\n"
    assert not [name for name in project.files if name.endswith((".h", ".c"))]
    pack(project, tmp_path / "one.pyz")
    pack(project, tmp_path / "two.pyz")
    assert (tmp_path / "one.pyz").read_bytes() == (tmp_path / "two.pyz").read_bytes()
    assert (tmp_path / "one.pyz").stat().st_mode & 0o111


def test_folder_and_archive_hold_the_same(folder, archive):
    assert read_bundle(folder) == read_bundle(archive)
    bundle = read_bundle(archive)
    assert (bundle.board, bundle.model_name, bundle.kernels) == ("rpi4", "net", "reference")
    assert bundle.model == rounding_model()
    with zipfile.ZipFile(archive) as packed:
        assert packed.testzip() is None
        assert not [name for name in packed.namelist() if name.endswith((".md", ".sh", ".txt.j2"))]


def test_a_changed_model_is_refused(folder):
    model = folder / "model" / "model.tflite"
    model.write_bytes(model.read_bytes()[:-1] + b"\x01")
    with pytest.raises(BundleError, match=r"model\.tflite was changed since"):
        read_bundle(folder)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"op_outputs": ["x"]}'])
def test_damaged_settings_are_refused(folder, text):
    (folder / "model" / "bundle.json").write_text(text)
    with pytest.raises(BundleError, match="no complete bundle"):
        read_bundle(folder)


def test_unknown_kernels_are_refused(folder):
    path = folder / "model" / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "kernels": "magic"}))
    with pytest.raises(BundleError, match="'magic' kernels"):
        read_bundle(folder)


def test_a_damaged_archive_is_refused(archive, tmp_path):
    (tmp_path / "half.pyz").write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(BundleError, match="no complete bundle"):
        read_bundle(tmp_path / "half.pyz")


def test_kernels_and_toolchains_are_refused_where_there_is_no_choice():
    graph = read_tflite(rounding_model(), "net")
    with pytest.raises(UsageError, match="leave --kernels out"):
        engine_files("aot", graph, rounding_model(), load_board("rpi4"), kernels="fast")
    with pytest.raises(UsageError, match="leave --toolchain out"):
        find_toolchain(load_board("rpi4"), "zig", "litert")


def test_deploy_script_is_valid_sh_and_refuses_nonsense(folder):
    script = folder / "deploy.sh"
    subprocess.run(["sh", "-n", script], check=True)
    for arguments in ((), ("-oProxyCommand=x",), ("a", "b", "c")):
        assert subprocess.run([script, *arguments], capture_output=True, check=False).returncode == 2


def test_the_program_of_the_readme_runs(folder, litert_python):
    program = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)[1]
    program = program.replace("PATH/TO/THIS/FOLDER", str(folder)) + "\nprint(scores.size)\n"
    done = subprocess.run(
        [litert_python, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "600\n"), done.stderr


# ---- what the interpreter shows of its operators ----


class FakeInterpreter:
    """Two operators, 3 → 4 → 5; ``quirks`` say what it does wrong when it keeps all tensors."""

    def __init__(self, quirks: set[str], keep_all: bool) -> None:
        self.memory = np.zeros(4, np.int8)
        self.quirks = quirks if keep_all else quirks & {"invoke fails", "refuses"}
        if "refuses" in quirks:
            raise ValueError("this model is none")

    def allocate_tensors(self):
        pass

    def get_input_details(self):
        dtype = np.float32 if "float" in self.quirks else np.int8
        return [
            {"name": "in", "index": 3, "shape": np.array([1, 2]), "dtype": dtype, "quantization": (0.5, 1)}
        ]

    def get_output_details(self):
        return [
            {"name": "out", "index": 5, "shape": np.array([1, 2]), "dtype": np.int8, "quantization": (0.5, 1)}
        ]

    def set_tensor(self, index, array):
        assert (index, array.dtype, array.shape) == (3, np.int8, (1, 2))
        self.input = array

    def invoke(self):
        if "invoke fails" in self.quirks:
            raise RuntimeError("no")

    def get_tensor(self, index):
        if index == 4 and "null" in self.quirks:
            raise ValueError("Tensor data is null. Run allocate_tensors() first")
        return self.input + np.int8(index + ("other outputs" in self.quirks))

    def tensor(self, index):
        """Its memory: the operators' outputs lie in one array, apart unless the second is in place."""
        memory = self.memory[0:2] if "in place" in self.quirks else self.memory[2 * (index - 4) :][:2]
        return lambda: memory

    def _get_ops_details(self):
        second = "RESHAPE" if "reshape" in self.quirks else "ADD"
        ops = [{"op_name": "CONV_2D", "outputs": [4]}, {"op_name": second, "outputs": [5]}]
        return [*ops, {"op_name": "DELEGATE", "outputs": [5]}] if "delegated" in self.quirks else ops


class FakePackage:
    name, version = "fake-runtime", "1.0"

    def __init__(self, *quirks: str) -> None:
        self.module = self
        self.quirks = set(quirks)

    OpResolverType = {"BUILTIN_REF": 0, "AUTO": 1}  # noqa: RUF012

    def Interpreter(self, experimental_preserve_all_tensors, **_):  # noqa: N802
        return FakeInterpreter(self.quirks, experimental_preserve_all_tensors)


@pytest.mark.parametrize(
    ("quirks", "tensors"),
    [
        ((), (b"\x05\x06", b"\x06\x07")),
        (("null",), (b"", b"\x06\x07")),
        (("delegated",), (b"", b"\x06\x07")),
        (("in place",), (b"", b"\x06\x07")),
        (("in place", "reshape"), (b"\x05\x06", b"\x06\x07")),
        (("other outputs",), (b"", b"")),
    ],
)
def test_only_what_is_known_to_be_written_is_shown(quirks, tensors):
    """Outputs never come from the interpreter that keeps all tensors."""
    log: list[str] = []
    model = LiteRtModel(FakePackage(*quirks), b"", "fast", (4, 5), log=log.append)
    shown = model.run_operators([b"\x01\x02"])
    assert shown.run.outputs == (b"\x06\x07",)
    assert shown.tensors == tensors
    assert bool(log) == (quirks == ("other outputs",))


def test_failures_of_the_interpreter_are_told():
    with pytest.raises(EngineError):
        LiteRtModel(FakePackage("invoke fails"), b"", "fast", (4, 5)).run([b"\x01\x02"])
    with pytest.raises(BundleError, match=r"fake-runtime 1\.0 refuses the model: this model is none"):
        LiteRtModel(FakePackage("refuses"), b"", "fast", (4, 5))


def test_a_prefix_does_not_hide_the_archive(archive):
    data = archive.read_bytes()
    assert data.startswith(b"#!/bin/sh\n")
    assert zipfile.is_zipfile(io.BytesIO(data))
