"""Bundles run for real, with tflite-runtime and with ai-edge-litert, and are verified over a pty."""

import json
import os
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from litert.fake_ssh import fake_ssh
from litert.models import rounding_model

from edgekit.device.device import Device
from edgekit.device.ports import open_port
from edgekit.errors import EXIT_DIFFERS, EXIT_TOLERATED

FEW = ("--noise", "24")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "net.tflite").write_bytes(rounding_model())
    return tmp_path


@pytest.fixture
def verify(edgekit, workspace):
    """Verifies the bundle at a port; returns the outcome and the verdict as JSON."""

    def run(*options: object, model: Path | None = None):
        board = (
            "-w",
            workspace,
            "--board",
            "rpi4",
            "--engine",
            "litert",
            "-m",
            model or workspace / "net.tflite",
        )
        outcome = edgekit("verify", *board, *FEW, "--json", *options)
        return outcome, json.loads(outcome.out) if outcome.out else None

    return run


@pytest.fixture
def image(edgekit, workspace):
    """Builds the bundle of a model with kernels; returns its file."""

    def build(model: Path, kernels: str) -> Path:
        options = ("--board", "rpi4", "--engine", "litert", "--kernels", kernels, "-m", model)
        assert edgekit("build", "-w", workspace, *options).exit_code == 0
        return workspace / "out" / "rpi4" / "firmware.pyz"

    return build


@pytest.mark.parametrize("name", ["kws_ref_model", "pretrainedResnet_quant", "ad01_int8"])
def test_reference_kernels_over_a_pty(shared_folder, package, python, serving, image, verify, name):
    """tflite-runtime is bit-exact; ai-edge-litert is, but for the rounding of FULLY_CONNECTED."""
    model = shared_folder / "models" / "mlperf_tiny" / f"{name}.tflite"
    with serving([python, image(model, "reference"), "--pty"], "serving on ") as line:
        outcome, verdict = verify("--kernels", "reference", "--port", line, model=model)
    assert verdict["engine"].startswith(f"litert reference {package} ")
    assert verdict["link"]["retries"] == 0
    if package == "tflite-runtime":
        assert (outcome.exit_code, verdict["outcome"], verdict["judgement"]) == (0, "exact", None)
        assert outcome.err.count("bit-exact: rpi4") == 1
        # ResNet8 has three ADD, which this package lets write over a convolution's output.
        hidden = verdict["layer_check"]["operators_total"] - verdict["layer_check"]["operators"]
        assert hidden == (3 if name == "pretrainedResnet_quant" else 0)
    else:
        assert (outcome.exit_code, verdict["outcome"]) == (EXIT_TOLERATED, "tolerated")
        assert (verdict["exact"], verdict["judgement"]["rule"]) == (False, "rounding")
        total = verdict["layer_check"]["operators_total"]
        assert "FULLY_CONNECTED rounded once instead of twice" in outcome.err
        assert f"outputs of {total} of {total} operators" in outcome.err
        assert "accepted, though not bit-exact: rpi4" in outcome.err
        layer = verdict["layer_check"]["first_difference"] or verdict["first_difference"]["layer"]
        assert layer["opcode"] == "FULLY_CONNECTED"


def test_fast_kernels_over_a_pty_are_judged_by_tolerance(
    shared_folder, litert_python, serving, image, verify, workspace
):
    model = shared_folder / "models" / "mlperf_tiny" / "pretrainedResnet_quant.tflite"
    with serving([litert_python, image(model, "fast"), "--pty"], "serving on ") as line:
        outcome, verdict = verify("--kernels", "fast", "--port", line, model=model)
        assert verdict["engine"].startswith("litert fast ai-edge-litert ")
        assert (outcome.exit_code, verdict["outcome"]) == (EXIT_TOLERATED, "tolerated")
        assert (verdict["exact"], verdict["judgement"]["rule"]) == (False, "tolerance")
        for words in (
            "judged by tolerance",
            "of the bytes differ",
            "at most",
            "largest output is the same on",
        ):
            assert words in outcome.err
        assert "accepted, though not bit-exact" in outcome.err
        assert "bit-exact: rpi4" not in outcome.err.replace("not bit-exact: rpi4", "")

        (workspace / "edgekit.toml").write_text("[verify]\nmax_mean_difference = 0.01\n")
        outcome, verdict = verify("--kernels", "fast", "--port", line, model=model)
        assert (outcome.exit_code, verdict["outcome"]) == (EXIT_DIFFERS, "differs")
        assert "NOT bit-exact: rpi4" in outcome.err

        outcome, _ = verify("--kernels", "reference", "--port", line, model=model)
        assert outcome.exit_code == 3
        assert "not reference kernels" in outcome.err


def test_fast_kernels_of_tflite_runtime_show_every_layer_or_none(
    shared_folder, tflite_runtime_python, image, verify, monkeypatch
):
    """Whatever the package's default kernels are on this computer, the verdict is consistent."""
    model = shared_folder / "models" / "mlperf_tiny" / "kws_ref_model.tflite"
    monkeypatch.setenv("EDGEKIT_PYTHON", str(tflite_runtime_python))
    outcome, verdict = verify("--kernels", "fast", model=model)
    assert verdict["where"] == "as a process of this computer"
    assert outcome.exit_code == {"exact": 0, "tolerated": EXIT_TOLERATED}[verdict["outcome"]]
    assert verdict["exact"] == (verdict["differing_inputs"] == 0)


def test_emulation_is_a_process_of_this_computer(verify, litert_python, monkeypatch):
    monkeypatch.setenv("EDGEKIT_PYTHON", str(litert_python))
    outcome, verdict = verify()
    assert outcome.exit_code == EXIT_TOLERATED
    assert (verdict["where"], verdict["latency"]) == ("as a process of this computer", None)
    assert verdict["judgement"]["agreement"]["max_difference"] == 1
    assert verdict["differing_inputs"] > 0


