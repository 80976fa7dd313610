"""The README's promises are kept: the demo as shown, then its commands, in its order."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def edgekit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgekit", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory):
    """A folder in which the demo ran. It trains for a minute, so once for all tests."""
    pytest.importorskip("tensorflow", reason="the demo trains: pip install 'edgekit[train]'")
    folder = tmp_path_factory.mktemp("readme")
    outcome = edgekit(folder, "demo")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return folder


@pytest.mark.slow
def test_the_demo_is_accurate_and_bit_exact(demo_folder):
    out = demo_folder / "edgekit-demo" / "out"
    quantization = json.loads((out / "model" / "quantization.json").read_text())
    assert quantization["int8_accuracy"] >= 0.95
    verdict = json.loads((out / "virt-cortex-m4" / "verdict.json").read_text())
    assert verdict["exact"]
    assert verdict["inputs"] >= 100
    assert verdict["distinct_outputs"] > 50
    assert verdict["accuracy"]["device_correct"] == verdict["accuracy"]["golden_correct"] >= 190


@pytest.mark.slow
def test_the_commands_run_in_the_order_shown(demo_folder):
    (block,) = re.findall(r"after the demo -->\n```console\n(.*?)```", README, re.DOTALL)
    commands = [shlex.split(line.removeprefix("$ ")) for line in block.splitlines()]
    assert len(commands) >= 8
    for program, *arguments in commands:
        assert program == "edgekit"
        outcome = edgekit(demo_folder, *arguments)
        assert outcome.returncode == 0, f"{arguments}: {outcome.stdout}{outcome.stderr}"


def test_the_settings_shown_are_valid(tmp_path):
    (block,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "edgekit.toml").write_text(block)
    outcome = edgekit(tmp_path, "build")
    assert "there is no picture folder" in outcome.stderr
