"""The main job on emulated boards, run by the commands that a user types."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from graph import tflite_builder as build

from edgekit.resources import firmware_folder

EMULATED = [
    pytest.param("virt-cortex-m4", id="virt-cortex-m4"),
    pytest.param(
        "mps2-an386",
        id="mps2-an386",
        marks=pytest.mark.skipif(
            shutil.which("qemu-system-arm") is None, reason="qemu-system-arm is not installed"
        ),
    ),
]


@pytest.fixture
def verify(edgekit, tmp_path):
    """Builds a model for a board, verifies it, and returns exit code and verdict."""

    def run(model: Path, board: str, *options: object):
        outcome = edgekit("verify", "-w", tmp_path, "-m", model, "-b", board, "--json", *options)
        assert outcome.out, outcome.err
        return outcome.exit_code, json.loads(outcome.out)

    return run


@pytest.fixture
def small_model(tmp_path):
    generator = np.random.default_rng(0)
    filters = generator.integers(-127, 128, (8, 3, 3, 3), dtype=np.int8)
    path = tmp_path / "small.tflite"
    path.write_bytes(build.convolution("CONV_2D", (1, 8, 8, 3), filters, strides=(2, 2)))
    return path


@pytest.mark.proves("emulator")
@pytest.mark.parametrize("board", EMULATED)
def test_real_networks_are_bit_exact(verify, mlperf_tiny_model, board):
    exit_code, verdict = verify(mlperf_tiny_model, board)
    assert exit_code == 0
    assert verdict["exact"]
    assert verdict["golden"]["name"] == "TFLM"
    assert verdict["inputs"] >= 64
    assert verdict["distinct_outputs"] > 8
    assert verdict["layer_check"]["operators"] >= 10
    assert verdict["latency"]["unit"] == "instructions"


def test_accuracy_on_the_device_equals_the_host(verify, shared_folder):
    model = shared_folder / "models" / "mlperf_tiny" / "pretrainedResnet_quant.tflite"
    pictures = shared_folder / "data" / "cifar10"
    _, verdict = verify(model, "virt-cortex-m4", "-d", pictures, "--pictures", 40, "--noise", 0)
    assert verdict["exact"]
    accuracy = verdict["accuracy"]
    assert accuracy["pictures"] == 40
    assert accuracy["device_correct"] == accuracy["golden_correct"] > 20


# Where a model clamps all negative values, ties of negative ones cannot be seen: each fault has a model that
# shows it. The operator is the first that it reaches.
@pytest.mark.parametrize(
    ("model", "original", "changed", "op_index", "opcode"),
    [
        ("kws_ref_model", "+ (INT64_C(1) << 30)", "+ (INT64_C(1) << 29)", 1, "DEPTHWISE_CONV_2D"),
        ("ad01_int8", "(x + (x >> 31)) >> (exponent - 1)", "x >> (exponent - 1)", 9, "FULLY_CONNECTED"),
    ],
    ids=["rounding of the multiplication", "ties of the shift"],
)
def test_one_changed_rounding_is_caught_and_located(
    verify, shared_folder, tmp_path, monkeypatch, model, original, changed, op_index, opcode
):
    broken = tmp_path / "firmware"
    shutil.copytree(firmware_folder(), broken)
    source = broken / "kernels" / "requantize.h"
    text = source.read_text()
    assert original in text
    source.write_text(text.replace(original, changed))
    for user in ("edgekit.projects.firmware_files", "edgekit.stages.build"):
        monkeypatch.setattr(f"{user}.firmware_folder", lambda: broken)
    # A board whose core has the portable kernels only.
    exit_code, verdict = verify(shared_folder / "models" / "mlperf_tiny" / f"{model}.tflite", "host")
    assert exit_code == 1
    assert not verdict["exact"]
    assert verdict["differing_inputs"] > 0
    located = verdict["first_difference"]["layer"]
    assert (located["op_index"], located["opcode"]) == (op_index, opcode)
    assert abs(located["difference"]["expected"] - located["difference"]["actual"]) == 1


@pytest.mark.parametrize("board", ["virt-cortex-m4", "mps2-an386", "host"])
def test_two_builds_in_two_folders_are_identical(edgekit, tmp_path, small_model, board):
    folders = []
    for name in ("first", "second/elsewhere"):
        workspace = tmp_path / name
        workspace.mkdir(parents=True)
        assert edgekit("build", "-w", workspace, "-m", small_model, "-b", board).exit_code == 0
        folders.append(workspace / "out" / board)
    assert _contents(folders[0]) == _contents(folders[1])
    assert any(name.startswith("firmware") for name in _contents(folders[0]))


def _contents(folder: Path) -> dict[str, bytes]:
    """Every file but the compiler's log and objects."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "obj" not in path.parts and path.name != "build.log"
    }