def test_serial_line(archive, litert_python, serving):
    """A pseudo-terminal that somebody else made stands for the line."""
    near, far = os.openpty()
    with serving([litert_python, archive, "--serial", os.ttyname(far), "--baud", "9600"], "engine litert "):
        transport = _DescriptorTransport(near)
        with Device(transport) as device:
            assert device.info().board == "rpi4"
            assert device.echo(bytes(range(256))) == bytes(range(256))
    os.close(near)
    os.close(far)


class _DescriptorTransport:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        assert os.write(self._descriptor, data) == len(data)

    def read(self, timeout_s: float) -> bytes:
        readable = select.select([self._descriptor], [], [], timeout_s)[0]
        return os.read(self._descriptor, 4096) if readable else b""

    def close(self) -> None:
        pass


def test_tcp_serves_one_client_after_the_other_on_loopback(archive, litert_python, serving):
    with serving([litert_python, archive, "--listen", "0"], "listening on ") as address:
        host, _, port = address.rpartition(":")
        assert host == "127.0.0.1"
        for _ in range(2):
            with Device(open_port(f"socket://127.0.0.1:{port}")) as device:
                first = device.run_generated(3)
                device.reset()
                assert device.run_generated(3).output_crc32 == first.output_crc32
        if hasattr(socket, "AF_INET6"):
            with socket.socket(socket.AF_INET) as elsewhere:
                elsewhere.settimeout(2)
                assert elsewhere.connect_ex(("127.0.0.2", int(port))) != 0


def run_to_the_end(command: list[object], **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_the_archive_starts_itself(archive, litert_python, tmp_path):
    """With EDGEKIT_PYTHON, else with the environment in the home, else with python3."""
    environment = litert_python.parent.parent
    (tmp_path / ".edgekit").mkdir()
    (tmp_path / ".edgekit" / "python").symlink_to(environment)
    for variables in ({"EDGEKIT_PYTHON": str(litert_python)}, {"EDGEKIT_PYTHON": "", "HOME": str(tmp_path)}):
        done = run_to_the_end([archive], **variables)
        assert (done.returncode, done.stdout) == (0, "")
        assert "net for rpi4, engine litert reference ai-edge-litert" in done.stderr
    nothing = run_to_the_end(
        ["/bin/sh", archive], EDGEKIT_PYTHON="", HOME=str(tmp_path / "x"), PATH="/nowhere"
    )
    assert (nothing.returncode, nothing.stderr) == (127, "edgekit: there is no python3 here\n")


def test_the_folder_runs_like_the_archive(edgekit, workspace, litert_python):
    options = ("--board", "host", "--engine", "litert", "-m", workspace / "net.tflite")
    assert edgekit("build", "-w", workspace, *options).exit_code == 0
    folder = workspace / "out" / "host" / "project"
    done = run_to_the_end([litert_python, folder, "--kernels", "fast"])
    assert done.returncode == 0
    assert "net for host, engine litert fast" in done.stderr


def test_a_missing_package_is_told_in_a_sentence(archive, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True, timeout=60)
    done = run_to_the_end([tmp_path / "bare" / "bin" / "python3", archive])
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for words in ("NumPy is missing", str(tmp_path / "bare"), "pip install -r requirements.txt"):
        assert words in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--serial", "/dev/null"), "cannot be used as a serial line"),
        (("--serial", "/dev/null", "--baud", "12345"), "no serial speed of 12345 baud"),
        (("--listen", "203.0.113.1:0"), "cannot listen on 203.0.113.1:0"),
    ],
)
def test_ports_that_cannot_be_used_are_told(archive, litert_python, options, words):
    done = run_to_the_end([litert_python, archive, *options])
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "options", [("--listen", "x"), ("--listen", "70000"), ("--kernels", "exact"), ("--pty", "--serial", "x")]
)
def test_nonsense_on_the_command_line_is_refused(archive, litert_python, options):
    assert run_to_the_end([litert_python, archive, *options]).returncode == 2


def test_flashed_over_ssh_and_verified_there(edgekit, workspace, tmp_path, monkeypatch, litert_python):
    """The fake ssh runs its commands here, in a home with the environment that the README describes."""
    home = fake_ssh(tmp_path, monkeypatch)
    monkeypatch.setenv("HOME", str(home))
    (home / ".edgekit").mkdir()
    (home / ".edgekit" / "python").symlink_to(litert_python.parent.parent)
    options = ("-w", workspace, "--board", "rpi4", "--engine", "litert", "-m", workspace / "net.tflite")
    flashed = edgekit("flash", *options, "--target", "pi@board")
    assert flashed.exit_code == 0, flashed.err
    assert "engine litert reference ai-edge-litert" in flashed.out
    verified = edgekit("verify", *options, *FEW, "--target", "pi@board")
    assert verified.exit_code == EXIT_TOLERATED
    assert "over ssh at pi@board" in verified.out


def test_flashing_where_nothing_is_installed_says_what_to_install(edgekit, workspace, tmp_path, monkeypatch):
    home = fake_ssh(tmp_path, monkeypatch)
    bare = home / ".edgekit" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True, timeout=60)
    monkeypatch.setenv("HOME", str(home))
    options = ("-w", workspace, "--board", "rpi4", "--engine", "litert", "-m", workspace / "net.tflite")
    flashed = edgekit("flash", *options, "--target", "pi@board")
    assert flashed.exit_code == 3
    assert "pip install -r requirements.txt" in flashed.err
