"""The tflm engine compiled, linked with a TFLite Micro, and run on an emulated board: bit-exact or told."""

import hashlib
import re
import shutil
import subprocess

import numpy as np
import pytest
from tflm.conftest import BOARD, tflm_project

from edgekit.codegen.tflm_arena import ALIGNMENT_SLACK_BYTES
from edgekit.device.device import Device
from edgekit.device.emulators import open_emulator
from edgekit.engines import tflm_arena, tightened_arena
from edgekit.errors import DeviceError
from edgekit.golden import open_golden
from edgekit.graph.executor import execute_all
from edgekit.projects.project import write_project
from edgekit.resources import firmware_folder
from edgekit.toolchains.zig import find_zig
from edgekit.verification.vectors import concatenate, noise_vectors, structured_vectors
from edgekit.verification.verify import Expectation, check_identity, compute_reference, verify

pytestmark = pytest.mark.usefixtures("qemu")
STRICT = ("-std=c++17", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra", "-Werror", "-pedantic")
ENGINE = [f"engine/tflm/{path.name}" for path in sorted((firmware_folder() / "engine/tflm").glob("*.cc"))]


def verdict_of(firmware, noise=4):
    vectors = concatenate([structured_vectors(firmware.graph), noise_vectors(firmware.graph, noise, 1)])
    golden = open_golden(firmware.model, firmware.graph)
    reference = compute_reference(firmware.graph, golden, [], vectors)
    with Device(open_emulator(firmware.board, firmware.result.image)) as device:
        return verify(device, firmware.graph, reference, Expectation(BOARD, "emulated", "tflm"), (), 2)


def test_every_operator_is_exact_and_observed(network_firmware):
    verdict = verdict_of(network_firmware, noise=24)
    assert verdict.exact
    assert verdict.distinct_outputs > 10
    assert verdict.layer_check.operators == 11


@pytest.mark.slow
def test_real_networks_are_exact(make_firmware, mlperf_tiny_model):
    firmware = make_firmware(mlperf_tiny_model.read_bytes(), mlperf_tiny_model.stem)
    verdict = verdict_of(firmware, noise=1)
    assert verdict.exact
    assert verdict.layer_check.operators == len(firmware.graph.ops)
    if firmware.graph.name != "ad01_int8":
        return
    # What this very device reported is enough for it, although its head is smaller than what planning takes.
    tight_bytes = tightened_arena(verdict.arena_used_bytes, firmware.graph, firmware.model, firmware.board)
    assert verdict_of(make_firmware(firmware.model, firmware.graph.name, tight_bytes), noise=1).exact


def test_a_wrong_weight_is_noticed(make_firmware, network):
    def spoil(folder):
        """Changes a byte of the first convolution's weights, but not the digest."""
        source = folder / "model/model_data.c"
        head, array = source.read_text().split("model_data[MODEL_DATA_BYTES]")
        data = bytearray(int(digits, 16) for digits in re.findall(r"0x([0-9a-f]{2})", array))
        assert bytes(data) == network
        weights = np.random.default_rng(7).integers(-127, 128, (8, 3, 3, 3)).astype(np.int8).tobytes()
        at = data.index(weights)
        data[at + 13] ^= 0x40
        rows = ", ".join(f"0x{byte:02x}" for byte in data)
        source.write_text(f"{head}model_data[MODEL_DATA_BYTES] = {{{rows}}};\n")

    verdict = verdict_of(make_firmware(network, change=spoil))
    assert not verdict.exact
    assert verdict.first_difference.layer.op_index == 1


def test_a_run_stops_at_an_operator_and_holds_its_output(network_firmware):
    firmware = network_firmware
    vectors = noise_vectors(firmware.graph, 1, 5)
    expected = execute_all(firmware.graph, vectors.inputs)
    with Device(open_emulator(firmware.board, firmware.result.image)) as device:
        for op in (firmware.graph.ops[number] for number in (5, 0, 10)):
            held = device.op_output(op.index, vectors.one(0))
            assert bytes(held) == expected[op.output].tobytes()


def test_an_arena_that_is_too_small_is_told_whatever_its_size(make_firmware, network_firmware, network):
    firmware, graph = network_firmware, network_firmware.graph
    estimate = tflm_arena(graph, network, firmware.board)
    with Device(open_emulator(firmware.board, firmware.result.image)) as device:
        used_bytes = device.status().arena_used_bytes
    smallest = estimate.head_bytes + ALIGNMENT_SLACK_BYTES
    for arena_bytes in (smallest, used_bytes - 64):
        small = make_firmware(network, arena_bytes=arena_bytes)
        with (
            Device(open_emulator(small.board, small.result.image)) as device,
            pytest.raises(DeviceError, match=rf"arena of {arena_bytes:,} bytes is too small"),
        ):
            check_identity(device, graph, Expectation(BOARD, "emulated", "tflm"))


def test_a_port_is_called_between_operators(make_firmware, network):
    def say_so(folder):
        port = folder / "port/mps2/port.c"
        port.write_text(
            port.read_text()
            + '\nvoid ek_port_relax(void) {\n    ek_port_write((const uint8_t *)"\\0relaxed\\n\\0", 10);\n}\n'
        )

    firmware = make_firmware(network, change=say_so)
    lines = []
    with Device(open_emulator(firmware.board, firmware.result.image), on_log=lines.append) as device:
        device.run(noise_vectors(firmware.graph, 1, 5).one(0))
        device.status()
    assert lines.count("relaxed") == len(firmware.graph.ops)


def test_the_makefile_makes_the_same_image(network_firmware, tflm_library):
    firmware = network_firmware
    image = firmware.result.image.read_bytes()
    binary = firmware.result.binary.read_bytes()
    command = ["make", f"TFLM_ROOT={tflm_library.include_folders[0]}", "clean", "all", "build/firmware.bin"]
    subprocess.run([*command[:3]], cwd=firmware.folder, check=True, capture_output=True, timeout=60)
    subprocess.run(
        [*command[:2], *command[3:]], cwd=firmware.folder, check=True, capture_output=True, timeout=300
    )
    assert hashlib.sha256(firmware.result.image.read_bytes()).digest() == hashlib.sha256(image).digest()
    assert (firmware.folder / "build/firmware.bin").read_bytes() == binary


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("compiler", ["arm-none-eabi-gcc", "zig"])
def test_sources_compile_without_a_warning(tflm_library, network, tmp_path, compiler, general):
    _, _, project = tflm_project(network, "network")
    write_project(project, tmp_path)
    command = (compiler, "-mcpu=cortex-m4", "-mthumb")
    if compiler == "zig":
        zig = find_zig()
        if zig is None:
            pytest.skip("zig is not installed")
        # This computer's pointers have another size, which the log of bare metal does not know.
        command = (str(zig), "c++")
    elif shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    sources = ENGINE if compiler != "zig" else [name for name in ENGINE if not name.endswith("_log.cc")]
    defines = [*tflm_library.defines, *(["EK_TFLM_GENERAL_KERNELS"] if general else [])]
    for source in sources:
        arguments = (
            *(*command, *STRICT, "-Iinclude", "-Imodel"),
            *(f"-D{define}" for define in defines),
            *(f"-isystem{folder}" for folder in tflm_library.include_folders),
            *("-c", source, "-o", "object.o"),
        )
        done = subprocess.run(
            arguments, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