def test_nothing_is_built_twice(edgekit, tmp_path, small_model):
    first = edgekit("build", "-w", tmp_path, "-m", small_model)
    assert "build: up to date" not in first.out
    assert "build: up to date" in edgekit("build", "-w", tmp_path, "-m", small_model).out
    assert "build: up to date" not in edgekit("build", "-w", tmp_path, "-m", small_model, "--force").out
    assert (
        "build: up to date"
        not in edgekit("build", "-w", tmp_path, "-m", small_model, "--optimize", "speed").out
    )


@pytest.fixture
def served_board(tmp_path, small_model):
    """The small model on the virtual board behind a TCP port, as `edgekit flash --listen` serves it."""
    command = ["flash", "-w", tmp_path, "-m", small_model, "--listen", 0]
    with subprocess.Popen(
        [sys.executable, "-m", "edgekit", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        urls = (re.search(r"socket://127\.0\.0\.1:\d+", line) for line in process.stdout)
        yield next(match.group() for match in urls if match is not None)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_a_board_at_a_port_is_verified(verify, small_model, served_board):
    exit_code, verdict = verify(small_model, "virt-cortex-m4", "-p", served_board)
    assert exit_code == 0
    assert verdict["exact"]
    assert verdict["inputs"] == 76


def test_a_board_that_runs_another_model_is_refused(edgekit, tmp_path, small_model, served_board):
    generator = np.random.default_rng(1)
    other = tmp_path / "other.tflite"
    filters = generator.integers(-127, 128, (8, 3, 3, 3), dtype=np.int8)
    other.write_bytes(build.convolution("CONV_2D", (1, 8, 8, 3), filters, strides=(2, 2)))
    outcome = edgekit("verify", "-w", tmp_path, "-m", other, "-p", served_board)
    assert outcome.exit_code == 3
    assert "the device runs model" in outcome.err
    assert "Flash the firmware built from this model" in outcome.err


@pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="qemu-system-arm is not installed")
def test_an_emulator_that_dies_mid_run_is_named(tmp_path, small_model):
    command = ["verify", "-w", tmp_path, "-m", small_model, "-b", "mps2-an386", "--noise", 100_000]
    with subprocess.Popen(
        [sys.executable, "-m", "edgekit", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        emulator = _wait_for_child(process, "qemu-system-arm")
        time.sleep(0.5)
        os.kill(emulator, signal.SIGKILL)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 3, error
    assert error.startswith("edgekit: ")
    assert "mps2-an386" in error
    assert "Traceback" not in error
    assert not (tmp_path / "out" / "mps2-an386" / "verdict.json").exists()


def _wait_for_child(process: subprocess.Popen[str], program: str) -> int:
    """Process id of the child (or grandchild) of ``process`` that runs ``program``."""
    for _ in range(600):
        listing = subprocess.run(["ps", "-eo", "pid,ppid,comm"], capture_output=True, text=True, check=True)
        rows = [line.split(None, 2) for line in listing.stdout.splitlines()[1:]]
        parents = {int(pid): int(parent) for pid, parent, _ in rows}
        for pid, _, name in rows:
            ancestors = {parents.get(int(pid)), parents.get(parents.get(int(pid), 0))}
            if program.startswith(name.strip()[:15]) and process.pid in ancestors:
                return int(pid)
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError(f"{program} was not started")
