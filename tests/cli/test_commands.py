"""What a user types, and what comes back: results, exit codes, and nothing lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.boards import board_names
from edgekit.config import Settings, load_settings, override
from edgekit.workspace import Workspace


def python(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


def test_help_lists_the_stages_in_order(edgekit):
    outcome = edgekit("--help")
    assert outcome.exit_code == 0
    commands = [
        line.split()[0] for line in outcome.out.partition("Commands:")[2].splitlines() if line.strip()
    ]
    assert commands == [
        "init",
        "train",
        "quantize",
        "estimate",
        "build",
        "flash",
        "verify",
        "bench",
        "monitor",
        "run",
        "demo",
        "boards",
        "doctor",
    ]


@pytest.mark.parametrize("module", ["numpy", "tensorflow", "rich", "serial", "unicorn", "ai_edge_litert"])
def test_help_imports_nothing_heavy(module):
    code = (
        "import sys; from edgekit.cli import main; main(['--help']); main(['train', '--help']); "
        f"sys.exit({module!r} in sys.modules)"
    )
    assert python("-c", code).returncode == 0


@pytest.mark.parametrize(("channels", "message"), [("1", "no picture folder"), ("2", "'2' is not one of")])
def test_channels(edgekit, workspace, channels, message):
    """They are numbers, among which older releases of click than pyproject.toml allows find none."""
    outcome = edgekit("train", "-w", workspace, "--channels", channels, "-d", workspace / "none")
    assert outcome.exit_code == 2
    assert message in outcome.err


def test_boards_as_json(edgekit):
    outcome = edgekit("boards", "--json")
    boards = json.loads(outcome.out)
    assert [board["name"] for board in boards] == board_names()
    assert all(board["proof"]["level"] in {"board", "emulator", "compiled", "generated"} for board in boards)


def test_boards_as_a_table(edgekit):
    assert "mps2-an386" in edgekit("boards").out


def test_doctor_names_what_is_missing_and_how_to_get_it(edgekit, monkeypatch):
    monkeypatch.setenv("PATH", "")
    checks = {check["name"]: check for check in json.loads(edgekit("doctor", "--json").out)}
    assert checks["qemu-system-arm"]["found"] is None
    assert "qemu-system-arm" in checks["qemu-system-arm"]["advice"]
    assert checks["python"]["found"]


def test_the_project_file_that_init_writes_shows_the_real_defaults(edgekit, workspace):
    assert edgekit("init", "-w", workspace, "--board", "mps2-an386").exit_code == 0
    project = Workspace(workspace)
    assert load_settings(project) == override(Settings(), {"build.board": "mps2-an386"})
    lines = [line.removeprefix("# ") for line in project.settings_file.read_text().splitlines()]
    not_defaults = ("file =", "port =", "target =")
    shown = [line for line in lines if " = " in line or line.startswith("[")]
    project.settings_file.write_text(
        "\n".join(line for line in shown if not line.startswith(not_defaults)).replace("mps2-an386", "host")
    )
    assert load_settings(project) == override(Settings(), {"build.board": "host"})


def test_init_leaves_an_existing_project_file_alone(edgekit, workspace):
    (workspace / "edgekit.toml").write_text("seed = 7\n")
    outcome = edgekit("init", "-w", workspace)
    assert outcome.exit_code == 2
    assert "exists already" in outcome.err
    assert (workspace / "edgekit.toml").read_text() == "seed = 7\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[model]\nalfa = 0.5\n", r"no key called 'alfa'. Did you mean 'alpha'? (at 'model.alfa'"),
        ("[bild]\n", "Did you mean 'build'?"),
        ('seed = "x"\n', "Expected `int`"),
        ("seed = \n", "not valid TOML"),
        ("[training]\nepochs = 0\n", "epochs"),
        ('[model]\nfamily = "resnet"\n', "Invalid enum value 'resnet'"),
    ],
)
def test_wrong_settings_are_named(edgekit, workspace, text, message):
    (workspace / "edgekit.toml").write_text(text)
    outcome = edgekit("build", "-w", workspace)
    assert outcome.exit_code == 2
    assert message in outcome.err
    assert not (workspace / "out").exists()


def test_no_such_board(edgekit, workspace, small_model):
    outcome = edgekit("build", "-w", workspace, "-b", "rpi44", "-m", small_model)
    assert outcome.exit_code == 2
    assert "there is no board called 'rpi44'. Did you mean 'rpi4'?" in outcome.err


def test_no_such_workspace(edgekit, tmp_path, small_model):
    outcome = edgekit("build", "-w", tmp_path / "none", "-m", small_model)
    assert outcome.exit_code == 2
    assert "is not a folder" in outcome.err


def test_an_unwritable_workspace(edgekit, workspace, small_model):
    (workspace / "out").write_text("a file where a folder should be")
    outcome = edgekit("build", "-w", workspace, "-m", small_model)
    assert outcome.exit_code == 2
    assert "cannot be written" in outcome.err
    assert (workspace / "out").read_text() == "a file where a folder should be"


@pytest.mark.parametrize("damage", ["empty", "truncated", "random", "text"])
def test_a_broken_model(edgekit, workspace, small_model, small_model_bytes, damage):
    content = {
        "empty": b"",
        "truncated": small_model_bytes[: len(small_model_bytes) // 2],
        "random": np.random.default_rng(1).bytes(5000),
        "text": b"not a model",
    }
    small_model.write_bytes(content[damage])
    outcome = edgekit("build", "-w", workspace, "-m", small_model)
    assert outcome.exit_code == 2
    assert "small is not a TensorFlow Lite model, or is damaged" in outcome.err
    assert not (workspace / "out").exists()


def test_a_missing_model(edgekit, workspace):
    outcome = edgekit("build", "-w", workspace, "-m", workspace / "none.tflite")
    assert outcome.exit_code == 2
    assert "cannot read the model" in outcome.err


def test_a_model_too_large_for_the_board_is_told_before_any_compiler_runs(
    edgekit, workspace, small_model, monkeypatch
):
    source = Path("boards/virt-cortex-m4.toml")
    (workspace / "boards").mkdir()
    tiny = (Path(__file__).resolve().parents[2] / source).read_text()
    tiny = tiny.replace('name = "virt-cortex-m4"', 'name = "tiny"').replace("1_048_576", "2_100")
    tiny = tiny.replace("[memory]", "[memory]\nstack_bytes = 1_024")
    (workspace / "boards" / "tiny.toml").write_text(tiny)
    monkeypatch.setattr("edgekit.toolchains.build.compile_project", lambda *a, **k: pytest.fail("compiled"))
    outcome = edgekit("build", "-w", workspace, "-b", "tiny", "-m", small_model)
    assert outcome.exit_code == 6
    assert "does not fit tiny" in outcome.err
    assert "bytes are missing" in outcome.err


@pytest.mark.parametrize("content", ["nothing", "one class", "no pictures", "a file"])
def test_a_folder_that_is_no_picture_folder(edgekit, workspace, tmp_path, content):
    folder = tmp_path / "pictures"
    if content == "a file":
        folder.write_text("x")
    else:
        folder.mkdir()
    if content == "one class":
        (folder / "cats").mkdir()
        Image.new("RGB", (8, 8)).save(folder / "cats" / "1.png")
    if content == "no pictures":
        for name in ("cats", "dogs"):
            (folder / name).mkdir()
            (folder / name / "notes.txt").write_text("x")
    outcome = edgekit("train", "-w", workspace, "-d", folder)
    assert outcome.exit_code == 2
    assert "FOLDER/CLASS/" in outcome.err


def test_no_answer_on_the_port(edgekit, workspace, small_model):
    outcome = edgekit("verify", "-w", workspace, "-m", small_model, "-p", "socket://127.0.0.1:9")
    assert outcome.exit_code == 3
    assert "127.0.0.1:9" in outcome.err


def test_a_port_that_is_not_there(edgekit, workspace, small_model):
    outcome = edgekit("verify", "-w", workspace, "-m", small_model, "-p", "/dev/ttyNONE0")
    assert outcome.exit_code == 3
    assert "/dev/ttyNONE0" in outcome.err


def test_nothing_to_verify_with(edgekit, workspace, small_model):
    outcome = edgekit("verify", "-w", workspace, "-m", small_model, "--noise", "0", "--no-structured")
    assert outcome.exit_code == 2
    assert "nothing to verify with" in outcome.err


@pytest.mark.slow
def test_ctrl_c_during_training_keeps_the_best_weights(tmp_path):
    pytest.importorskip("tensorflow", reason="training needs tensorflow: pip install 'edgekit[train]'")
    command = [
        sys.executable,
        "-m",
        "edgekit",
        "train",
        "-w",
        str(tmp_path),
        "--image-size",
        "16",
        "--epochs",
        "500",
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        for line in process.stdout:
            if "epoch 2/500" in line:
                time.sleep(0.2)
                process.send_signal(signal.SIGINT)
                break
        _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "training was interrupted. The best weights so far" in error
    report = json.loads((tmp_path / "out" / "model" / "training.json").read_text())
    assert report["interrupted"]
    finished = python(
        "-m", "edgekit", "quantize", "-w", tmp_path, "--image-size", 16, "--epochs", 500, "--json"
    )
    assert finished.returncode == 0, finished.stderr
    assert "train: up to date" in finished.stderr
    assert json.loads(finished.stdout)["int8_accuracy"] > 0.1
